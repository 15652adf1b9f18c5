// The small client against the official server, and its codec alone.
import assert from 'node:assert/strict';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { Server } from 'socket.io';
import WebSocket from 'ws';
import { openPolling, openWebSocket } from '../../../gateway/widget/src/engine';
import {
  decode,
  encode,
  Kind,
  readHandshake,
  splitPayload,
} from '../../../gateway/widget/src/packet';
import { Socket, type Transports } from '../../../gateway/widget/src/socket';

// Node 18 has none of its own.
Object.assign(globalThis, { WebSocket });

const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

async function until(what: string, holds: () => unknown): Promise<void> {
  const deadline = Date.now() + 15000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, 'waited in vain: ' + what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// What came to the client, in order, as text.
class Witness {
  seen: string[] = [];
  auth: Record<string, unknown> = { token: 't' };
  events = {
    auth: () => this.auth,
    connected: (recovered: boolean) => void this.seen.push(recovered ? 'recovered' : 'connected'),
    disconnected: () => void this.seen.push('disconnected'),
    event: (name: string, payload: unknown) =>
      void this.seen.push(`${name} ${JSON.stringify(payload)}`),
    refused: (reason: unknown) => void this.seen.push('refused ' + JSON.stringify(reason)),
  };
  has = (line: string) => this.seen.includes(line);
}

async function world(options: object = {}) {
  const connections = new Set<import('node:net').Socket>();
  let http: HttpServer;
  let io: Server;
  let port = 0;
  const start = async () => {
    http = createServer();
    http.on('connection', (connection) => {
      connections.add(connection);
      connection.on('close', () => connections.delete(connection));
    });
    io = new Server(http, options);
    await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve));
    port = (http.address() as AddressInfo).port;
  };
  await start();
  const stop = async () => {
    for (const connection of connections) connection.destroy();
    await new Promise<void>((resolve) => void io.close(() => resolve()));
  };
  cleanups.push(stop);
  return {
    get io() {
      return io;
    },
    get base() {
      return `http://127.0.0.1:${port}`;
    },
    stop,
    start,
    cut: () => connections.forEach((connection) => connection.destroy()),
  };
}

function client(base: string, witness: Witness, transports?: Transports): Socket {
  const socket = new Socket(base, witness.events, transports);
  cleanups.push(() => socket.disconnect());
  return socket;
}

const pollingOnly: Transports = { webSocket: openPolling, polling: openPolling };

for (const [name, transports] of [
  ['a WebSocket', undefined],
  ['long polling', pollingOnly],
] as const) {
  test(`events go both ways over ${name}`, async () => {
    const { io, base } = await world();
    const heard: unknown[] = [];
    io.on('connection', (socket) => {
      socket.on('typing', (payload) => heard.push(payload));
      socket.emit('new_message', { id: 1, text: '<b>ä\u001e𝄞</b>' });
      socket.emit('typing', { is_typing: true });
      heard.push(socket.handshake.auth, socket.conn.transport.name);
    });
    const witness = new Witness();
    const socket = client(base, witness, transports);
    socket.connect();
    await until('two events', () => witness.seen.length === 3);
    assert.deepEqual(witness.seen, [
      'connected',
      `new_message ${JSON.stringify({ id: 1, text: '<b>ä\u001e𝄞</b>' })}`,
      'typing {"is_typing":true}',
    ]);
    for (let i = 0; i < 20; i++) socket.emit('typing', { i });
    await until('what was emitted', () => heard.length === 22);
    assert.deepEqual(heard.slice(0, 2), [{ token: 't' }, transports ? 'polling' : 'websocket']);
    assert.deepEqual(
      heard.slice(2),
      Array.from({ length: 20 }, (_, i) => ({ i })),
    );
  });

  test(`the heartbeat keeps ${name} open, and a silent server is left`, async () => {
    const { io, base } = await world({ pingInterval: 100, pingTimeout: 200 });
    const witness = new Witness();
    const socket = client(base, witness, transports);
    let beats = 0;
    io.on('connection', (server) => {
      server.conn.on('heartbeat', () => beats++);
      server.on('typing', () => {
        // From here on this server says nothing at all.
        (server.conn as unknown as { sendPacket(): void }).sendPacket = () => {};
      });
    });
    socket.connect();
    await until('five heartbeats', () => beats >= 5);
    assert.deepEqual(witness.seen, ['connected']);
    socket.emit('typing', {});
    await until('the end', () => witness.has('disconnected'));
  });

  test(`what was missed is delivered after a gap over ${name}`, async () => {
    const { io, base, cut } = await world({ connectionStateRecovery: {} });
    const witness = new Witness();
    const socket = client(base, witness, transports);
    io.on('connection', (server) => void server.join('room'));
    socket.connect();
    await until('the connection', () => socket.connected);
    io.to('room').emit('new_message', { id: 1 });
    await until('the first message', () => witness.has('new_message {"id":1}'));
    cut();
    await until('the gap', () => witness.has('disconnected'));
    io.to('room').emit('new_message', { id: 2 });
    await until('the recovery', () => witness.has('recovered'));
    assert.ok(witness.has('new_message {"id":2}'));
    assert.equal(witness.seen.filter((line) => line === 'new_message {"id":1}').length, 1);
  });
}

