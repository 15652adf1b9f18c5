// The messages of one visitor as they are shown: what came, what is on its way, in order.
//
// Pure state without a clock, a network or a document. A message is known by its id, and one of
// the visitor's own also by the client_id it was sent with, so that an answer, an echo on the live
// connection and a reload never show it twice.
import type { VisitorMessage } from './wire';

export type Item = VisitorMessage & {
  // Set while the message is only here: 'sending', or 'failed' with a reason.
  local?: 'sending' | 'failed';
  reason?: string;
};

const kRank: Record<string, number> = { sent: 1, delivered: 2, read: 3 };

export class Thread {
  items: Item[] = [];

  find(message: { id?: string; client_id?: string | null }): Item | undefined {
    return this.items.find(
      (item) =>
        (!!message.id && item.id === message.id) ||
        (!!message.client_id && item.client_id === message.client_id),
    );
  }

  // True where the message was not known before.
  put(message: VisitorMessage): boolean {
    const known = this.find(message);
    if (known) {
      const status = further(known.status, message.status);
      // What a later, shorter form of the message does not say stays as it was.
      const clientId = message.client_id ?? known.client_id;
      const wasLocal = known.local;
      Object.assign(known, message, { status, client_id: clientId });
      delete known.local;
      delete known.reason;
      if (wasLocal) this.place(known);
      return false;
    }
    this.place({ ...message });
    return true;
  }

  // Behind everything, until the gateway has said when it came.
  putLocal(item: Item): void {
    if (!this.find(item)) this.items.push(item);
  }

  remove(item: Item): void {
    this.items = this.items.filter((other) => other !== item);
  }

  // Own messages up to this one were delivered, or read.
  advance(messageId: string, status: 'delivered' | 'read'): void {
    const last = this.items.findIndex((item) => item.id === messageId);
    for (const item of this.items.slice(0, last + 1)) {
      if (item.sender_type === 'customer' && !item.local)
        item.status = further(item.status, status);
    }
  }

  oldest(): Item | undefined {
    return this.items.find((item) => !item.local);
  }

  newest(): Item | undefined {
    return this.items[this.items.length - 1];
  }

  private place(item: Item): void {
    this.remove(item);
    const time = Date.parse(item.created_at) || 0;
    let at = this.items.length;
    while (at > 0) {
      const before = this.items[at - 1]!;
      if (!before.local && (Date.parse(before.created_at) || 0) <= time) break;
      at--;
    }
    this.items.splice(at, 0, item);
  }
}

// A status never goes back: "delivered" may arrive behind "read".
function further(one: string | undefined, other: string | undefined): string | undefined {
  return (kRank[one ?? ''] ?? 0) > (kRank[other ?? ''] ?? 0) ? one : (other ?? one);
}
