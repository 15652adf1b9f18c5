// One Engine.IO connection: a WebSocket, or long polling where no WebSocket gets through.
//
// Used by Socket, which makes a new one for each attempt. `closed` is called once, whatever ends
// the connection; after `close` it is not called any more.
import { Engine, readHandshake, splitPayload } from './packet';

export interface EngineEvents {
  opened(): void;
  message(text: string): void;
  closed(): void;
}

export interface Connection {
  send(text: string): void;
  close(): void;
}

// Time for a transport to say hello before it is given up.
const kOpenMs = 10000;

export function openWebSocket(base: string, events: EngineEvents): Connection {
  let socket: WebSocket | undefined;
  const life = new Life(events, () => socket?.close());
  const send = (text: string) => {
    if (socket?.readyState === 1) socket.send(text);
  };
  try {
    socket = new WebSocket(base.replace(/^http/, 'ws') + '/socket.io/?EIO=4&transport=websocket');
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') life.take(data, send);
    };
    socket.onclose = socket.onerror = () => life.end();
  } catch {
    // A page's policy may forbid it in this way.
    setTimeout(() => life.end());
  }
  return { send: (text) => send(Engine.message + text), close: () => life.leave() };
}

export function openPolling(base: string, events: EngineEvents): Connection {
  const url = base + '/socket.io/?EIO=4&transport=polling';
  const abort = new AbortController();
  const outgoing: string[] = [];
  let sid = '';
  let posting = false;

  const life = new Life(events, () => {
    // The server is told in a request of its own, because the held one is about to go.
    if (sid) void post(Engine.close).catch(() => {});
    abort.abort();
  });

  // Simple requests: no preflight, no credentials.
  const ask = async (init: RequestInit) => {
    const answer = await fetch(sid ? `${url}&sid=${encodeURIComponent(sid)}` : url, {
      credentials: 'omit',
      cache: 'no-store',
      ...init,
    });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return answer.text();
  };
  const post = (body: string) =>
    ask({ method: 'POST', body, headers: { 'Content-Type': 'text/plain;charset=UTF-8' } });

  const flush = async () => {
    if (posting || !sid) return;
    posting = true;
    try {
      while (outgoing.length && !life.ended) await post(outgoing.splice(0).join('\x1e'));
    } catch {
      life.end();
    }
    posting = false;
  };
  const send = (text: string) => {
    outgoing.push(text);
    void flush();
  };
  const poll = async () => {
    try {
      while (!life.ended) {
        for (const text of splitPayload(await ask({ signal: abort.signal }))) {
          life.take(text, send, (id) => (sid = id));
        }
        void flush();
      }
    } catch {
      life.end();
    }
  };
  void poll();
  return { send: (text) => send(Engine.message + text), close: () => life.leave() };
}

// What both transports share: the hello, the heartbeat, and the single end.
class Life {
  ended = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private patienceMs = kOpenMs;

  constructor(
    private readonly events: EngineEvents,
    private readonly stop: () => void,
  ) {
    this.watch();
  }

  take(text: string, send: (text: string) => void, opened?: (sid: string) => void): void {
    if (this.ended) return;
    const rest = text.slice(1);
    switch (text[0]) {
      case Engine.open: {
        const hello = readHandshake(rest);
        if (!hello) return this.end();
        this.patienceMs = hello.pingInterval + hello.pingTimeout;
        opened?.(hello.sid);
        this.watch();
        this.events.opened();
        break;
      }
      case Engine.ping:
        this.watch();
        send(Engine.pong);
        break;
      case Engine.message:
        this.events.message(rest);
        break;
      case Engine.close:
        this.end();
        break;
    }
  }

  // The connection is gone, or as good as gone.
  end(): void {
    if (this.ended) return;
    this.leave();
    this.events.closed();
  }

  leave(): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    this.stop();
  }

  private watch(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(), this.patienceMs);
  }
}
