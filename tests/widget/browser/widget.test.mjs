// The widget in Debian's Chromium, on pages of other origins, against a gateway (gateways.mjs).
//
// WIDGET_SCREENSHOTS names a folder for pictures; CHROMIUM another browser.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { can, startGateway } from '../gateways.mjs';
import { Pages } from '../pages.mjs';
import { HttpError } from '../stand_in.mjs';

const kWaitMs = 15000;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const shots = process.env.WIDGET_SCREENSHOTS;
if (shots) mkdirSync(shots, { recursive: true });

// A case for gateways that can be made to do this; with others it is no case at all.
const needs = (what, name, run) => {
  if (can(what)) test(name, run);
  else console.log(`left out, for this gateway cannot ${what}: ${name}`);
};

let gateway;
let pages;
let browser;
let contexts = [];

before(async () => {
  gateway = await startGateway();
  pages = new Pages();
  await pages.start();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--host-resolver-rules=MAP stranger.test 127.0.0.1',
      // Chromium has no sandbox for root, as in a container.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ],
  });
});

after(async () => {
  await browser?.close();
  await pages?.stop();
  await gateway?.remove();
});

afterEach(async () => {
  for (const context of contexts) await context.close();
  contexts = [];
  if (gateway.disturb) gateway.disturb = () => undefined;
});

// A visitor's browser, whose complaints fail the test that made them.
async function visitor(options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1200, height: 800 },
    locale: 'en-US',
    timezoneId: 'UTC',
    ...options,
  });
  context.setDefaultTimeout(kWaitMs);
  contexts.push(context);
  return context;
}

async function open(context, url) {
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') page.problems.push(message.text());
  });
  await page.goto(url);
  return page;
}

const launcher = (page) => page.locator('.launcher');
const panel = (page) => page.locator('.panel');
const input = (page) => page.locator('.composer textarea');
const bubbles = (page) => page.locator('.log .bubble');
const meta = (page) => page.locator('.log .meta').last();

async function openChat(page, kind = 'widget') {
  await launcher(page).click();
  if (kind === 'widget') await page.locator('.start').click();
  await input(page).waitFor();
}

async function write(page, text) {
  await input(page).fill(text);
  await input(page).press('Enter');
}

async function until(what, holds) {
  const deadline = Date.now() + kWaitMs;
  for (;;) {
    const value = await holds();
    if (value) return value;
    assert.ok(Date.now() < deadline, 'waited in vain: ' + what);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const arrived = (agent, text) =>
  until(`"${text}" at the agent`, async () =>
    (await agent.messages()).some(({ content }) => content === text),
  );
const sees = (page, text) => page.locator('.log').getByText(text, { exact: true }).waitFor();

// What moves has arrived.
const settle = (page) =>
  page.evaluate(() => {
    for (const one of document.querySelector('#backchannel-widget').shadowRoot.getAnimations()) {
      if (one.effect.getComputedTiming().iterations !== Infinity) one.finish();
    }
  });

async function picture(page, name) {
  if (!shots) return;
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: path.join(shots, name + '.png'), animations: 'disabled' });
}

