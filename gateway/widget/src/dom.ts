// Elements without markup: nothing here parses HTML, so text stays text, and no policy of the page
// (Content-Security-Policy, Trusted Types) has anything to object to.

type Child = Node | string | false | null | undefined;
type Handler = (event: never) => void;
type Properties = Record<string, string | number | boolean | Handler | null | undefined>;

const kSvg = 'http://www.w3.org/2000/svg';

// `on...` are listeners, everything else attributes; false and null leave one out.
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') {
      element.addEventListener(name.slice(2), value as unknown as EventListener);
    } else {
      set(element, name, value);
    }
  }
  element.append(...(children.filter((child) => child || child === '') as (Node | string)[]));
  return element;
}

export function set(
  element: Element,
  name: string,
  value: string | number | boolean | null | undefined,
): void {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value === true ? '' : String(value));
  }
}

// Touches the text only where it changes, so that a screen reader is not made to read it again.
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const kPaths = {
  chat: 'M12 3.5c5 0 9 3.3 9 7.6s-4 7.6-9 7.6c-1 0-2-.1-2.9-.4L4.6 20.5l.9-3.9C4 15.2 3 13.3 3 11.1c0-4.3 4-7.6 9-7.6Z',
  down: 'm6 9.5 6 6 6-6',
  close: 'm6 6 12 12M18 6 6 18',
  back: 'm14.5 5-7 7 7 7',
  send: 'M12 19.5v-15M5.5 11 12 4.5l6.5 6.5',
  clip: 'm20 11.5-8.2 8.2a5 5 0 0 1-7.1-7.1l8.5-8.5a3.4 3.4 0 0 1 4.8 4.8l-8.5 8.5a1.7 1.7 0 0 1-2.4-2.4l7.8-7.8',
  file: 'M13.5 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8.5L13.5 3Zm0 0v5.5H19',
  star: 'm12 3.5 2.6 5.4 5.9.8-4.3 4.1 1.1 5.9-5.3-2.9-5.3 2.9 1.1-5.9-4.3-4.1 5.9-.8L12 3.5Z',
  go: 'M5 12h14m-6-6 6 6-6 6',
  telegram: 'M21 4 3 11l5.5 2.2L18 7l-7.5 7.5V20l3-3.5 4 3L21 4Z',
  whatsapp:
    'M4 20l1.1-3.9A8 8 0 1 1 8 19L4 20Zm5-11.5c0 3.5 3 6.5 6.5 6.5l.8-1.8-2-1-1 .8c-1-.5-1.8-1.3-2.3-2.3l.8-1-1-2-1.8.8Z',
  instagram:
    'M8 3.5h8A4.5 4.5 0 0 1 20.5 8v8a4.5 4.5 0 0 1-4.5 4.5H8A4.5 4.5 0 0 1 3.5 16V8A4.5 4.5 0 0 1 8 3.5Zm4 5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7Zm5-1.5v.1',
  x: 'M4 4l16 16M20 4 4 20',
  email:
    'M4 5.5h16a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-11a1 1 0 0 1 1-1Zm-.5 1.5 8.5 6 8.5-6',
};

export type Icon = keyof typeof kPaths;

export function icon(name: string): SVGSVGElement {
  const svg = document.createElementNS(kSvg, 'svg');
  const path = document.createElementNS(kSvg, 'path');
  set(svg, 'viewBox', '0 0 24 24');
  set(svg, 'aria-hidden', 'true');
  set(svg, 'focusable', 'false');
  set(svg, 'class', 'i-' + name);
  set(path, 'd', kPaths[name as Icon] ?? kPaths.chat);
  svg.append(path);
  return svg;
}

// Shown while somebody writes.
export function dots(): HTMLElement {
  return h('span', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'));
}
