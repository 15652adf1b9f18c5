// What is shipped, and what is said of it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync, brotliDecompressSync } from 'node:zlib';
import { policyFor } from '../pages.mjs';

const widget = (name: string) => readFileSync(path.join(process.env.WIDGET_FOLDER!, name));
const source = (name: string) => readFileSync(path.join(process.env.WIDGET_ROOT!, name), 'utf8');

test('the compressed forms are the script', () => {
  const script = widget('widget.js');
  assert.ok(gunzipSync(widget('widget.js.gz')).equals(script));
  assert.ok(brotliDecompressSync(widget('widget.js.br')).equals(script));
  assert.ok(widget('widget.js.gz').length < 25_000);
});

test('the script has nothing that makes markup or code of text', () => {
  const script = widget('widget.js').toString();
  for (const sink of [
    'innerHTML',
    'outerHTML',
    'insertAdjacentHTML',
    'document.write',
    'DOMParser',
    'eval(',
    'Function(',
    'srcdoc',
    'createContextualFragment',
    'document.cookie',
    'document.title',
  ]) {
    assert.ok(!script.includes(sink), sink);
  }
});

test('the lock file names no host', () => {
  const { packages } = JSON.parse(source('gateway/widget/package-lock.json'));
  for (const [name, entry] of Object.entries<{ resolved?: string; integrity?: string }>(packages)) {
    assert.equal(entry.resolved, undefined, name);
    assert.ok(name === '' || entry.integrity, name);
  }
});

test('the policy of the manual is the one that is tested', () => {
  const manual = source('docs/WIDGET.md').replace(/ +/g, ' ');
  const directives = policyFor('https://chat.example.com').split('; ');
  for (const directive of directives.filter(
    (one: string) => /^\w+-src /.test(one) && !/'none'/.test(one),
  )) {
    assert.ok(manual.includes(`\n${directive}\n`), directive);
  }
});
