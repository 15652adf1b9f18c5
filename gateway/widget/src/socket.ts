// A Socket.IO client as small as the widget needs it: the main namespace, events without acks,
// reconnecting for ever, and connection-state recovery.
//
// The official client alone is more than half of what the whole widget may weigh.
// https://socket.io/docs/v4/connection-state-recovery (read 2026-11-21).
import { type Connection, openPolling, openWebSocket } from './engine';
import { decode, encode, Kind } from './packet';

export interface SocketEvents {
  // The CONNECT payload, asked for at each attempt.
  auth(): Record<string, unknown>;
  // `recovered`: nothing was missed since the last connection.
  connected(recovered: boolean): void;
  disconnected(): void;
  event(name: string, payload: unknown): void;
  // The server does not want this visitor with this token; no attempt follows by itself.
  refused(reason: unknown): void;
}

export type Open = typeof openWebSocket;

export interface Transports {
  webSocket: Open;
  polling: Open;
}

const kFirstWaitMs = 1000;
const kLongestWaitMs = 30000;

export class Socket {
  connected = false;
  private connection: Connection | null = null;
  private wanted = false;
  private attempts = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private usesPolling = false;
  private pid = '';
  private offset = '';

  constructor(
    private readonly base: string,
    private readonly events: SocketEvents,
    private readonly transports: Transports = { webSocket: openWebSocket, polling: openPolling },
  ) {}

  // Also: try again now rather than when the wait is over.
  connect(): void {
    this.wanted = true;
    clearTimeout(this.timer);
    if (!this.connection) this.open(this.usesPolling);
  }

  // The connection may be dead without anybody knowing, as after a change of network.
  renew(): void {
    if (!this.wanted) return;
    this.drop();
    this.connect();
  }

  disconnect(): void {
    this.wanted = false;
    clearTimeout(this.timer);
    if (this.connected) this.send(Kind.disconnect);
    this.drop();
    this.pid = this.offset = '';
  }

  // Dropped while there is no connection: for what is stale a moment later.
  emit(name: string, payload: unknown): void {
    if (this.connected) this.send(Kind.event, [name, payload]);
  }

  private send(kind: Kind, data?: unknown): void {
    this.connection?.send(encode(kind, data));
  }

  private open(polling: boolean): void {
    let opened = false;
    const begin = polling ? this.transports.polling : this.transports.webSocket;
    this.connection = begin(this.base, {
      opened: () => {
        opened = true;
        this.usesPolling = polling;
        const recovery = this.pid && this.offset ? { pid: this.pid, offset: this.offset } : {};
        this.send(Kind.connect, { ...recovery, ...this.events.auth() });
      },
      message: (text) => this.take(text),
      closed: () => {
        this.drop();
        if (!this.wanted) return;
        // A proxy that lets no WebSocket through mostly lets polling through. Where polling fails
        // too, the next attempt begins with the WebSocket again.
        if (!opened && !polling) return this.open(true);
        if (!opened) this.usesPolling = false;
        this.retry();
      },
    });
  }

  private take(text: string): void {
    const packet = decode(text);
    if (!packet) return;
    switch (packet.kind) {
      case Kind.connect: {
        const { pid } = (packet.data ?? {}) as { pid?: string };
        const recovered = !!pid && pid === this.pid;
        this.pid = typeof pid === 'string' ? pid : '';
        if (!recovered) this.offset = '';
        this.connected = true;
        this.attempts = 0;
        this.events.connected(recovered);
        break;
      }
      case Kind.event: {
        const [name, payload, ...rest] = packet.data as [string, unknown, ...unknown[]];
        const last = rest.length ? rest[rest.length - 1] : payload;
        if (this.pid && typeof last === 'string') this.offset = last;
        this.events.event(name, payload);
        break;
      }
      case Kind.disconnect:
        this.refuse('disconnected by the server');
        break;
      case Kind.connectError:
        this.refuse(packet.data);
        break;
    }
  }

  private refuse(reason: unknown): void {
    this.wanted = false;
    this.pid = this.offset = '';
    this.drop();
    this.events.refused(reason);
  }

  private drop(): void {
    this.connection?.close();
    this.connection = null;
    if (!this.connected) return;
    this.connected = false;
    this.events.disconnected();
  }

  private retry(): void {
    const wait = Math.min(kLongestWaitMs, kFirstWaitMs * 2 ** Math.min(this.attempts++, 10));
    // Half of it by chance, so that a restarted server is not met by all at once.
    this.timer = setTimeout(() => this.connect(), wait / 2 + (Math.random() * wait) / 2);
  }
}
