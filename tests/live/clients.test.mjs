// Agents and visitors with the official Socket.IO client, and with python-socketio, against the
// built gateway.
//
// BUILD_FOLDER holds the program, LIVE_TOOLS the installed client.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Gateway, until } from './gateway.mjs';

const require = createRequire(path.join(process.env.LIVE_TOOLS, 'package.json'));
const { io } = require('socket.io-client');
const kBuild = process.env.BUILD_FOLDER;
const kHere = path.dirname(fileURLToPath(import.meta.url));
// As in docs/API.md: whoever is not welcome any more is put out within so long.
const kPutOutMs = 5_000;

let gateway;
let clients = [];

before(async () => {
  gateway = await Gateway.start(kBuild);
});
after(() => gateway?.stop());
afterEach(() => {
  for (const client of clients) client.socket.disconnect();
  clients = [];
});

// A client that writes down what it hears.
class Client {
  constructor(auth, { transports = ['websocket'], origin, base = gateway.base, ...more } = {}) {
    this.heard = [];
    this.disconnects = [];
    this.socket = io(base, {
      auth,
      transports,
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
      ...(origin && { extraHeaders: { Origin: origin } }),
      ...more,
    });
    this.socket.onAny((name, payload) => this.heard.push({ name, payload }));
    this.socket.on('disconnect', (reason) => this.disconnects.push(reason));
    this.socket.on('connect_error', (error) => (this.refusal = error));
    clients.push(this);
  }

  static async connect(auth, options) {
    const client = new Client(auth, options);
    await client.connected();
    return client;
  }

  // Why the gateway does not take it.
  static async refused(auth, options) {
    const client = new Client(auth, { reconnection: false, ...options });
    await until('a refusal', () => client.refusal ?? client.socket.connected);
    assert.equal(client.socket.connected, false, 'it was taken');
    return { message: client.refusal.message, ...client.refusal.data };
  }

  connected() {
    return until('the connection', () => {
      if (this.refusal && !this.socket.active) throw this.refusal;
      return this.socket.connected;
    });
  }

  payloads(name) {
    return this.heard.filter((one) => one.name === name).map((one) => one.payload);
  }

  hears(name, fits = () => true) {
    return until(`hearing ${name}`, () => this.payloads(name).find(fits));
  }

  ask(name, payload) {
    return this.socket.timeout(10_000).emitWithAck(name, payload);
  }

  contents() {
    return this.payloads('new_message').map(({ content }) => content);
  }
}

const agentOf = (shop, options) =>
  Client.connect({ token: shop.token, business_id: shop.business }, options);

// A new visitor of the shop's page, with their session.
async function visitorOf(shop, options) {
  const client = await Client.connect(
    { business_id: shop.business, widget_id: shop.widget },
    { origin: shop.origin, ...options },
  );
  client.session = await client.hears('visitor_session');
  client.auth = { business_id: shop.business, visitor_token: client.session.token };
  return client;
}

async function says(visitor, content, more = {}) {
  const answer = await visitor.ask('client_message', { content, ...more });
  assert.equal(answer.ok, true, JSON.stringify(answer));
  return answer.message;
}

// `io server disconnect` is a packet 41: the client does not come again by itself.
async function isPutOut(client) {
  await until('it is put out', () => client.disconnects.length > 0, kPutOutMs);
  assert.deepEqual(client.disconnects, ['io server disconnect']);
  assert.equal(client.socket.active, false);
}

const replies = (shop, conversation, content, through = gateway) =>
  through.ask('POST', `/api/v1/conversations/${conversation}/messages`, shop.token, { content });

const kOrders = [['websocket', 'polling'], ['polling'], ['polling', 'websocket']];

for (const transports of kOrders) {
  describe(`by ${transports.join(', ')}`, () => {
    test('a conversation goes both ways, in the documented words', async () => {
      const shop = await gateway.makeShop();
      const agent = await agentOf(shop, { transports });
      const visitor = await visitorOf(shop, { transports });
      const sent = await says(visitor, 'Do you ship?', { client_id: 'one' });
      assert.equal(sent.client_id, 'one');
      assert.equal(sent.sender_type, 'customer');
      const conversation = sent.conversation_id;
      const came = await agent.hears('new_message');
      assert.equal(came.id, sent.id);
      assert.equal(came.content, 'Do you ship?');
      assert.equal(came.sender_type, 'customer');
      assert.equal(came.conversation_id, conversation);
      assert.equal(came.channel_type, 'widget');
      assert.equal(came.created_at, sent.created_at);
      const answer = await replies(shop, conversation, 'We do.');
      const told = await visitor.hears('new_message', ({ content }) => content === 'We do.');
      assert.equal(told.id, answer.id);
      assert.equal(told.sender_type, 'agent');
      assert.equal(JSON.stringify(told).includes(shop.business), false);
      await agent.hears('new_message', ({ id }) => id === answer.id);
      assert.deepEqual(visitor.contents(), ['Do you ship?', 'We do.']);
    });

    test('who was away hears what happened meanwhile, once and in order', async () => {
      const shop = await gateway.makeShop();
      const agent = await agentOf(shop, { transports, reconnection: false });
      const visitor = await visitorOf(shop, { transports });
      const { conversation_id } = await says(visitor, 'Before');
      await agent.hears('new_message');
      agent.socket.io.engine.close();
      await until('it is away', () => !agent.socket.connected);
      for (const content of ['One', 'Two', 'Three']) await says(visitor, content);
      await replies(shop, conversation_id, 'Four');
      agent.socket.connect();
      await agent.connected();
      assert.equal(agent.socket.recovered, true);
      await says(visitor, 'After');
      await agent.hears('new_message', ({ content }) => content === 'After');
      assert.deepEqual(agent.contents(), ['Before', 'One', 'Two', 'Three', 'Four', 'After']);
    });
  });
}

