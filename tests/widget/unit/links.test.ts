import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkify, safeUrl } from '../../../gateway/widget/src/links';

const found = (text: string) =>
  linkify(text).flatMap(({ text: shown, href }) => (href ? [[shown, href]] : []));

test('addresses, mail addresses and telephone numbers are found in a sentence', () => {
  assert.deepEqual(found('See https://acme.com/a?b=c#d, www.acme.com or mail sales@acme.com.'), [
    ['https://acme.com/a?b=c#d', 'https://acme.com/a?b=c#d'],
    ['www.acme.com', 'https://www.acme.com/'],
    ['sales@acme.com', 'mailto:sales@acme.com'],
  ]);
  assert.deepEqual(found('Call +1 (415) 555-2671 today'), [
    ['+1 (415) 555-2671', 'tel:+14155552671'],
  ]);
});

test('the pieces together are the text', () => {
  for (const text of [
    '',
    'plain',
    'https://a.example',
    'a https://a.example b www.b.example c',
    '(https://en.wikipedia.org/wiki/Tea_(meal)), really?',
    'مرحبا https://a.example/ثم',
  ]) {
    assert.equal(
      linkify(text)
        .map((piece) => piece.text)
        .join(''),
      text,
    );
  }
});

test('punctuation of the sentence is not part of the address', () => {
  assert.deepEqual(found('(see https://a.example/b).'), [
    ['https://a.example/b', 'https://a.example/b'],
  ]);
  assert.deepEqual(found('https://en.wikipedia.org/wiki/Tea_(meal)'), [
    ['https://en.wikipedia.org/wiki/Tea_(meal)', 'https://en.wikipedia.org/wiki/Tea_(meal)'],
  ]);
  assert.deepEqual(found('هل رأيت https://a.example؟'), [
    ['https://a.example', 'https://a.example/'],
  ]);
});

test('nothing that runs becomes a link', () => {
  for (const text of [
    'javascript:alert(1)',
    'JaVaScRiPt://https:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
  ]) {
    assert.deepEqual(
      found(text).filter(([, href]) => !/^https?:/.test(href!)),
      [],
      text,
    );
    assert.equal(safeUrl(text), null);
  }
  assert.equal(safeUrl('java\nscript:alert(1)'), null);
  assert.equal(safeUrl(7), null);
  assert.equal(
    safeUrl('/api/v1/media/x', 'https://chat.example'),
    'https://chat.example/api/v1/media/x',
  );
});

test('a long hostile text is read in no time', () => {
  const begin = process.hrtime.bigint();
  linkify('a@'.repeat(5000) + '+1'.repeat(5000) + '(((('.repeat(1000) + 'www.'.repeat(2000));
  linkify('https://a.example/' + ')'.repeat(10000));
  assert.ok(Number(process.hrtime.bigint() - begin) / 1e6 < 1000);
});