// A picture of stripes, large enough to look at.
function png(width = 240, height = 150) {
  const rows = [];
  for (let y = 0; y < height; y++) {
    const row = Buffer.alloc(1 + width * 3);
    for (let x = 0; x < width; x++) {
      const leaf = Math.hypot(x - 120, y - 75) < 55;
      row.set(leaf ? [104, 148 - y / 4, 72] : [238 - y / 6, 226 - y / 5, 205 - y / 4], 1 + x * 3);
    }
    rows.push(row);
  }
  const table = Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0;
  });
  const chunk = (name, data) => {
    const body = Buffer.concat([Buffer.from(name), data]);
    let crc = 0xffffffff;
    for (const byte of body) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
    const out = Buffer.alloc(12 + data.length);
    out.writeUInt32BE(data.length);
    body.copy(out, 4);
    out.writeUInt32BE((crc ^ 0xffffffff) >>> 0, 8 + data.length);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

async function judgeAccessibility(page, what) {
  // Faded text is judged as it ends up.
  await settle(page);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    window.axe.run('#backchannel-widget', { resultTypes: ['violations'] }),
  );
  const found = violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map((node) => node.target.flat().join(' ') + ' ' + node.failureSummary).join('; ')}`,
  );
  assert.deepEqual(found, [], what);
}

const kChannels = [
  { type: 'telegram', url: 'https://t.me/acme_bot' },
  { type: 'whatsapp', url: 'https://wa.me/15550100' },
  { type: 'email', url: 'mailto:hello@acme.test' },
];

describe('a conversation', () => {
  test('goes both ways, shows who types, and is seen', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    await write(page, 'Do you ship to Norway?');
    await arrived(agent, 'Do you ship to Norway?');
    await page.getByText(/Sent$/).waitFor();
    await agent.typing();
    await page.locator('.typing').waitFor();
    await agent.say('We do, in four days.');
    await sees(page, 'We do, in four days.');
    await page.locator('.typing').waitFor({ state: 'hidden' });
    await input(page).pressSequentially('And');
    await until('the visitor types', () => agent.visitorTypes());
    await write(page, 'And what is it?');
    await arrived(agent, 'And what is it?');
    await agent.read();
    await page.getByText(/Seen$/).waitFor();
    assert.deepEqual(await bubbles(page).allTextContents(), [
      'Do you ship to Norway?',
      'We do, in four days.',
      'And what is it?',
    ]);
    assert.deepEqual(page.problems, []);
  });

  test('survives a reload, with the window open, the draft, and no message twice', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    await write(page, 'One');
    await arrived(agent, 'One');
    await agent.say('Two');
    await sees(page, 'Two');
    await input(page).fill('Three, perh');
    await page.reload();
    await sees(page, 'Two');
    assert.deepEqual(await bubbles(page).allTextContents(), ['One', 'Two']);
    assert.equal(await input(page).inputValue(), 'Three, perh');
    await agent.say('Four');
    await sees(page, 'Four');
    await write(page, 'Five');
    await arrived(agent, 'Five');
    assert.equal((await agent.messages()).length, 4);
  });

  test('is one conversation in two tabs, with one count of what is unread', async () => {
    const { id, agent } = await gateway.makeWidget();
    const context = await visitor();
    const page = await open(context, pages.url('shop', gateway.base, id));
    await openChat(page);
    await write(page, 'From the first tab');
    await arrived(agent, 'From the first tab');
    const other = await open(context, pages.url('shop', gateway.base, id));
    await launcher(page).click();
    await other.bringToFront();
    await openChat(other);
    await sees(other, 'From the first tab');
    await write(other, 'From the second tab');
    await arrived(agent, 'From the second tab');
    await other.locator('.panel').getByRole('button', { name: 'Close chat' }).click();
    await agent.say('To both');
    await page.locator('.launcher .badge').getByText('1', { exact: true }).waitFor();
    await launcher(other).click();
    await sees(other, 'To both');
    await page.locator('.launcher .badge').waitFor({ state: 'hidden' });
    await page.bringToFront();
    await launcher(page).click();
    await sees(page, 'To both');
    assert.equal(await bubbles(page).count(), 3);
  });

  test('counts what is unread on the launcher and leaves the title alone', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    await write(page, 'Hello');
    await arrived(agent, 'Hello');
    await page.keyboard.press('Escape');
    await agent.say('Answer 1');
    await agent.say('Answer 2');
    await page.locator('.launcher .badge').getByText('2', { exact: true }).waitFor();
    assert.equal(await launcher(page).getAttribute('aria-label'), 'Open chat. Unread messages: 2');
    assert.equal(await page.title(), 'Shop');
    await picture(page, 'badge');
    await page.reload();
    await page.locator('.launcher .badge').getByText('2', { exact: true }).waitFor();
    await launcher(page).click();
    await sees(page, 'Answer 2');
    await page.locator('.fresh').getByText('New messages').waitFor();
    const order = await page.locator('.log > :is(.message, .fresh)').allTextContents();
    assert.match(order[1], /^New messages$/);
    await page.locator('.panel').getByRole('button', { name: 'Close chat' }).click();
    assert.equal(await page.locator('.launcher .badge').isVisible(), false);
    await until('the agent sees it read', async () => (await agent.unread()) === 0);
  });

  test('shows text as text, and links that may be followed', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    const hostile = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>';
    await write(page, hostile);
    await arrived(agent, hostile);
    await agent.say(hostile + ' <b>&amp;</b>');
    await sees(page, hostile + ' <b>&amp;</b>');
    await agent.say('javascript:alert(1) https://acme.test/a?b=1. or help@acme.test');
    await page.locator('.log a').first().waitFor();
    assert.equal(await page.locator('.log img, .log script, .log b').count(), 0);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.deepEqual(
      await page.locator('.log a').evaluateAll((all) => all.map((a) => [a.href, a.rel, a.target])),
      [
        ['https://acme.test/a?b=1', 'noopener noreferrer nofollow', '_blank'],
        ['mailto:help@acme.test', 'noopener noreferrer nofollow', '_blank'],
      ],
    );
  });

  needs('look inside', 'starts no session for somebody who only looks', async () => {
    const { id, agent } = await gateway.makeWidget({ channels: kChannels });
    const context = await visitor();
    const page = await open(context, pages.url('shop', gateway.base, id));
    await launcher(page).click();
    await page.getByText('Hi there!').waitFor();
    assert.equal(await agent.visitorCount(), 0);
    assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), []);
    await page.locator('.start').click();
    await until('the session', async () => (await agent.visitorCount()) === 1);
    assert.deepEqual(await context.cookies(), []);
  });
});

describe('trouble', () => {
  needs('restart', 'what is written while the gateway is away is sent once when it is back', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    await write(page, 'Before');
    await arrived(agent, 'Before');
    const { port } = gateway;
    await gateway.stop();
    await write(page, 'During 1');
    await write(page, 'During 2');
    await page
      .locator('.banner')
      .getByText(/No connection/)
      .waitFor();
    await page.getByText(/Sending…$/).waitFor();
    await picture(page, 'offline');
    await gateway.start(port);
    await arrived(agent, 'During 2');
    await page.locator('.banner').waitFor({ state: 'hidden' });
    await agent.say('After');
    await sees(page, 'After');
    assert.deepEqual(
      (await agent.messages()).map(({ content }) => content),
      ['Before', 'During 1', 'During 2', 'After'],
    );
  });

  test('a browser that has lost its network says so, and goes on when it has it back', async () => {
    const { id, agent } = await gateway.makeWidget();
    const context = await visitor();
    const page = await open(context, pages.url('shop', gateway.base, id));
    await openChat(page);
    await write(page, 'In the train');
    await arrived(agent, 'In the train');
    await context.setOffline(true);
    await page
      .locator('.banner')
      .getByText(/No connection/)
      .waitFor();
    await write(page, 'In the tunnel');
    await page.getByText(/Sending…$/).waitFor();
    await context.setOffline(false);
    await arrived(agent, 'In the tunnel');
    await page.locator('.banner').waitFor({ state: 'hidden' });
    await agent.say('Welcome back');
    await sees(page, 'Welcome back');
    assert.equal((await agent.messages()).length, 3);
  });

  needs('refuse', 'what was unsent when the page went is sent by the next page', async () => {
    const { id, agent } = await gateway.makeWidget();
    const context = await visitor();
    const page = await open(context, pages.url('shop', gateway.base, id));
    await openChat(page);
    await write(page, 'First');
    await arrived(agent, 'First');
    gateway.disturb = (name) =>
      name === 'POST messages' && new HttpError(503, 'The database does not answer');
    await write(page, 'Second');
    await page.getByText(/Sending…$/).waitFor();
    await page.close();
    gateway.disturb = () => undefined;
    await open(context, pages.url('shop', gateway.base, id));
    await arrived(agent, 'Second');
    assert.equal((await agent.messages()).length, 2);
  });

  test('an answer that is lost on its way makes no second message', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    let lost = 0;
    await page.route('**/messages', async (route) => {
      if (lost++) return route.continue();
      await route.fetch();
      await route.abort();
    });
    await write(page, 'Only once');
    await page.getByText(/Sent$/).waitFor();
    assert.ok(lost >= 1);
    assert.equal((await agent.messages()).length, 1);
    assert.equal(await bubbles(page).count(), 1);
  });

  needs('refuse', 'a refused message says why and can be sent again, or discarded', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    gateway.disturb = (name) =>
      name === 'POST messages' && new HttpError(422, 'content is too long');
    await write(page, 'One');
    await page.getByText('Not sent: content is too long').waitFor();
    await write(page, 'Two');
    await until('both failed', async () => (await page.locator('.meta.failed').count()) === 2);
    await picture(page, 'failed');
    gateway.disturb = () => undefined;
    await page.getByRole('button', { name: 'Discard' }).first().click();
    await until('one is left', async () => (await bubbles(page).count()) === 1);
    await page.getByRole('button', { name: 'Try again' }).click();
    await arrived(agent, 'Two');
    assert.deepEqual(await bubbles(page).allTextContents(), ['Two']);
  });

  needs('look inside', 'a token that is not good any more is replaced without a word', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    await write(page, 'One');
    await arrived(agent, 'One');
    for (const [token, one] of gateway.tokens)
      if (one.embed.id === id) gateway.tokens.delete(token);
    await write(page, 'Two');
    await arrived(agent, 'Two');
    assert.equal(await agent.visitorCount(), 2);
  });

  test('where no WebSocket gets through, messages still come', async () => {
    const { id, agent } = await gateway.makeWidget();
    const context = await visitor();
    await context.addInitScript(() => {
      window.WebSocket = class {
        constructor() {
          setTimeout(() => this.onerror?.());
        }
        close() {}
      };
    });
    const page = await open(context, pages.url('shop', gateway.base, id));
    await openChat(page);
    await write(page, 'By polling');
    await arrived(agent, 'By polling');
    await agent.say('So do I');
    await sees(page, 'So do I');
  });
});

describe('strangers', () => {
  test('a page of another origin gets nothing, and its console says why', async () => {
    const { id, agent } = await gateway.makeWidget();
    const context = await visitor();
    const warnings = [];
    context.on('console', (message) => warnings.push(message.text()));
    const page = await context.newPage();
    await page.goto(pages.url('shop', gateway.base, id, { host: 'stranger.test' }));
    await until('the warning', () => warnings.some((text) => /Backchannel widget: .+/.test(text)));
    assert.equal(await page.locator('#backchannel-widget').count(), 0);
    assert.deepEqual(
      await page.evaluate(() => [Object.keys(localStorage), Object.keys(sessionStorage)]),
      [[], []],
    );
    if (agent.visitorCount) assert.equal(await agent.visitorCount(), 0);
  });

  test('a webchat that is switched off, and an unknown one, are not there', async () => {
    const { id } = await gateway.makeWebchat({ isEnabled: false });
    for (const wanted of [id, '0123456789abcdef01234567']) {
      const context = await visitor();
      const warnings = [];
      context.on('console', (message) => warnings.push(message.text()));
      const page = await context.newPage();
      await page.goto(pages.url('shop', gateway.base, wanted));
      await until('the warning', () => warnings.some((text) => /Backchannel widget:/.test(text)));
      assert.equal(await page.locator('#backchannel-widget').count(), 0);
    }
  });
});

describe('a strict page', () => {
  test('needs the documented policy and not a word more, also with Trusted Types', async () => {
    const { id, agent } = await gateway.makeWidget();
    const context = await visitor();
    await context.addInitScript(() => {
      window.violations = [];
      addEventListener('securitypolicyviolation', (event) => {
        window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    const page = await open(context, pages.url('strict', gateway.base, id));
    await openChat(page);
    await write(page, 'Behind a policy');
    await arrived(agent, 'Behind a policy');
    await agent.sendFile('leaf.png', png(), 'image/png');
    await page.locator('.log img').waitFor();
    await until('the picture', () =>
      page.locator('.log img').evaluate((image) => image.naturalWidth > 0),
    );
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'mine.png', mimeType: 'image/png', buffer: png() });
    await page.locator('.files canvas').waitFor();
    await page.locator('.send:enabled').click();
    await until('two pictures', async () => (await page.locator('.log img').count()) === 2);
    assert.equal(
      await panel(page).evaluate((element) => getComputedStyle(element).position),
      'fixed',
    );
    assert.deepEqual(await page.evaluate(() => window.violations), []);
    assert.deepEqual(page.problems, []);
  });

  test('keeps its styles to itself, and the widget keeps its own', async () => {
    const { id } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id, { careless: 1 }));
    await launcher(page).click();
    const style = (locator) =>
      locator.evaluate((element) => {
        const { letterSpacing, textTransform, fontFamily } = getComputedStyle(element);
        return [letterSpacing, textTransform, fontFamily.includes('Georgia')];
      });
    assert.deepEqual(await style(page.locator('.start')), ['normal', 'none', false]);
    assert.deepEqual(await style(page.locator('#before')), ['3px', 'uppercase', false]);
  });
});

describe('files', () => {
  test('go by button, by paste and by drop, with a preview, and come back', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Attach files' }).click();
    await (
      await chooser
    ).setFiles([
      { name: 'leaf.png', mimeType: 'image/png', buffer: png() },
      { name: 'terms.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7\n%%EOF\n') },
    ]);
    await page.locator('.files canvas').waitFor();
    await page.locator('.send:enabled').waitFor();
    await picture(page, 'attachments');
    await write(page, 'Two files');
    await until('the message', async () => (await agent.messages())[0]?.attachments.length === 2);
    await page.locator('.log img').waitFor();
    await page.locator('.log .paper').getByText('terms.pdf').waitFor();

    const give = (type, names) =>
      page.evaluate(
        ([type, names]) => {
          const data = new DataTransfer();
          for (const name of names)
            data.items.add(new File(['some text'], name, { type: 'text/plain' }));
          const root = document.querySelector('#backchannel-widget').shadowRoot;
          const target = root.querySelector(type === 'paste' ? '.composer textarea' : '.scroll');
          const shared = { bubbles: true, cancelable: true, composed: true };
          target.dispatchEvent(
            type === 'paste'
              ? new ClipboardEvent('paste', { ...shared, clipboardData: data })
              : new DragEvent(type, { ...shared, dataTransfer: data }),
          );
        },
        [type, names],
      );
    await give('paste', ['pasted.txt']);
    await page.locator('.files').getByText('pasted.txt').waitFor();
    await give('dragover', ['dropped.txt']);
    await page.getByText('Drop files to send them').waitFor();
    await give('drop', ['dropped.txt']);
    await page.locator('.files').getByText('dropped.txt').waitFor();
    assert.equal(await page.getByText('Drop files to send them').isVisible(), false);
    await page.getByRole('button', { name: 'Remove pasted.txt' }).click();
    await page.locator('.send:enabled').click();
    await until(
      'the file alone',
      async () => (await agent.messages())[1]?.attachments[0]?.name === 'dropped.txt',
    );
    assert.equal((await agent.messages())[1].attachments.length, 1);
    assert.deepEqual(page.problems, []);
  });

  needs('refuse', 'too large, too many and refused ones say so and hold nothing up', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    const picker = page.locator('input[type=file]');
    await picker.evaluate((element) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array((25 << 20) + 1)], 'huge.bin'));
      element.files = data.files;
      element.dispatchEvent(new Event('change'));
    });
    await page.getByText('Larger than 25 MB').waitFor();
    gateway.disturb = (name) =>
      name === 'POST upload' && new HttpError(429, 'There are too many uploads');
    await picker.setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('a') });
    await page.locator('.files').getByText('There are too many uploads').waitFor();
    await write(page, 'Never mind');
    await arrived(agent, 'Never mind');
    gateway.disturb = () => undefined;
    const many = Array.from({ length: 11 }, (_, i) => ({
      name: `${i}.txt`,
      mimeType: 'text/plain',
      buffer: Buffer.from('x'),
    }));
    await picker.setInputFiles(many);
    await page.getByText('At most 10 files in one message').waitFor();
    assert.equal(await page.locator('.files li').count(), 10);
  });
});

describe('the page’s own calls', () => {
  needs('look inside', 'open, close, identify and listen, also before the script has come', async () => {
    const { id, agent } = await gateway.makeWidget();
    const script = `window.heard = []; window.Backchannel = [
      ['identify', {user_id: 'u-7', user_hash: '${await agent.userHash('u-7')}', name: 'Ana', email: 'ana@acme.test'}],
      ['on', 'ready', () => heard.push('ready')], ['on', 'open', () => heard.push('open')],
      ['on', 'close', () => heard.push('close')], ['on', 'unread', (n) => heard.push('unread ' + n)],
      ['on', 'message', (m) => heard.push('message ' + m.content)],
      ['on', 'status', (s) => heard.push(s)]];`;
    const page = await open(await visitor(), pages.url('shop', gateway.base, id, { script }));
    await launcher(page).waitFor();
    await page.evaluate(() => window.Backchannel.open());
    await page.locator('.start').click();
    await write(page, 'It is me');
    await arrived(agent, 'It is me');
    const [ana] = [...gateway.embeds.get(id).visitors.values()];
    assert.deepEqual([ana.user_id, ana.name, ana.email], ['u-7', 'Ana', 'ana@acme.test']);
    await page.evaluate(() => window.Backchannel.toggle());
    await agent.setOnline(false);
    await agent.say('Hello Ana');
    await until('the message', () =>
      page.evaluate(() => window.heard.includes('message Hello Ana')),
    );
    await page.evaluate(() => window.Backchannel.shutdown());
    assert.equal(await page.locator('#backchannel-widget').count(), 0);
    assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), []);
    assert.deepEqual(await page.evaluate(() => window.heard), [
      'ready',
      'open',
      'close',
      'offline',
      'unread 1',
      'message Hello Ana',
    ]);
    await page.evaluate(() => window.Backchannel.boot());
    await launcher(page).waitFor();
  });

  test('the next person at the same browser has a thread of their own', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    const identify = async (userId) => {
      const user_hash = await agent.userHash(userId);
      await page.evaluate((who) => window.Backchannel.identify(who), {
        user_id: userId,
        user_hash,
      });
    };
    await identify('ana');
    await write(page, 'Ana’s secret');
    await arrived(agent, 'Ana’s secret');
    await identify('ben');
    await until('an empty thread', async () => (await bubbles(page).count()) === 0);
    await write(page, 'Ben here');
    await arrived(agent, 'Ben here');
    await identify('ana');
    await sees(page, 'Ana’s secret');
    assert.deepEqual(await bubbles(page).allTextContents(), ['Ana’s secret']);
  });

  test('an identity that does not hold keeps nobody from writing', async () => {
    const { id, agent } = await gateway.makeWidget();
    const script = "window.Backchannel = [['identify', {user_id: 'ana', user_hash: 'forged'}]]";
    const page = await open(await visitor(), pages.url('shop', gateway.base, id, { script }));
    await openChat(page);
    await write(page, 'Nobody in particular');
    await arrived(agent, 'Nobody in particular');
  });
});

describe('webchats', () => {
  const look = {
    name: 'Nordlys',
    starterMessage: 'Hei! Ask us about cabins, ferries or the light.',
    backgroundColor: '#F4F7F5',
    primaryColor: '#0F5257',
    secondaryColor: '#0B7A75',
    headerTextColor: '#F6F1E7',
    statusText: 'Answers within an hour',
    statusTextColor: '#B9E4DF',
    timestampColor: '#5B6B6A',
    csatBackgroundColor: '#FFF4DA',
    csatTextColor: '#5B4300',
    csatThankYouMessage: 'Tusen takk! See you up north.',
    position: 'bottom-left',
    offsetX: 32,
    offsetY: 28,
    zIndex: 1234,
  };

  test('greet, wear their colours, stand where they are told, and ask at the end', async () => {
    const { id, agent } = await gateway.makeWebchat({
      ...look,
      allowedDomains: [`http://localhost:${pages.port}`],
    });
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page, 'webchat');
    await page.getByText(look.starterMessage).waitFor();
    await page.getByText(look.statusText).waitFor();
    await page.mouse.move(600, 10);
    await settle(page);
    // The API answers these and cannot set them.
    if (can('look inside')) {
      const box = await launcher(page).boundingBox();
      assert.deepEqual([box.x, 800 - box.y - box.height], [32, 28]);
      assert.equal(
        await page.locator('#backchannel-widget').evaluate((host) => getComputedStyle(host).zIndex),
        '1234',
      );
    }
    const color = (selector, property) =>
      page
        .locator(selector)
        .first()
        .evaluate((element, name) => getComputedStyle(element)[name], property);
    assert.equal(await color('.panel', 'backgroundColor'), 'rgb(244, 247, 245)');
    assert.equal(await color('.bar', 'backgroundColor'), 'rgb(15, 82, 87)');
    assert.equal(await color('.bar', 'color'), 'rgb(246, 241, 231)');
    await write(page, 'Is the cabin at Å free in May?');
    await arrived(agent, 'Is the cabin at Å free in May?');
    assert.equal(await color('.mine .bubble', 'backgroundColor'), 'rgb(11, 122, 117)');
    await agent.say('It is, from the 9th to the 23rd. Shall I hold it for you?');
    await write(page, 'Yes please!');
    await arrived(agent, 'Yes please!');
    await agent.resolve();
    await page.getByText('How was this conversation?').waitFor();
    await picture(page, 'webchat');
    await judgeAccessibility(page, 'the rating');
    await page.getByRole('radio', { name: '4 of 5' }).click();
    await page.getByLabel('What should we know? (optional)').fill('Quick and kind.');
    await page.getByLabel('What should we know? (optional)').blur();
    await picture(page, 'rating');
    await page.getByRole('button', { name: 'Send rating' }).click();
    await page.getByText(look.csatThankYouMessage).waitFor();
    assert.deepEqual(await agent.ratings(), [{ score: 4, comment: 'Quick and kind.' }]);
    await page.reload();
    await sees(page, 'Yes please!');
    assert.equal(await page.getByText('How was this conversation?').count(), 0);
  });

  test('ask nothing of a conversation that has been opened again', async () => {
    const { id, agent } = await gateway.makeWebchat();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page, 'webchat');
    await write(page, 'One');
    await arrived(agent, 'One');
    await agent.resolve();
    await page.getByText('How was this conversation?').waitFor();
    await write(page, 'Two');
    await arrived(agent, 'Two');
    await page.getByText('How was this conversation?').waitFor({ state: 'detached' });
  });

  test('begin anew after a conversation was closed', async () => {
    const { id, agent } = await gateway.makeWebchat();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page, 'webchat');
    await write(page, 'One');
    await arrived(agent, 'One');
    await agent.close();
    await page.getByText(/This conversation has ended/).waitFor();
    await page.getByRole('button', { name: 'Discard' }).click();
    await write(page, 'Two');
    await arrived(agent, 'Two');
    await page.getByText(/This conversation has ended/).waitFor({ state: 'hidden' });
    assert.deepEqual(
      await bubbles(page).allTextContents(),
      ['Hello! How can we help?', 'One', 'Two'].slice(1),
    );
  });
});