describe('a visitor', () => {
  test('of the documented handshake is a new one, and hears nothing of the business', async () => {
    const shop = await gateway.makeShop();
    const other = await visitorOf(shop);
    const snippet = await Client.connect({ business_id: shop.business }, { origin: shop.origin });
    const session = await snippet.hears('visitor_session');
    assert.match(session.visitor_id, /^[0-9a-f-]{36}$/);
    assert.ok(Date.parse(session.expires_at) > Date.now());
    assert.equal(session.conversation_id, null);
    assert.notEqual(session.visitor_id, other.session.visitor_id);
    const { conversation_id } = await says(other, 'A secret of mine');
    const join = await snippet.ask('join_conversation', { conversation_id });
    assert.equal(join.ok, false);
    assert.equal(join.error.code, 'NOT_FOUND');
    const own = await says(snippet, 'Mine');
    assert.notEqual(own.conversation_id, conversation_id);
    await snippet.hears('new_message', ({ id }) => id === own.id);
    assert.deepEqual(snippet.contents(), ['Mine']);
    assert.deepEqual(other.contents(), ['A secret of mine']);
  });

  test('comes back by their token, to their conversation', async () => {
    const shop = await gateway.makeShop();
    const first = await visitorOf(shop);
    const { conversation_id } = await says(first, 'Hello');
    first.socket.disconnect();
    const again = await Client.connect(first.auth, { origin: shop.origin });
    assert.equal((await says(again, 'It is me')).conversation_id, conversation_id);
    await replies(shop, conversation_id, 'Welcome back');
    await again.hears('new_message', ({ content }) => content === 'Welcome back');
    assert.deepEqual(again.payloads('visitor_session'), []);
  });

  test('who writes by REST is heard, and hears it on their socket', async () => {
    const shop = await gateway.makeShop();
    const agent = await agentOf(shop);
    const visitor = await visitorOf(shop);
    const route = `/api/v1/widget/${shop.widget}/messages`;
    const sent = await gateway.ask('POST', route, visitor.session.token, { content: 'By REST' });
    assert.equal((await agent.hears('new_message')).id, sent.id);
    assert.equal((await visitor.hears('new_message')).id, sent.id);
  });

  test('who sends a message twice with one client_id has said it once', async () => {
    const shop = await gateway.makeShop();
    const visitor = await visitorOf(shop);
    const first = await says(visitor, 'Once', { client_id: 'a' });
    assert.equal((await says(visitor, 'Once', { client_id: 'a' })).id, first.id);
    const last = await says(visitor, 'Behind it');
    await visitor.hears('new_message', ({ id }) => id === last.id);
    assert.deepEqual(visitor.contents(), ['Once', 'Behind it']);
  });

  test('hears why a message is refused', async () => {
    const shop = await gateway.makeShop();
    const visitor = await visitorOf(shop);
    const empty = await visitor.ask('client_message', { content: '' });
    assert.equal(empty.ok, false);
    assert.equal(typeof empty.error.message, 'string');
    const foreign = await visitor.ask('client_message', {
      content: 'x',
      conversation_id: '00000000-0000-7000-8000-000000000000',
    });
    assert.equal(foreign.error.code, 'NOT_FOUND');
  });

  test('gets a file, and an agent its address for content', async () => {
    const shop = await gateway.makeShop();
    const agent = await agentOf(shop);
    const visitor = await visitorOf(shop);
    const form = new FormData();
    form.append('file', new Blob(['some text'], { type: 'text/plain' }), 'note.txt');
    const route = `/api/v1/widget/${shop.widget}/upload`;
    const { attachments } = await gateway.ask('POST', route, visitor.session.token, form);
    const sent = await says(visitor, '', { attachments });
    assert.equal(sent.attachments[0].name, 'note.txt');
    const came = await agent.hears('new_message');
    assert.equal(came.attachments.length, 1);
    assert.equal(came.content, came.attachments[0].url);
    const file = await fetch(came.content);
    assert.equal(await file.text(), 'some text');
  });

  test('sees that somebody is there, and not who', async () => {
    const shop = await gateway.makeShop();
    const visitor = await visitorOf(shop);
    const agent = await agentOf(shop);
    assert.deepEqual(await visitor.hears('agent_status_changed'), { status: 'online' });
    assert.equal((await agent.ask('agent_status', { status: 'away' })).ok, true);
    await visitor.hears('agent_status_changed', ({ status }) => status === 'offline');
    const me = await gateway.ask('GET', '/api/v1/auth/me', shop.token);
    const changed = await agent.hears('agent_status_changed', ({ status }) => status === 'away');
    assert.equal(changed.agent_id, me.user.id);
    await agent.ask('agent_status', { status: 'live' });
    agent.socket.disconnect();
    await until(
      'the business is offline',
      () => visitor.payloads('agent_status_changed').at(-1).status === 'offline',
    );
  });
});

