import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEmbedding } from '../../../gateway/widget/src/embedding';
import { clock, day, size } from '../../../gateway/widget/src/format';
import { fill, kLocales, pickLocale } from '../../../gateway/widget/src/locales';
import { readSettings } from '../../../gateway/widget/src/settings';

const kWidget = '019a9f3e-7c1d-7a52-b7f4-3c2f5d8e9a01';
const kWebchat = '507f1f77bcf86cd799439011';
const kBase = 'https://chat.example';

const page = (globals: object, dataset: object = {}) =>
  [
    { document: { querySelector: () => null }, ...globals },
    { src: kBase + '/widget.js?v=1', dataset, nonce: 'n' },
  ] as unknown as [Window, HTMLScriptElement];

test('the documented ways to embed name the widget or the webchat', () => {
  const expected = (id: string) => ({ base: kBase, id, nonce: 'n' });
  for (const name of ['PingBackWidgetId', 'BackchannelWidgetId']) {
    assert.deepEqual(findEmbedding(...page({ [name]: kWidget })), expected(kWidget));
  }
  for (const name of ['TetherWebchatId', 'BackchannelWebchatId']) {
    assert.deepEqual(findEmbedding(...page({ [name]: kWebchat })), expected(kWebchat));
  }
  assert.deepEqual(findEmbedding(...page({}, { widgetId: kWidget })), expected(kWidget));
  assert.deepEqual(findEmbedding(...page({}, { webchatId: kWebchat })), expected(kWebchat));
});

test('a page without an id, or with a wrong one, is told what is missing', () => {
  assert.match(findEmbedding(...page({})) as string, /data-widget-id/);
  assert.match(findEmbedding(...page({ PingBackWidgetId: '../x' })) as string, /neither/);
  assert.match(findEmbedding(...page({ PingBackWidgetId: 7 })) as string, /neither/);
});

test('a widget shows what it has been configured with', () => {
  const settings = readSettings(
    {
      kind: 'widget',
      id: kWidget,
      business_id: 'b',
      name: 'Acme',
      welcome_heading: 'Hi!',
      welcome_tagline: 'Ask.',
      logo_url: 'https://acme.com/l.png',
      show_online_badge: false,
      config: {
        position: 'bottom-left',
        offset_x: 8,
        locale: 'de',
        color_scheme: 'dark',
        csat: true,
      },
      channels: [
        { type: 'telegram', url: 'https://t.me/acme' },
        { type: 'x', url: 'javascript:alert(1)' },
      ],
    },
    kBase,
    ['en-GB'],
  );
  assert.equal(settings.heading, 'Hi!');
  assert.equal(settings.showsOnline, false);
  assert.equal(settings.asksCsat, true);
  assert.equal(settings.scheme, 'dark');
  assert.equal(settings.locale.language, 'de');
  assert.equal(settings.logo, 'https://acme.com/l.png');
  assert.deepEqual(settings.position, { top: false, side: 'left', x: 8, y: 20, z: 2147483000 });
  assert.deepEqual(settings.channels, [{ type: 'telegram', url: 'https://t.me/acme' }]);
});

test('a webchat has its place, its words and its layer from its own fields', () => {
  const settings = readSettings(
    {
      kind: 'webchat',
      id: kWebchat,
      business_id: 'b',
      webchat: {
        name: 'Chat',
        starterMessage: 'Hello',
        statusText: 'Usually within an hour',
        csatThankYouMessage: 'Cheers',
        position: 'top-left',
        offsetX: 24,
        offsetY: 30,
        zIndex: 9999,
        icon: null,
      },
    },
    kBase,
    ['fr-CA'],
  );
  assert.equal(settings.starter, 'Hello');
  assert.equal(settings.statusText, 'Usually within an hour');
  assert.equal(settings.asksCsat, true);
  assert.equal(settings.csatThanks, 'Cheers');
  assert.equal(settings.locale.tag, 'fr-CA');
  assert.deepEqual(settings.position, { top: true, side: 'left', x: 24, y: 30, z: 9999 });
});

test('nonsense in the configuration leaves the defaults', () => {
  const settings = readSettings(
    {
      kind: 'widget',
      id: kWidget,
      business_id: 'b',
      logo_url: 'javascript:alert(1)',
      config: {
        position: 7,
        offset_x: -5,
        offset_y: 'a',
        z_index: 1e99,
        color_scheme: 'pink',
        locale: {},
      },
      channels: [null as never, { type: 'x' } as never],
    },
    kBase,
    ['xx', 'ar-EG'],
  );
  assert.equal(settings.logo, null);
  assert.equal(settings.scheme, 'auto');
  assert.equal(settings.locale.rtl, true);
  assert.deepEqual(settings.position, { top: false, side: 'left', x: 20, y: 20, z: 2147483000 });
  assert.deepEqual(settings.channels, []);
});

test('a known language is found by its first part, and English is the last resort', () => {
  assert.equal(pickLocale(['pt_BR']).tag, 'pt-BR');
  assert.equal(pickLocale(['zh-CN', 'es-MX']).language, 'es');
  assert.equal(pickLocale(['__proto__', 'constructor']).language, 'en');
  assert.equal(pickLocale([]).language, 'en');
});

test('every language has every sentence, with the same places to fill', () => {
  const places = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort().join();
  const english = Object.entries(kLocales.en!);
  for (const [language, words] of Object.entries(kLocales)) {
    assert.deepEqual(Object.keys(words).sort(), english.map(([name]) => name).sort(), language);
    for (const [name, text] of english) {
      const other = (words as unknown as Record<string, string>)[name]!;
      assert.equal(places(other), places(text), `${language}: ${name}`);
      assert.ok(other.trim() !== '');
    }
  }
  assert.equal(fill('{n} of {m}', { n: 2 }), '2 of {m}');
});

test('times and sizes are written as the language writes them', () => {
  const locale = pickLocale(['en-GB']);
  const now = new Date(2026, 10, 20, 12);
  assert.equal(day(locale, new Date(2026, 10, 20, 1), now), 'Today');
  assert.equal(day(locale, new Date(2026, 10, 19, 23), now), 'Yesterday');
  assert.equal(day(locale, new Date(2026, 10, 3), now), '3 November');
  assert.equal(day(locale, new Date(2025, 10, 3), now), '3 November 2025');
  assert.equal(day(pickLocale(['de']), new Date(2026, 10, 19), now), 'Gestern');
  // ICU has changed its mind about the zero.
  assert.match(clock(locale, new Date(2026, 10, 20, 9, 5)), /^0?9:05$/);
  assert.equal(size(locale, 999), '999 byte');
  assert.equal(size(locale, 1_260_000), '1.3 MB');
});
