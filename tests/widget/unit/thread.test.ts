import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Thread } from '../../../gateway/widget/src/thread';
import type { VisitorMessage } from '../../../gateway/widget/src/wire';

const at = (second: number) => `2026-11-20T10:00:${String(second).padStart(2, '0')}Z`;
const message = (
  id: string,
  second: number,
  more: Partial<VisitorMessage> = {},
): VisitorMessage => ({
  id,
  content: id,
  sender_type: 'agent',
  created_at: at(second),
  ...more,
});
const ids = (thread: Thread) => thread.items.map((item) => item.id || item.client_id);

test('messages stand in the order of their time, and of their arrival within a second', () => {
  const thread = new Thread();
  thread.put(message('b', 2));
  thread.put(message('c', 2));
  thread.put(message('a', 1));
  thread.put(message('d', 3));
  assert.deepEqual(ids(thread), ['a', 'b', 'c', 'd']);
});

test('a message is shown once, however often it comes', () => {
  const thread = new Thread();
  assert.equal(thread.put(message('a', 1)), true);
  assert.equal(thread.put(message('a', 1)), false);
  assert.equal(thread.items.length, 1);
});

test('what is on its way stands last, and finds its place when the gateway has it', () => {
  const thread = new Thread();
  const mine = message('', 9, { client_id: 'x', sender_type: 'customer' });
  thread.putLocal({ ...mine, local: 'sending' });
  thread.putLocal({ ...mine, local: 'sending' });
  thread.put(message('a', 5));
  assert.deepEqual(ids(thread), ['a', 'x']);
  thread.put({ ...mine, id: 'b', created_at: at(4) });
  assert.deepEqual(ids(thread), ['b', 'a']);
  assert.equal(thread.items[0]!.local, undefined);
});

test('the echo of a message in another tab has no twin, with or without its client_id', () => {
  const thread = new Thread();
  thread.putLocal({
    ...message('', 1, { client_id: 'x', sender_type: 'customer' }),
    local: 'sending',
  });
  thread.put(message('a', 1, { client_id: 'x', sender_type: 'customer' }));
  thread.put(message('a', 1, { sender_type: 'customer' }));
  assert.deepEqual(ids(thread), ['a']);
  assert.equal(thread.items[0]!.client_id, 'x');
});

test('a status goes forward and never back', () => {
  const thread = new Thread();
  thread.put(message('a', 1, { sender_type: 'customer', status: 'sent' }));
  thread.put(message('b', 2, { sender_type: 'customer', status: 'sent' }));
  thread.put(message('c', 3, { sender_type: 'customer', status: 'sent' }));
  thread.advance('b', 'read');
  thread.advance('c', 'delivered');
  thread.advance('nothing', 'read');
  assert.deepEqual(
    thread.items.map((item) => item.status),
    ['read', 'read', 'delivered'],
  );
  thread.put(message('b', 2, { sender_type: 'customer', status: 'delivered' }));
  assert.equal(thread.find({ id: 'b' })!.status, 'read');
});

test('a failed message that arrives after all has no reason any more', () => {
  const thread = new Thread();
  thread.putLocal({
    ...message('', 1, { client_id: 'x', sender_type: 'customer' }),
    local: 'failed',
    reason: 'no',
  });
  thread.put(message('a', 1, { client_id: 'x', sender_type: 'customer' }));
  assert.equal('local' in thread.items[0]!, false);
  assert.equal('reason' in thread.items[0]!, false);
});

test('the oldest message is one the gateway knows', () => {
  const thread = new Thread();
  thread.putLocal({ ...message('', 1, { client_id: 'x' }), local: 'sending' });
  assert.equal(thread.oldest(), undefined);
  thread.put(message('a', 5));
  assert.equal(thread.oldest()!.id, 'a');
  assert.equal(thread.newest()!.client_id, 'x');
});