describe('an agent', () => {
  test('and a visitor see each other type, by socket and by REST', async () => {
    const shop = await gateway.makeShop();
    const agent = await agentOf(shop);
    const visitor = await visitorOf(shop);
    const { conversation_id } = await says(visitor, 'Hello');
    await agent.hears('new_message');
    assert.equal((await visitor.ask('typing', { is_typing: true })).ok, true);
    const typing = await agent.hears('typing');
    assert.deepEqual(typing, {
      conversation_id,
      user_id: visitor.session.visitor_id,
      is_typing: true,
    });
    await agent.ask('typing', { conversation_id, is_typing: true });
    assert.deepEqual(await visitor.hears('typing'), {
      conversation_id,
      user_id: 'agent',
      is_typing: true,
    });
    await agent.ask('typing', { conversation_id, is_typing: false });
    await visitor.hears('typing', ({ is_typing }) => !is_typing);
    const before = visitor.payloads('typing').length;
    const route = `/api/v1/conversations/${conversation_id}/typing`;
    await gateway.ask('POST', route, shop.token, { is_typing: true });
    await until('typing by REST', () => visitor.payloads('typing').length > before);
    assert.equal(visitor.payloads('typing').at(-1).is_typing, true);
  });

  test('and a visitor see what the other has read', async () => {
    const shop = await gateway.makeShop();
    const agent = await agentOf(shop);
    const visitor = await visitorOf(shop);
    const asked = await says(visitor, 'Hello');
    const { conversation_id } = asked;
    await agent.hears('new_message');
    assert.equal((await agent.ask('read', { conversation_id })).ok, true);
    const seen = await visitor.hears('read');
    assert.equal(seen.message_id, asked.id);
    assert.ok(Math.abs(Date.parse(seen.read_at) - Date.now()) < 60_000);
    const answer = await replies(shop, conversation_id, 'Hi');
    await visitor.hears('new_message', ({ id }) => id === answer.id);
    assert.equal((await visitor.ask('read', {})).ok, true);
    const read = await agent.hears('read', ({ message_id }) => message_id === answer.id);
    assert.ok(read.read_at);
    const updated = await agent.hears(
      'message_updated',
      ({ id, status }) => id === answer.id && status === 'read',
    );
    assert.equal(updated.content, 'Hi');
  });

  test('hears of assignments and states; the visitor of the states alone', async () => {
    const shop = await gateway.makeShop();
    await gateway.setPlan(shop.business, 'pro');
    const agent = await agentOf(shop);
    const visitor = await visitorOf(shop);
    const { conversation_id } = await says(visitor, 'Hello');
    const me = await gateway.ask('GET', '/api/v1/auth/me', shop.token);
    const user = me.user.id;
    const route = `/api/v1/conversations/${conversation_id}`;
    await gateway.ask('PUT', `${route}/assign/${user}`, shop.token, {});
    assert.deepEqual(await agent.hears('conversation_assigned'), {
      conversation_id,
      assigned_by: user,
      assignee_id: user,
    });
    await gateway.ask('PUT', `${route}/resolve`, shop.token, {});
    await agent.hears('conversation_updated', ({ status }) => status === 'resolved');
    assert.deepEqual(
      await visitor.hears('conversation_updated', ({ status }) => status === 'resolved'),
      { conversation_id, status: 'resolved' },
    );
    assert.deepEqual(visitor.payloads('conversation_assigned'), []);
  });

  test('joins and leaves conversations of the business, and no other', async () => {
    const shop = await gateway.makeShop();
    const stranger = await agentOf(await gateway.makeShop());
    const agent = await agentOf(shop);
    const visitor = await visitorOf(shop);
    const { conversation_id } = await says(visitor, 'Hello');
    assert.deepEqual(await agent.ask('join_conversation', { conversation_id }), { ok: true });
    // In two rooms that hear it, and it comes once.
    const second = await says(visitor, 'Again');
    await agent.hears('new_message', ({ id }) => id === second.id);
    assert.deepEqual(await agent.ask('leave_conversation', { conversation_id }), { ok: true });
    const third = await says(visitor, 'And again');
    await agent.hears('new_message', ({ id }) => id === third.id);
    assert.deepEqual(agent.contents(), ['Hello', 'Again', 'And again']);
    stranger.socket.emit('join_conversation', { conversation_id });
    assert.deepEqual(await stranger.hears('join_error'), { conversation_id, error: 'not_found' });
    stranger.socket.emit('join_conversation', { conversation_id: 42 });
    assert.deepEqual(await stranger.hears('join_error', (one) => one.conversation_id === 42), {
      conversation_id: 42,
      error: 'not_found',
    });
    const typed = await stranger.ask('typing', { conversation_id, is_typing: true });
    assert.equal(typed.error.code, 'NOT_FOUND');
    const read = await stranger.ask('read', { conversation_id });
    assert.equal(read.error.code, 'NOT_FOUND');
    assert.deepEqual(stranger.payloads('new_message'), []);
  });

  test('does not write as a visitor, and an unknown event is answered', async () => {
    const shop = await gateway.makeShop();
    const agent = await agentOf(shop);
    assert.equal((await agent.ask('client_message', { content: 'x' })).error.code, 'FORBIDDEN');
    assert.equal((await agent.ask('no_such_event', {})).error.code, 'UNKNOWN_EVENT');
  });

  const endings = {
    'logs out': (shop) => gateway.ask('POST', '/api/v1/auth/logout', shop.token, {}),
    'logs out everywhere': (shop) => gateway.ask('POST', '/api/v1/auth/logout-all', shop.token, {}),
    'is disabled': (shop) =>
      gateway.sql(`update app_user set disabled_at = now() where email = '${shop.email}'`),
  };
  for (const [what, end] of Object.entries(endings)) {
    test(`who ${what} is put out, and is not taken again`, async () => {
      const shop = await gateway.makeShop();
      const other = await agentOf(await gateway.makeShop());
      const agent = await agentOf(shop);
      await end(shop);
      await isPutOut(agent);
      const refused = await Client.refused({ token: shop.token });
      assert.deepEqual(refused, { message: 'unauthorized', code: 'TOKEN_INVALID' });
      assert.deepEqual(other.disconnects, []);
    });
  }

  test('who is removed from the business is put out, and hears nothing of it again', async () => {
    const shop = await gateway.makeShop();
    const account = { email: `${randomUUID()}@live.test`, password: randomUUID(), full_name: 'Ira' };
    const { access_token: token } = await gateway.ask('POST', '/api/v1/auth/register', '', account);
    gateway.sql(`insert into membership (tenant_id, user_id, id, role)
      select '${shop.business}', id, '${randomUUID()}', 'agent' from app_user
      where email = '${account.email}'`);
    const owner = await agentOf(shop);
    const member = await Client.connect({ token });
    gateway.sql(`update membership set is_active = false where tenant_id = '${shop.business}'
      and role = 'agent'`);
    await isPutOut(member);
    assert.equal((await Client.refused({ token })).code, 'NO_BUSINESS');
    assert.deepEqual(owner.disconnects, []);
  });

  test('whose token runs out comes again with a new one and has missed nothing', async () => {
    const shop = await gateway.makeShop();
    const visitor = await visitorOf(shop);
    // A token is taken for 60 seconds behind its end: this one for three more.
    const exp = Math.floor(Date.now() / 1000) - 57;
    const short = gateway.accessToken(shop.token, { iat: exp - 100, exp });
    const asked = [];
    const agent = await Client.connect((done) => {
      asked.push(Date.now());
      done({ token: asked.length === 1 ? short : shop.token });
    });
    await says(visitor, 'Before');
    await agent.hears('new_message');
    await until('it is closed', () => agent.disconnects.length > 0);
    assert.ok(Date.now() >= (exp + 60) * 1000, 'closed before the token had run out');
    assert.deepEqual(agent.disconnects, ['transport close']);
    await says(visitor, 'Meanwhile');
    await agent.connected();
    await agent.hears('new_message', ({ content }) => content === 'Meanwhile');
    assert.equal(asked.length, 2);
    assert.equal(agent.socket.recovered, true);
    assert.deepEqual(agent.contents(), ['Before', 'Meanwhile']);
    assert.equal((await Client.refused({ token: short })).code, 'TOKEN_INVALID');
  });

  test('who has chosen to be away stays so while connections come and go', async () => {
    const shop = await gateway.makeShop();
    const visitor = await visitorOf(shop);
    const agent = await agentOf(shop);
    await visitor.hears('agent_status_changed', ({ status }) => status === 'online');
    const set = (status) => gateway.ask('PATCH', '/api/v1/team/status', shop.token, { status });
    assert.deepEqual(await set('away'), { status: 'away' });
    const me = await gateway.ask('GET', '/api/v1/auth/me', shop.token);
    assert.deepEqual(await agent.hears('agent_status_changed', ({ status }) => status === 'away'), {
      agent_id: me.user.id,
      status: 'away',
    });
    await visitor.hears('agent_status_changed', ({ status }) => status === 'offline');
    agent.socket.disconnect();
    // Its departure has been written once its gateway has no trace of it.
    await until('it is gone', () => gateway.sql(
      `select count(*) from agent_presence where tenant_id = '${shop.business}'`) === '0');
    const again = await agentOf(shop);
    await until('it is there', () => gateway.sql(
      `select count(*) from agent_presence where tenant_id = '${shop.business}'`) === '1');
    assert.equal(gateway.sql(
      `select status from membership where tenant_id = '${shop.business}'`), 'away');
    assert.deepEqual(await set('live'), { status: 'live' });
    await again.hears('agent_status_changed', ({ status }) => status === 'live');
    const heard = visitor.payloads('agent_status_changed').map(({ status }) => status);
    await until('the visitor knows', () => visitor.payloads('agent_status_changed').length > 2);
    assert.deepEqual(heard.slice(0, 2), ['online', 'offline']);
    assert.equal(visitor.payloads('agent_status_changed').at(-1).status, 'online');
  });
});