describe('everybody', () => {
  test('can use it with the keyboard alone, and the page has its focus back at the end', async () => {
    const { id, agent } = await gateway.makeWidget({ channels: kChannels });
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await launcher(page).waitFor();
    await page.locator('#before').focus();
    const focused = () =>
      page.evaluate(() => {
        const active = document.querySelector('#backchannel-widget').shadowRoot.activeElement;
        return active && (active.getAttribute('aria-label') ?? active.textContent);
      });
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'Open chat');
    await page.keyboard.press('Enter');
    assert.match(await focused(), /Send us a message/);
    // Round in the window: the links of other channels, the close button, and back.
    const round = [];
    do {
      await page.keyboard.press('Tab');
      round.push(await focused());
    } while (!/Send us a message/.test(round.at(-1)) && round.length < 10);
    const links = can('look inside') ? ['Telegram', 'WhatsApp', 'E-mail'] : [];
    assert.deepEqual(round.slice(0, -1), [...links, 'Close chat']);
    await page.keyboard.press('Enter');
    assert.equal(await focused(), 'Write a message…');
    await page.keyboard.type('With keys only');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('on two lines');
    await page.keyboard.press('Enter');
    await arrived(agent, 'With keys only\non two lines');
    await page.keyboard.press('Shift+Tab');
    assert.equal(await focused(), 'Attach files');
    await page.keyboard.press('Escape');
    assert.equal(await panel(page).isVisible(), false);
    assert.equal(await focused(), 'Open chat');
    await page.keyboard.press('Shift+Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'before');
  });

  test('hears what it is: a dialog, a log that is read out, and names on everything', async () => {
    const { id, agent } = await gateway.makeWidget({ channels: kChannels });
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await launcher(page).click();
    await judgeAccessibility(page, 'the welcome screen');
    await page.locator('.start').click();
    await write(page, 'Hello');
    await arrived(agent, 'Hello');
    await agent.say('See https://acme.test');
    await sees(page, 'https://acme.test');
    await agent.sendFile('leaf.png', png(), 'image/png');
    await page.locator('.log img').waitFor();
    await judgeAccessibility(page, 'the conversation');
    const tree = await page.locator('#backchannel-widget').ariaSnapshot();
    for (const part of [
      /dialog "Acme Support"/,
      /log "Messages"/,
      /textbox "Write a message…"/,
      /button "Send"/,
    ]) {
      assert.match(tree, part);
    }
    assert.equal(await page.locator('.log').getAttribute('aria-live'), 'polite');
    // What is added is what is announced: no row is taken away and put in again.
    await page.locator('.log').evaluate((log) => {
      window.added = 0;
      new MutationObserver((all) =>
        all.forEach((one) => (window.added += one.addedNodes.length)),
      ).observe(log, {
        childList: true,
      });
    });
    await agent.read();
    await page.getByText(/Seen$/).waitFor();
    await agent.say('One more');
    await sees(page, 'One more');
    assert.equal(await page.evaluate(() => window.added), 1);
  });

  test('sees it in the dark', async () => {
    const { id, agent } = await gateway.makeWidget({ channels: kChannels });
    const page = await open(
      await visitor({ colorScheme: 'dark' }),
      pages.url('shop', gateway.base, id),
    );
    await launcher(page).click();
    await judgeAccessibility(page, 'the welcome screen in the dark');
    await picture(page, 'dark-home');
    await page.locator('.start').click();
    await write(page, 'Good evening. Are you still there?');
    await arrived(agent, 'Good evening. Are you still there?');
    await agent.say('Until eleven. What can I do for you?');
    await sees(page, 'Until eleven. What can I do for you?');
    assert.equal(
      await panel(page).evaluate((element) => getComputedStyle(element).backgroundColor),
      'rgb(24, 26, 32)',
    );
    await judgeAccessibility(page, 'the conversation in the dark');
    await picture(page, 'dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await until('daylight', () =>
      panel(page).evaluate(
        (element) => getComputedStyle(element).backgroundColor === 'rgb(255, 255, 255)',
      ),
    );
  });

  test('reads from right to left where the language does, message by message', async () => {
    const { id, agent } = await gateway.makeWidget({
      name: 'متجر الشاي',
      welcome_heading: 'أهلًا بك!',
      welcome_tagline: 'اسألنا عن أي شيء، ونحن نجيب بسرعة.',
      primary_color: '#0F766E',
      config: { locale: 'ar' },
      channels: kChannels,
    });
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    const box = await launcher(page).boundingBox();
    assert.ok(box.x < 100, 'the launcher stands at the left');
    await openChat(page);
    assert.equal(await page.locator('.root').getAttribute('dir'), 'rtl');
    await write(page, 'هل ترسلون إلى عمّان؟');
    await arrived(agent, 'هل ترسلون إلى عمّان؟');
    await agent.say('نعم، خلال أربعة أيام.');
    await sees(page, 'نعم، خلال أربعة أيام.');
    await write(page, 'Thank you!');
    await arrived(agent, 'Thank you!');
    const mine = await page.locator('.mine .bubble').first().boundingBox();
    const theirs = await page.locator('.message:not(.mine) .bubble').first().boundingBox();
    assert.ok(mine.x < theirs.x, 'own messages stand at the end of the line, which is left');
    const direction = (text) =>
      page
        .locator('.bubble')
        .getByText(text)
        .evaluate((one) => getComputedStyle(one).direction);
    assert.equal(await direction('نعم، خلال أربعة أيام.'), 'rtl');
    assert.equal(await direction('Thank you!'), 'ltr');
    await judgeAccessibility(page, 'right to left');
    await picture(page, 'rtl');
  });

  test('has the whole screen of a phone', async () => {
    const { id, agent } = await gateway.makeWidget({ channels: kChannels });
    const context = await visitor({
      viewport: { width: 390, height: 780 },
      isMobile: true,
      hasTouch: true,
    });
    const page = await open(context, pages.url('shop', gateway.base, id));
    await picture(page, 'phone-page');
    await launcher(page).tap();
    await settle(page);
    assert.deepEqual(await panel(page).boundingBox(), { x: 0, y: 0, width: 390, height: 780 });
    assert.equal(await panel(page).getAttribute('aria-modal'), 'true');
    assert.equal(await launcher(page).isVisible(), false);
    await judgeAccessibility(page, 'a phone');
    await picture(page, 'phone-home');
    await page.locator('.start').tap();
    await write(page, 'Do you have a decaf sencha?');
    await arrived(agent, 'Do you have a decaf sencha?');
    await agent.say(
      'We do! It comes back in stock on Friday. ' + 'A very long word: ' + 'Sen'.repeat(40),
    );
    await page
      .locator('.log')
      .getByText(/back in stock/)
      .waitFor();
    assert.equal(
      await page.locator('.scroll').evaluate((one) => one.scrollWidth <= one.clientWidth),
      true,
    );
    assert.equal(await input(page).evaluate((one) => getComputedStyle(one).fontSize), '16px');
    await picture(page, 'phone');
    await page.locator('.panel').getByRole('button', { name: 'Close chat' }).tap();
    assert.equal(await launcher(page).isVisible(), true);
    assert.equal(await page.evaluate(() => document.documentElement.style.overflow), '');
    await page.reload();
    await launcher(page).waitFor();
    assert.equal(await panel(page).isVisible(), false);
  });

  test('gets no motion who wants none', async () => {
    const { id } = await gateway.makeWidget();
    const page = await open(
      await visitor({ reducedMotion: 'reduce' }),
      pages.url('shop', gateway.base, id),
    );
    await launcher(page).click();
    assert.equal(
      await panel(page).evaluate((element) => getComputedStyle(element).animationName),
      'none',
    );
  });

  needs('look inside', 'reads older messages without losing the place', async () => {
    const { id, agent } = await gateway.makeWidget();
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await openChat(page);
    await write(page, 'Newest');
    await arrived(agent, 'Newest');
    const day = 86_400_000;
    agent.history(
      Array.from({ length: 80 }, (_, i) => ({
        at: Date.now() - 3 * day + i * 60_000,
        sender_type: i % 3 ? 'agent' : 'customer',
        content: `Older ${i}`,
      })),
    );
    await page.reload();
    await sees(page, 'Newest');
    assert.equal(await bubbles(page).count(), 50);
    const earlier = page.getByRole('button', { name: 'Show earlier messages' });
    const anchor = page.locator('.log').getByText('Older 31', { exact: true });
    await page.locator('.scroll').evaluate((one) => (one.scrollTop = 0));
    const before = (await anchor.boundingBox()).y;
    await earlier.click();
    await sees(page, 'Older 0');
    assert.equal(await bubbles(page).count(), 81);
    assert.ok(
      Math.abs((await anchor.boundingBox()).y - before) < 60,
      'what was read stays in sight',
    );
    await earlier.waitFor({ state: 'hidden' });
  });
});

