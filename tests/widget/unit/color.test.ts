import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  contrast,
  parseColor,
  type Rgb,
  textOn,
  webchatPalette,
  widgetPalette,
} from '../../../gateway/widget/src/color';

// The pairs that carry text, and what WCAG 2.1 asks of them (1.4.3, 1.4.11).
const kPairs: [string, string, number][] = [
  ['fg', 'bg', 4.5],
  ['muted', 'bg', 4.5],
  ['time', 'bg', 4.5],
  ['link', 'bg', 4.5],
  ['link-surface', 'surface', 4.5],
  ['on-accent', 'accent', 4.5],
  ['on-header', 'header', 4.5],
  ['status', 'header', 4.5],
  ['on-mine', 'mine', 4.5],
  ['on-csat', 'csat', 4.5],
  ['danger', 'bg', 4.5],
  ['accent', 'bg', 3],
];

const kColors = [
  '#7650FF',
  '#000',
  '#fff',
  '#ffff00',
  '#777777',
  '#E63946',
  '#2B9348',
  '#00e5ff',
  '#1a1a2e',
];

test('the contrast of black and white is 21, as WCAG defines it', () => {
  assert.ok(Math.abs(contrast([0, 0, 0], [255, 255, 255]) - 21) < 1e-9);
  // https://webaim.org/resources/contrastchecker/ for #767676 on white
  assert.equal(contrast(parseColor('#767676') as Rgb, [255, 255, 255]).toFixed(2), '4.54');
});

test('colours are read as CSS writes them, and nothing else is a colour', () => {
  assert.deepEqual(parseColor('#abc'), [170, 187, 204]);
  assert.deepEqual(parseColor(' #7650FF '), [118, 80, 255]);
  assert.deepEqual(parseColor('#7650FF80'), [118, 80, 255]);
  for (const wrong of [
    '',
    'red',
    '#12',
    '#12345',
    '#GGGGGG',
    '7650FF',
    '#fff;x:url(y)',
    null,
    7,
    {},
  ]) {
    assert.equal(parseColor(wrong), null, String(wrong));
  }
});

test('text on any colour can be read', () => {
  for (const color of kColors) {
    const background = parseColor(color) as Rgb;
    assert.ok(contrast(textOn(background), background) >= 4.5, color);
  }
});

test('every text of a widget can be read, whatever colour it has been given', () => {
  for (const primary of [...kColors, 'nonsense', undefined]) {
    for (const dark of [false, true]) {
      const palette = widgetPalette(primary, dark);
      for (const [text, background, least] of kPairs) {
        const ratio = contrast(
          parseColor(palette[text]) as Rgb,
          parseColor(palette[background]) as Rgb,
        );
        assert.ok(ratio >= least, `${primary} dark=${dark}: ${text} on ${background} is ${ratio}`);
      }
      assert.equal(palette.scheme, dark ? 'dark' : 'light');
    }
  }
});

test('every text of a webchat can be read, also where its colours do not fit each other', () => {
  for (const one of kColors) {
    for (const other of kColors) {
      const palette = webchatPalette({
        backgroundColor: one,
        primaryColor: other,
        secondaryColor: one,
        headerTextColor: other,
        statusTextColor: one,
        timestampColor: other,
        csatBackgroundColor: one,
        csatTextColor: other,
      });
      for (const [text, background, least] of kPairs) {
        const ratio = contrast(
          parseColor(palette[text]) as Rgb,
          parseColor(palette[background]) as Rgb,
        );
        assert.ok(ratio >= least, `${one}, ${other}: ${text} on ${background} is ${ratio}`);
      }
    }
  }
});

test('a brand colour that almost carries white carries it, a little darker', () => {
  const palette = widgetPalette('#E63946', false);
  assert.equal(palette['on-accent'], '#ffffff');
  const distance = contrast(parseColor(palette.accent) as Rgb, parseColor('#E63946') as Rgb);
  assert.ok(distance < 1.2, String(distance));
});

test('colours that fit are taken as they are', () => {
  const palette = webchatPalette({
    backgroundColor: '#FFFFFF',
    primaryColor: '#1D4ED8',
    secondaryColor: '#0F766E',
    headerTextColor: '#FFFFFF',
    timestampColor: '#555555',
    csatBackgroundColor: '#FDF6B2',
    csatTextColor: '#723B13',
  });
  assert.equal(palette.bg, '#ffffff');
  assert.equal(palette.header, '#1d4ed8');
  assert.equal(palette.mine, '#0f766e');
  assert.equal(palette['on-header'], '#ffffff');
  assert.equal(palette.time, '#555555');
  assert.equal(palette.csat, '#fdf6b2');
  assert.equal(palette['on-csat'], '#723b13');
  assert.equal(widgetPalette('#7650FF', false).mine, '#7650ff');
});