describe('a visitor whose token', () => {
  test('runs out is closed then, and who has no better one is somebody new', async () => {
    const shop = await gateway.makeShop();
    const first = await visitorOf(shop);
    await says(first, 'Hello');
    const now = Math.floor(Date.now() / 1000);
    const token = gateway.visitorToken(first.session.token, { iat: now - 100, exp: now + 3 });
    const auth = { business_id: shop.business, visitor_token: token };
    const visitor = await Client.connect(auth, { origin: shop.origin });
    assert.deepEqual(visitor.payloads('visitor_session'), []);
    await until('it is closed', () => visitor.disconnects.length > 0);
    assert.ok(Date.now() >= (now + 3) * 1000, 'closed before the token had run out');
    assert.deepEqual(visitor.disconnects, ['transport close']);
    const anew = await visitor.hears('visitor_session');
    assert.notEqual(anew.visitor_id, first.session.visitor_id);
  });
});

// Platforms as far as these tests go: a server that writes down what it is asked.
class Platform {
  static async start(answer) {
    const platform = new Platform();
    platform.asked = [];
    platform.server = createServer((request, response) => {
      let body = '';
      request.on('data', (text) => (body += text));
      request.on('end', () => {
        platform.asked.push({ method: request.method, url: request.url, body });
        const [status, json] = answer(request);
        response.writeHead(status, { 'Content-Type': 'application/json' });
        response.end(JSON.stringify(json));
      });
    });
    await new Promise((resolve) => platform.server.listen(0, '127.0.0.1', resolve));
    platform.origin = `http://127.0.0.1:${platform.server.address().port}`;
    return platform;
  }