describe('a shop’s front', () => {
  test('looks like this', async () => {
    const { id, agent } = await gateway.makeWidget({
      welcome_heading: 'Hello! How can we help?',
      welcome_tagline: 'Ask us about teas, pots and deliveries. We answer within minutes.',
      channels: kChannels,
    });
    const page = await open(await visitor(), pages.url('shop', gateway.base, id));
    await launcher(page).click();
    await page.getByText('Hello! How can we help?').waitFor();
    await page.getByText('We are online').waitFor();
    if (can('look inside')) {
      assert.deepEqual(
        await page
          .locator('.channels a')
          .evaluateAll((all) => all.map((a) => [a.textContent, a.href])),
        [
          ['Telegram', 'https://t.me/acme_bot'],
          ['WhatsApp', 'https://wa.me/15550100'],
          ['E-mail', 'mailto:hello@acme.test'],
        ],
      );
    }
    await picture(page, 'home');
    await page.locator('.start').click();
    await write(page, 'Hi! My pot arrived with a crack. Can I send it back?');
    await arrived(agent, 'Hi! My pot arrived with a crack. Can I send it back?');
    await agent.say('Oh no, I am sorry! Of course you can.');
    await agent.say(
      'Here is the label: https://acme.test/returns/4711 – and this is the pot that is on its way to you:',
    );
    await agent.sendFile('leaf.png', png(), 'image/png');
    await page.locator('.log img').waitFor();
    await write(page, 'That was quick, thank you!');
    await arrived(agent, 'That was quick, thank you!');
    await agent.read();
    await page.getByText(/Seen$/).waitFor();
    await agent.typing();
    await page.locator('.typing').waitFor();
    await until('the end is in sight', () =>
      page
        .locator('.scroll')
        .evaluate((one) => one.scrollHeight - one.scrollTop - one.clientHeight < 2),
    );
    await picture(page, 'desktop');
    await agent.setOnline(false);
    await page.getByText('We will answer as soon as we can').waitFor();
  });
});