test('a server that was away is found again, without recovery', async () => {
  const there = await world({ connectionStateRecovery: {} });
  const witness = new Witness();
  const socket = client(there.base, witness);
  socket.connect();
  await until('the connection', () => socket.connected);
  await there.stop();
  await until('the gap', () => !socket.connected);
  await there.start();
  await until(
    'the second connection',
    () => witness.seen.filter((line) => line === 'connected').length === 2,
  );
});

test('where no WebSocket gets through, long polling takes its place and stays', async () => {
  const { base } = await world({ transports: ['polling'] });
  const tried: string[] = [];
  const witness = new Witness();
  const socket = client(base, witness, {
    webSocket: (...rest) => (tried.push('websocket'), openWebSocket(...rest)),
    polling: (...rest) => (tried.push('polling'), openPolling(...rest)),
  });
  socket.connect();
  await until('the connection', () => socket.connected);
  assert.deepEqual(tried, ['websocket', 'polling']);
});

test('a page whose policy throws at a WebSocket gets long polling', async () => {
  const { base } = await world();
  const witness = new Witness();
  const socket = client(base, witness, {
    webSocket: (...rest) => {
      Object.assign(globalThis, {
        WebSocket: class {
          constructor() {
            throw new Error('SecurityError');
          }
        },
      });
      const connection = openWebSocket(...rest);
      Object.assign(globalThis, { WebSocket });
      return connection;
    },
    polling: openPolling,
  });
  socket.connect();
  await until('the connection', () => socket.connected);
});

test('a connection is renewed without losing anything', async () => {
  const { io, base } = await world({ connectionStateRecovery: {} });
  const witness = new Witness();
  const socket = client(base, witness);
  io.on('connection', (server) => void server.join('room'));
  socket.renew();
  assert.deepEqual(witness.seen, []);
  socket.connect();
  await until('the connection', () => socket.connected);
  io.to('room').emit('new_message', { id: 1 });
  await until('the first message', () => witness.has('new_message {"id":1}'));
  socket.renew();
  io.to('room').emit('new_message', { id: 2 });
  await until('the second message', () => witness.has('new_message {"id":2}'));
  await until('the recovery', () => witness.has('recovered'));
  assert.equal(witness.seen.filter((line) => line.startsWith('new_message')).length, 2);
});

test('a refusal is told with its reason and not repeated', async () => {
  const { io, base } = await world();
  let attempts = 0;
  io.use((_, next) => {
    attempts++;
    next(Object.assign(new Error('unauthorized'), { data: { code: 'AUTH_REQUIRED' } }));
  });
  const witness = new Witness();
  client(base, witness).connect();
  await until('the refusal', () => witness.seen.length > 0);
  assert.deepEqual(witness.seen, [
    'refused {"message":"unauthorized","data":{"code":"AUTH_REQUIRED"}}',
  ]);
  assert.equal(attempts, 1);
});

test('who is sent away by the server stays away', async () => {
  const { io, base } = await world();
  io.on('connection', (socket) => void socket.disconnect());
  const witness = new Witness();
  client(base, witness).connect();
  await until('the end', () => witness.seen.some((line) => line.startsWith('refused')));
  assert.deepEqual(witness.seen.slice(0, 2), ['connected', 'disconnected']);
});

test('the client says goodbye over both transports', async () => {
  for (const transports of [undefined, pollingOnly]) {
    const { io, base } = await world();
    const reasons: string[] = [];
    io.on('connection', (socket) => void socket.on('disconnect', (reason) => reasons.push(reason)));
    const witness = new Witness();
    const socket = client(base, witness, transports);
    socket.connect();
    await until('the connection', () => socket.connected);
    socket.disconnect();
    await until('the goodbye', () => reasons.length === 1);
    assert.match(reasons[0]!, /client namespace disconnect|transport close/);
  }
});

// The examples of the protocol's own text.
test('packets are read and written as the protocol has them', () => {
  assert.deepEqual(decode('0{"sid":"x","pid":"y"}'), {
    kind: Kind.connect,
    data: { sid: 'x', pid: 'y' },
  });
  assert.deepEqual(decode('2["foo",{"a":1},"offset"]'), {
    kind: Kind.event,
    data: ['foo', { a: 1 }, 'offset'],
  });
  assert.deepEqual(decode('212["foo"]'), { kind: Kind.event, data: ['foo'] });
  assert.deepEqual(decode('1'), { kind: Kind.disconnect, data: undefined });
  assert.deepEqual(decode('4{"message":"no"}'), {
    kind: Kind.connectError,
    data: { message: 'no' },
  });
  assert.equal(encode(Kind.connect), '0');
  assert.equal(encode(Kind.event, ['foo', { a: 1 }]), '2["foo",{"a":1}]');
  assert.deepEqual(splitPayload('4a\x1e4b\x1e2'), ['4a', '4b', '2']);
  assert.deepEqual(splitPayload(''), []);
});

test('what is no packet of the main namespace is nothing', () => {
  for (const text of [
    '',
    '2',
    '2{}',
    '2[]',
    '2[1]',
    '2/admin,["foo"]',
    '51-["a"]',
    '9',
    'x',
    '2["a"',
    '0x',
    '4"m"',
  ]) {
    const packet = decode(text);
    assert.ok(packet === null || packet.data === undefined, text);
  }
});

test('a hello without a session id is none', () => {
  assert.equal(readHandshake('{}'), null);
  assert.equal(readHandshake('no'), null);
  assert.deepEqual(readHandshake('{"sid":"s"}'), {
    sid: 's',
    pingInterval: 25000,
    pingTimeout: 20000,
  });
});