  calls(url) {
    return this.asked.filter((one) => one.url === url);
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe('on platforms', () => {
  let line, x, platforms;
  const delivers = async (type, channel, header, signature, body) => {
    const answer = await fetch(`${platforms.base}/api/v1/webhooks/${type}/${channel}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', [header]: signature },
      body,
    });
    assert.equal(answer.status, 200, await answer.text());
  };
  const signed = (secret, body) => createHmac('sha256', secret).update(body).digest('base64');

  before(async () => {
    // https://developers.line.biz/en/reference/messaging-api/ (2026-11-21): each answers an object.
    line = await Platform.start(({ url }) => [
      200,
      url.endsWith('/info') ? { userId: 'U4af4980629a7d1c5f0e2b3a4958676c1', basicId: '@216ru' } : {},
    ]);
    // Deliveries are taken while the registration has not been answered.
    x = await Platform.start(() => [503, {}]);
    platforms = await Gateway.start(kBuild, {
      environment: {
        BACKCHANNEL_UPSTREAMS: `https://api.line.me=${line.origin},https://api.x.com=${x.origin}`,
      },
    });
  });
  after(async () => {
    await platforms?.stop();
    line?.stop();
    x?.stop();
  });

  test("an agent's read gives LINE the token of the latest message", async () => {
    const shop = await platforms.makeShop();
    await platforms.setPlan(shop.business, 'pro');
    const config = { channel_access_token: 'token-of-the-test', channel_secret: 'secret-of-the-test' };
    const channel = await platforms.ask('POST', '/api/v1/channels/', shop.token, {
      type: 'line',
      config,
    });
    const agent = await agentOf(shop, { base: platforms.base });
    const message = (id, markAsReadToken, text) => ({
      type: 'message',
      webhookEventId: `01KAF8Z0QX00000000000000${id}`,
      deliveryContext: { isRedelivery: false },
      timestamp: 1763600101000 + Number(id),
      source: { type: 'user', userId: 'U8189cf6745fc0d808977bdb0b9f22995' },
      mode: 'active',
      message: { id: `4687895778982625${id}`, type: 'text', markAsReadToken, text },
    });
    for (const event of [message('10', 'token-of-the-first', 'Hello'), message('11', 'token-of-the-second', 'Anybody?')]) {
      const body = JSON.stringify({ destination: 'U4af4980629a7d1c5f0e2b3a4958676c1', events: [event] });
      await delivers('line', channel.id, 'x-line-signature', signed(config.channel_secret, body), body);
    }
    const { conversation_id } = await agent.hears('new_message', ({ content }) => content === 'Anybody?');
    assert.deepEqual(line.calls('/v2/bot/chat/markAsRead'), []);
    assert.deepEqual(await agent.ask('read', { conversation_id }), { ok: true });
    const [call] = await until('LINE is told', () => {
      const calls = line.calls('/v2/bot/chat/markAsRead');
      return calls.length > 0 && calls;
    });
    assert.equal(call.method, 'POST');
    assert.deepEqual(JSON.parse(call.body), { markAsReadToken: 'token-of-the-second' });
    await agent.hears('conversation_updated', ({ unread_count }) => unread_count === 0);
  });

