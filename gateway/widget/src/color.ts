// Colours that can be read on each other, whatever a business has chosen.
//
// Contrast and its limits are those of WCAG 2.1: 4.5 for text, 3 for what is drawn
// (https://www.w3.org/TR/WCAG21/#contrast-minimum, read 2026-11-21). Pure functions.

export type Rgb = readonly [number, number, number];
// Custom properties of the style sheet, without their dashes.
export type Palette = Record<string, string>;

const kWhite: Rgb = [255, 255, 255];
const kInk: Rgb = [22, 24, 29];
const kNight: Rgb = [24, 26, 32];
const kText = 4.5;
const kAlmost = 3.5;
const kDrawn = 3;

// #rgb, #rrggbb, and #rrggbbaa without its transparency; null for anything else.
export function parseColor(value: unknown): Rgb | null {
  if (typeof value !== 'string') return null;
  const match = /^#(?:([\da-f]{3})|([\da-f]{6})(?:[\da-f]{2})?)$/i.exec(value.trim());
  if (!match) return null;
  const hex = match[1] ? match[1].replace(/./g, '$&$&') : match[2]!;
  const number = parseInt(hex, 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

export function toCss(color: Rgb): string {
  return '#' + color.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('');
}

function luminance(color: Rgb): number {
  const [r, g, b] = color.map((part) => {
    const c = part / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(one: Rgb, other: Rgb): number {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

export function mix(one: Rgb, other: Rgb, share: number): Rgb {
  return one.map((part, i) => part + (other[i]! - part) * share) as unknown as Rgb;
}

// White where it can be read, because coloured buttons are expected to have it; otherwise ink.
export function textOn(background: Rgb): Rgb {
  const black: Rgb = [0, 0, 0];
  for (const text of [kWhite, kInk]) if (contrast(text, background) >= kText) return text;
  return contrast(kWhite, background) > contrast(black, background) ? kWhite : black;
}

// A background and its text. A colour that almost carries white is darkened until it does: black on
// the red of half the world's brands looks like a mistake.
function pair(color: Rgb): [Rgb, Rgb] {
  const white = contrast(kWhite, color);
  const background = white < kText && white >= kAlmost ? readable(color, kWhite) : color;
  return [background, textOn(background)];
}

// `color`, or the nearest to it that stands out from `background`.
export function readable(color: Rgb, background: Rgb, least = kText): Rgb {
  const goal = contrast(kWhite, background) > contrast([0, 0, 0], background) ? kWhite : [0, 0, 0];
  for (let share = 0; share < 1; share += 0.05) {
    const candidate = mix(color, goal as Rgb, share);
    // As it will be shown, so that rounding takes nothing of the contrast.
    const shown = candidate.map(Math.round) as unknown as Rgb;
    if (contrast(shown, background) >= least) return shown;
  }
  return goal as Rgb;
}

interface Base {
  accent: Rgb;
  background: Rgb;
  header: Rgb;
  headerText?: Rgb | null;
  status?: Rgb | null;
  mine: Rgb;
  time?: Rgb | null;
  csat?: Rgb | null;
  csatText?: Rgb | null;
}

function palette(base: Base): Palette {
  const { background } = base;
  const text = textOn(background);
  const dark = text === kWhite;
  const foreground = readable(dark ? mix(kWhite, background, 0.08) : kInk, background);
  const [accent, onAccent] = pair(readable(base.accent, background, kDrawn));
  const [header, onHeader] = base.headerText
    ? [base.header, readable(base.headerText, base.header)]
    : pair(base.header);
  const [mine, onMine] = pair(base.mine);
  const surface = mix(background, text, dark ? 0.1 : 0.055);
  const csat = base.csat ?? surface;
  const muted = readable(mix(foreground, background, 0.38), background);
  const all: Record<string, Rgb> = {
    bg: background,
    fg: foreground,
    muted,
    line: mix(background, text, dark ? 0.16 : 0.1),
    surface,
    raised: dark ? mix(background, kWhite, 0.05) : background,
    accent,
    'on-accent': onAccent,
    link: readable(base.accent, background),
    'link-surface': readable(base.accent, surface),
    header,
    'on-header': onHeader,
    status: readable(base.status ?? mix(onHeader, header, 0.15), header),
    mine,
    'on-mine': onMine,
    time: readable(base.time ?? muted, background),
    csat,
    'on-csat': readable(base.csatText ?? textOn(csat), csat),
    danger: readable([200, 30, 45], background),
    good: [34, 176, 95],
  };
  const result: Palette = { scheme: dark ? 'dark' : 'light' };
  for (const [name, color] of Object.entries(all)) result[name] = toCss(color);
  return result;
}

export function widgetPalette(primary: unknown, dark: boolean): Palette {
  const accent = parseColor(primary) ?? [118, 80, 255];
  return palette({
    accent,
    background: dark ? kNight : kWhite,
    // The header keeps the business's colour; in the dark it is toned down, not turned bright.
    header: dark ? mix(accent, kNight, 0.35) : accent,
    mine: accent,
  });
}

// A webchat names its colours, so it looks the same by day and by night.
export function webchatPalette(of: Record<string, unknown>): Palette {
  const primary = parseColor(of.primaryColor) ?? [118, 80, 255];
  return palette({
    accent: primary,
    background: parseColor(of.backgroundColor) ?? kWhite,
    header: primary,
    headerText: parseColor(of.headerTextColor),
    status: parseColor(of.statusTextColor),
    mine: parseColor(of.secondaryColor) ?? primary,
    time: parseColor(of.timestampColor),
    csat: parseColor(of.csatBackgroundColor),
    csatText: parseColor(of.csatTextColor),
  });
}
