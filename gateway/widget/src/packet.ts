// Text of the two protocols below a live connection, as pure functions.
//
// Engine.IO 4: one digit and a payload; a polling body is several of them with 0x1E between.
// Socket.IO 5, inside Engine.IO's "4": <type>[<attachments>-][<namespace>,][<ack id>][<JSON>].
// https://github.com/socketio/socket.io/tree/main/docs (read 2026-11-21). Only the main namespace
// is used, and nothing binary.

export const enum Engine {
  open = '0',
  close = '1',
  ping = '2',
  pong = '3',
  message = '4',
}

export const enum Kind {
  connect = 0,
  disconnect = 1,
  event = 2,
  connectError = 4,
}

export interface Packet {
  kind: number;
  data: unknown;
}

export interface Handshake {
  sid: string;
  pingInterval: number;
  pingTimeout: number;
}

export function readHandshake(text: string): Handshake | null {
  const value = parse(text) as Partial<Handshake> | undefined;
  if (typeof value?.sid !== 'string') return null;
  return {
    sid: value.sid,
    pingInterval: Number(value.pingInterval) || 25000,
    pingTimeout: Number(value.pingTimeout) || 20000,
  };
}

export function splitPayload(body: string): string[] {
  return body === '' ? [] : body.split('\x1e');
}

export function encode(kind: Kind, data?: unknown): string {
  return data === undefined ? String(kind) : kind + JSON.stringify(data);
}

// Null where the text is no packet of the main namespace, or one this client has no use for.
export function decode(text: string): Packet | null {
  const match = /^([0-4])(\d*)(?=[[{]|$)([^]*)$/.exec(text);
  if (!match) return null;
  const kind = Number(match[1]);
  if (match[3] === '') return { kind, data: undefined };
  const data = parse(match[3]!);
  if (data === undefined) return null;
  if (kind === Kind.event && !(Array.isArray(data) && typeof data[0] === 'string')) return null;
  return { kind, data };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