  test('X tells that a contact types, and the agents of the business alone hear it', async () => {
    const shop = await platforms.makeShop();
    await platforms.setPlan(shop.business, 'pro');
    const stranger = await agentOf(await platforms.makeShop(), { base: platforms.base });
    const config = {
      api_key: 'key-of-the-test',
      api_secret: 'secret-of-the-test',
      access_token: 'token-of-the-test',
      access_token_secret: 'token-secret-of-the-test',
      user_id: '1730000000000000001',
      ingest: 'aaa',
    };
    const channel = await platforms.ask('POST', '/api/v1/channels/', shop.token, { type: 'x', config });
    const agent = await agentOf(shop, { base: platforms.base });
    const says = async (name) => {
      const body = readFileSync(path.join(kHere, '..', 'fixtures', 'x', name), 'utf8');
      const signature = `sha256=${signed(config.api_secret, body)}`;
      await delivers('x', channel.id, 'x-twitter-webhooks-signature', signature, body);
    };
    // Before the first message there is no conversation that could be typed in.
    await says('dm_typing_aaa.json');
    await says('dm_text_aaa.json');
    const { conversation_id, customer } = await agent.hears('new_message');
    await until('it is passed on', async () => {
      await says('dm_typing_aaa.json');
      return agent.payloads('typing').length > 0;
    });
    assert.deepEqual(agent.payloads('typing')[0], {
      conversation_id,
      user_id: customer.id,
      is_typing: true,
    });
    assert.deepEqual(stranger.heard.filter(({ name }) => name === 'typing'), []);
  });
});

describe('strangers', () => {
  test('without a word of who they are get nothing', async () => {
    assert.deepEqual(await Client.refused(undefined), {
      message: 'unauthorized',
      code: 'AUTH_REQUIRED',
    });
    assert.equal((await Client.refused({ token: 'no.such.token' })).code, 'TOKEN_INVALID');
    const nowhere = { business_id: '00000000-0000-7000-8000-000000000000' };
    assert.equal((await Client.refused(nowhere)).code, 'NOT_FOUND');
  });

  test('of another business get no other by naming it', async () => {
    const mine = await gateway.makeShop();
    const theirs = await gateway.makeShop();
    const refused = await Client.refused({ token: mine.token, business_id: theirs.business });
    assert.equal(refused.code, 'NOT_FOUND');
  });

  test('on other pages are refused, with and without a token', async () => {
    const shop = await gateway.makeShop();
    const origin = 'https://elsewhere.test';
    const documented = { business_id: shop.business };
    assert.equal((await Client.refused(documented, { origin })).code, 'FORBIDDEN');
    assert.equal(
      (await Client.refused({ ...documented, widget_id: shop.widget }, { origin })).code,
      'FORBIDDEN',
    );
    const visitor = await visitorOf(shop);
    assert.equal((await Client.refused(visitor.auth, { origin })).code, 'FORBIDDEN');
  });
});

// An open transaction of the database's owner.
class Transaction {
  constructor() {
    const { PGHOST, ...environment } = process.env;
    const url = gateway.databaseUrl().replace('backchannel_gateway', 'postgres');
    const command = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', url];
    this.psql = spawn('psql', command, { env: environment, stdio: ['pipe', 'pipe', 'inherit'] });
    this.said = '';
    this.psql.stdout.on('data', (text) => (this.said += text));
    this.psql.stdin.write('begin; set local search_path = backchannel;\n');
  }

  run(sql) {
    this.psql.stdin.write(`${sql}; select 'done';\n`);
    return until(`the answer to ${sql}`, () => this.said.includes('done'));
  }

  async commit() {
    this.psql.stdin.end('commit;\n');
    await new Promise((resolve) => this.psql.once('exit', resolve));
  }
}

test('what was committed late is heard once, also by who was away then', async () => {
  const shop = await gateway.makeShop();
  const visitor = await visitorOf(shop);
  const stays = await agentOf(shop);
  const leaves = await agentOf(shop, { reconnection: false });
  const { conversation_id } = await says(visitor, 'Before');
  const late = new Transaction();
  await late.run(
    `insert into realtime_event (tenant_id, conversation_id, kind)
     values ('${shop.business}', '${conversation_id}', 2)`,
  );
  await says(visitor, 'Behind it');
  for (const agent of [stays, leaves]) {
    await agent.hears('new_message', ({ content }) => content === 'Behind it');
    assert.deepEqual(agent.payloads('conversation_updated'), []);
  }
  leaves.socket.io.engine.close();
  await until('it is away', () => !leaves.socket.connected);
  await late.commit();
  await stays.hears('conversation_updated');
  for (let time = 1; time <= 2; time++) {
    leaves.socket.connect();
    await leaves.connected();
    assert.equal(leaves.socket.recovered, true);
    await says(visitor, `After ${time}`);
    await leaves.hears('new_message', ({ content }) => content === `After ${time}`);
    assert.equal(leaves.payloads('conversation_updated').length, 1);
    leaves.socket.io.engine.close();
    await until('it is away', () => !leaves.socket.connected);
  }
  assert.equal(stays.payloads('conversation_updated').length, 1);
  assert.deepEqual(leaves.contents(), ['Before', 'Behind it', 'After 1', 'After 2']);
});

describe('a second gateway on the database', () => {
  let second;
  before(async () => {
    second = await Gateway.start(kBuild, {
      beside: gateway,
      environment: { BACKCHANNEL_NODE: 'b' },
    });
  });
  after(() => second?.stop());

  test('hears the first one, and is heard there', async () => {
    const shop = await gateway.makeShop();
    const agent = await agentOf(shop, { base: second.base });
    const visitor = await visitorOf(shop);
    const { conversation_id } = await says(visitor, 'From the first');
    await agent.hears('new_message', ({ content }) => content === 'From the first');
    await replies(shop, conversation_id, 'From the second', second);
    await visitor.hears('new_message', ({ content }) => content === 'From the second');
    // Typing is best effort: a gateway may not know yet that it has company.
    await until('typing goes over', async () => {
      await agent.ask('typing', { conversation_id, is_typing: true });
      await agent.ask('typing', { conversation_id, is_typing: false });
      return visitor.payloads('typing').length > 0;
    });
    assert.equal((await agent.ask('agent_status', { status: 'away' })).ok, true);
    await visitor.hears('agent_status_changed', ({ status }) => status === 'offline');
  });

  test('hands on by its doorbell in less than the second between two looks', async () => {
    const shop = await gateway.makeShop();
    const agent = await agentOf(shop, { base: second.base });
    const visitor = await visitorOf(shop);
    await says(visitor, 'Warm');
    await agent.hears('new_message');
    const times = [];
    for (let i = 0; i < 5; i++) {
      const begun = performance.now();
      const { id } = await says(visitor, `Message ${i}`);
      await agent.hears('new_message', (one) => one.id === id);
      times.push(performance.now() - begun);
    }
    // Looks alone would take half a second in the mean.
    assert.ok(times.sort((a, b) => a - b)[2] < 400, times.join(', '));
  });

  test('takes over a client of the first one, which misses nothing', async () => {
    const shop = await gateway.makeShop();
    const visitor = await visitorOf(shop);
    const agent = await agentOf(shop, { reconnection: false });
    await says(visitor, 'Before');
    await agent.hears('new_message');
    agent.socket.io.engine.close();
    await until('it is away', () => !agent.socket.connected);
    await says(visitor, 'Meanwhile');
    agent.socket.io.uri = second.base;
    agent.socket.connect();
    await agent.connected();
    assert.equal(agent.socket.recovered, true);
    await says(visitor, 'After');
    await agent.hears('new_message', ({ content }) => content === 'After');
    assert.deepEqual(agent.contents(), ['Before', 'Meanwhile', 'After']);
  });

  test('has what was committed late, for who heard of neither gateway what came before', async () => {
    const shop = await gateway.makeShop();
    const visitor = await visitorOf(shop);
    const agent = await agentOf(shop, { reconnection: false });
    const stays = await agentOf(shop, { base: second.base });
    const { conversation_id } = await says(visitor, 'Before');
    const late = new Transaction();
    await late.run(
      `insert into realtime_event (tenant_id, conversation_id, kind)
       values ('${shop.business}', '${conversation_id}', 2)`,
    );
    await says(visitor, 'Behind it');
    for (const one of [agent, stays]) {
      await one.hears('new_message', ({ content }) => content === 'Behind it');
    }
    agent.socket.io.engine.close();
    await until('it is away', () => !agent.socket.connected);
    await late.commit();
    await stays.hears('conversation_updated');
    agent.socket.io.uri = second.base;
    for (const [time, base] of [second.base, gateway.base, second.base].entries()) {
      agent.socket.io.uri = base;
      agent.socket.connect();
      await agent.connected();
      assert.equal(agent.socket.recovered, true);
      await says(visitor, `After ${time}`);
      await agent.hears('new_message', ({ content }) => content === `After ${time}`);
      assert.equal(agent.payloads('conversation_updated').length, 1);
      agent.socket.io.engine.close();
      await until('it is away', () => !agent.socket.connected);
    }
    assert.deepEqual(agent.contents(), ['Before', 'Behind it', 'After 0', 'After 1', 'After 2']);
  });

  test('puts out whom the first one has revoked, and so does the first', async () => {
    const shop = await gateway.makeShop();
    const visitor = await visitorOf(shop);
    const { conversation_id } = await says(visitor, 'Hello');
    const far = await Client.connect(visitor.auth, { base: second.base, origin: shop.origin });
    const other = await visitorOf(shop, { base: second.base });
    const route = `/api/v1/conversations/${conversation_id}/revoke-visitor`;
    assert.equal((await gateway.call('POST', route, { token: shop.token })).status, 204);
    await Promise.all([isPutOut(visitor), isPutOut(far)]);
    const history = `/api/v1/widget/${shop.widget}/conversation`;
    const { token } = visitor.session;
    assert.equal((await second.call('GET', history, { token })).status, 401);
    const refused = await Client.refused(visitor.auth, { origin: shop.origin });
    assert.equal(refused.code, 'TOKEN_INVALID');
    assert.deepEqual(other.disconnects, []);
  });

  test('puts out who has logged out at the first one', async () => {
    const shop = await gateway.makeShop();
    const agent = await agentOf(shop, { base: second.base });
    await gateway.ask('POST', '/api/v1/auth/logout', shop.token, {});
    await isPutOut(agent);
  });

  test('hears which status an agent has set by REST at the first one', async () => {
    const shop = await gateway.makeShop();
    const agent = await agentOf(shop, { base: second.base });
    await agent.hears('agent_status_changed', ({ status }) => status === 'live');
    // Best effort: a gateway may not know yet that it has company.
    await until('it goes over', async () => {
      await gateway.ask('PATCH', '/api/v1/team/status', shop.token, { status: 'away' });
      await gateway.ask('PATCH', '/api/v1/team/status', shop.token, { status: 'live' });
      return agent.payloads('agent_status_changed').some(({ status }) => status === 'away');
    });
  });

  test('that is started again has its clients back, who have missed nothing', async () => {
    const shop = await gateway.makeShop();
    const visitor = await visitorOf(shop);
    const agent = await agentOf(shop, { base: second.base });
    await says(visitor, 'Before');
    await agent.hears('new_message');
    assert.equal(await second.end(), 0);
    await until('it has noticed', () => agent.disconnects.length > 0);
    assert.deepEqual(agent.disconnects, ['transport close']);
    await says(visitor, 'Meanwhile');
    await second.launch();
    await agent.connected();
    await agent.hears('new_message', ({ content }) => content === 'Meanwhile');
    assert.equal(agent.socket.recovered, true);
    assert.deepEqual(agent.contents(), ['Before', 'Meanwhile']);
  });
});

test('python-socketio, a client by other people, speaks with it as well', async () => {
  // Its WebSockets say that they come from a page of the host they go to.
  const shop = await gateway.makeShop('localhost');
  const settings = JSON.stringify({ base: gateway.base, ...shop });
  // Debian's own, whose packages these are.
  const python = spawn(process.env.PYTHON ?? '/usr/bin/python3', [path.join(kHere, 'python_client.py'), settings], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  assert.equal(await new Promise((resolve) => python.once('exit', resolve)), 0);
});

test('what is measured is shown, and says that nobody waits', async () => {
  const metrics = await (await fetch(gateway.base + '/metrics')).text();
  assert.match(metrics, /^backchannel_live_events_total [1-9]/m);
  assert.match(metrics, /^backchannel_live_missing_events \d/m);
});
