// A gateway for the widget's tests: the visitor's REST shapes of docs/API.md and the official
// Socket.IO server, in memory. It checks Origin, tokens and states as the gateway does, so that the
// widget meets the same refusals.
//
// It offers the interface of gateways.mjs; what only a stand-in can do (stop, start, refuse) is
// used by tests that ask for it.
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { Server } from 'socket.io';

const kMaxBody = 26 << 20;

class HttpError extends Error {
  constructor(status, detail, headers = {}) {
    super(detail);
    Object.assign(this, { status, headers });
  }
}

export class StandIn {
  embeds = new Map(); // id -> Embed
  tokens = new Map(); // visitor token -> Visitor
  files = new Map();
  requests = []; // "POST messages", for tests that count
  // (request name) -> HttpError or milliseconds of delay, or nothing
  disturb = () => undefined;

  constructor(scriptFolder) {
    this.scriptFolder = scriptFolder;
  }

  async start(port = 0) {
    this.http = createServer((request, response) => void this.serve(request, response));
    this.sockets = new Set();
    this.http.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.io = new Server(this.http, {
      cors: { origin: true },
      connectionStateRecovery: { skipMiddlewares: false },
    });
    this.io.use((socket, next) => this.admit(socket, next));
    this.io.on('connection', (socket) => this.welcome(socket));
    await new Promise((resolve) => this.http.listen(port, '0.0.0.0', resolve));
    this.port = this.http.address().port;
    this.base = `http://localhost:${this.port}`;
  }

  // As a process that dies: connections break, the database stays.
  remove() {
    return this.stop();
  }

  async stop() {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.io.close(() => resolve()));
  }

  async restart() {
    const { port } = this;
    await this.stop();
    await this.start(port);
  }

  // --- the interface of gateways.mjs -------------------------------------------------------------

  async makeWidget(settings = {}) {
    const id = randomUUID();
    const { domain = 'localhost', channels = [], online = true, ...rest } = settings;
    return this.make({
      id,
      allowed: [domain],
      online,
      channels,
      shown: {
        kind: 'widget',
        name: 'Acme Support',
        welcome_heading: 'Hi there!',
        welcome_tagline: 'We make it simple to connect with us. Ask us anything.',
        primary_color: '#7650FF',
        show_online_badge: true,
        logo_url: null,
        config: {},
        ...rest,
      },
    });
  }

  async makeWebchat(settings = {}) {
    const id = randomBytes(12).toString('hex');
    const {
      allowedDomains = [],
      channels = [],
      isEnabled = true,
      online = true,
      ...rest
    } = settings;
    return this.make({
      id,
      allowed: allowedDomains,
      online,
      enabled: isEnabled,
      channels,
      shown: {
        kind: 'webchat',
        webchat: {
          name: 'Acme Webchat',
          starterMessage: 'Hello! How can we help?',
          backgroundColor: '#FFFFFF',
          primaryColor: '#1D4ED8',
          secondaryColor: '#1D4ED8',
          position: 'bottom-right',
          offsetX: 24,
          offsetY: 24,
          zIndex: 9999,
          ...rest,
        },
      },
    });
  }

  make(values) {
    const embed = {
      business_id: randomUUID(),
      secret: randomBytes(16).toString('hex'),
      enabled: true,
      visitors: new Map(),
      conversations: new Map(),
      csat: [],
      ...values,
    };
    this.embeds.set(embed.id, embed);
    return { id: embed.id, kind: embed.shown.kind, agent: new Agent(this, embed) };
  }

  // --- REST --------------------------------------------------------------------------------------

  async serve(request, response) {
    const url = new URL(request.url, this.base);
    const answer = (status, value, headers = {}) => {
      const isBytes = Buffer.isBuffer(value);
      const body = isBytes ? value : value === undefined ? '' : JSON.stringify(value);
      response.writeHead(status, {
        'Content-Type': 'application/json',
        'X-Content-Type-Options': 'nosniff',
        'Access-Control-Allow-Origin': request.headers.origin ?? '*',
        Vary: 'Origin',
        ...headers,
      });
      response.end(body);
    };
    try {
      if (url.pathname === '/widget.js') {
        answer(200, await readFile(path.join(this.scriptFolder, 'widget.js')), {
          'Content-Type': 'text/javascript; charset=utf-8',
          'Cross-Origin-Resource-Policy': 'cross-origin',
        });
        return;
      }
      const media = /^\/api\/v1\/media\/([^/]+)\//.exec(url.pathname);
      if (media) {
        const file = this.files.get(media[1]);
        if (!file) throw new HttpError(404, 'File not found');
        answer(200, file.bytes, {
          'Content-Type': file.content_type,
          'Cross-Origin-Resource-Policy': 'cross-origin',
        });
        return;
      }
      const [, id, name] = /^\/api\/v1\/widget\/([^/]+)\/(\w+)$/.exec(url.pathname) ?? [];
      if (!name) throw new HttpError(404, 'There is nothing at this path');
      if (request.method === 'OPTIONS') {
        answer(204, undefined, {
          'Access-Control-Allow-Methods': 'GET, POST, OPTIONS',
          'Access-Control-Allow-Headers': 'Authorization, Content-Type',
          'Access-Control-Max-Age': '600',
        });
        return;
      }
      this.requests.push(`${request.method} ${name}`);
      const disturbance = await this.disturb(`${request.method} ${name}`);
      if (disturbance instanceof HttpError) throw disturbance;
      const [status, value] = await this.call(request, url, id, name);
      answer(status, value);
    } catch (error) {
      answer(error.status ?? 500, { detail: error.message }, error.headers);
    }
  }

  async call(request, url, id, name) {
    const embed = this.embeds.get(id);
    if (!embed?.enabled) throw new HttpError(404, 'There is no such widget');
    this.checkOrigin(embed, request.headers.origin);
    const body = await readBody(request);
    const json = () => (body.length ? JSON.parse(body.toString()) : {});
    switch (`${request.method} ${name}`) {
      case 'GET embed':
        return [200, this.embedJson(embed)];
      case 'POST session':
        return [201, this.session(embed, json())];
    }
    const visitor = this.tokens.get(/^Bearer (.+)$/.exec(request.headers.authorization)?.[1]);
    if (!visitor || visitor.embed !== embed) throw new HttpError(401, 'The token is not valid');
    switch (`${request.method} ${name}`) {
      case 'GET conversation':
        return [200, this.conversationJson(visitor, url.searchParams)];
      case 'POST messages':
        return [201, this.write(visitor, json())];
      case 'POST upload':
        return [201, this.upload(request.headers['content-type'], body)];
      case 'POST read':
        if (visitor.conversation) visitor.conversation.unread = 0;
        return [204, undefined];
      case 'POST csat':
        return [201, this.rate(visitor, json())];
      default:
        throw new HttpError(404, 'There is nothing at this path');
    }
  }

  checkOrigin(embed, origin) {
    if (!embed.allowed.length) return;
    const host = origin ? new URL(origin).hostname : '';
    const hosts = embed.allowed.map((one) => (one.includes('://') ? new URL(one).hostname : one));
    if (!hosts.includes(host)) {
      throw new HttpError(403, `The page's origin ${origin} may not show this widget`);
    }
  }

  embedJson(embed) {
    return {
      id: embed.id,
      business_id: embed.business_id,
      online: embed.online,
      channels: embed.channels,
      ...embed.shown,
    };
  }

  session(embed, { token, user_id, user_hash, name, email }) {
    let visitor = this.tokens.get(token);
    if (visitor?.embed !== embed) visitor = undefined;
    if (user_id !== undefined) {
      const expected = createHmac('sha256', embed.secret).update(user_id).digest('hex');
      if (user_hash !== expected)
        throw new HttpError(403, 'The user_hash does not fit the user_id');
      const known = [...embed.visitors.values()].find((one) => one.user_id === user_id);
      visitor = known ?? visitor;
    }
    visitor ??= { id: randomUUID(), embed, conversation: null };
    Object.assign(visitor, {
      ...(user_id && { user_id }),
      ...(name && { name }),
      ...(email && { email }),
    });
    embed.visitors.set(visitor.id, visitor);
    const fresh = randomBytes(24).toString('base64url');
    this.tokens.set(fresh, visitor);
    return {
      visitor_id: visitor.id,
      token: fresh,
      expires_at: new Date(Date.now() + 30 * 86_400_000).toISOString(),
      business_id: embed.business_id,
      conversation_id: visitor.conversation?.id ?? null,
    };
  }

  conversationJson({ conversation }, query) {
    if (!conversation) return { conversation: null, messages: [] };
    const limit = Number(query.get('limit') ?? 50);
    const end = query.has('before')
      ? conversation.messages.findIndex((message) => message.id === query.get('before'))
      : conversation.messages.length;
    const { id, status, unread, csat } = conversation;
    return {
      conversation: { id, status, unread, csat },
      messages: conversation.messages.slice(Math.max(0, end - limit), end),
    };
  }

  write(visitor, { content = '', client_id, attachments = [] }) {
    let { conversation } = visitor;
    const repeated = conversation?.messages.find(
      (message) => client_id && message.client_id === client_id,
    );
    if (repeated) return repeated;
    if (!content && !attachments.length) throw new HttpError(422, 'content is required');
    if (!conversation || conversation.status === 'closed') {
      conversation = {
        id: randomUUID(),
        visitor,
        status: 'open',
        unread: 0,
        csat: null,
        messages: [],
      };
      visitor.conversation = conversation;
      visitor.embed.conversations.set(conversation.id, conversation);
    }
    if (conversation.status === 'resolved') this.setStatus(conversation, 'open');
    return this.add(conversation, { sender_type: 'customer', content, client_id, attachments });
  }

  add(conversation, message) {
    const stored = {
      id: randomUUID(),
      conversation_id: conversation.id,
      created_at: new Date().toISOString().replace(/\.\d+/, ''),
      status: 'sent',
      ...message,
      attachments: (message.attachments ?? []).map((one) => this.files.get(one.id)?.shown ?? one),
    };
    conversation.messages.push(stored);
    if (stored.sender_type !== 'customer') conversation.unread++;
    this.tell(conversation, 'new_message', stored);
    return stored;
  }

  tell({ visitor }, event, payload) {
    this.io.to(`visitor_${visitor.id}`).emit(event, payload);
  }

  setStatus(conversation, status) {
    conversation.status = status;
    this.tell(conversation, 'conversation_updated', { conversation_id: conversation.id, status });
  }

  upload(contentType, body) {
    const boundary = /boundary=(.+)$/.exec(contentType ?? '')?.[1];
    if (!boundary) throw new HttpError(415, 'The body must be multipart/form-data with a boundary');
    const attachments = [];
    for (const part of body.toString('latin1').split(`--${boundary}`).slice(1, -1)) {
      const split = part.indexOf('\r\n\r\n');
      const head = Buffer.from(part.slice(0, split), 'latin1').toString();
      const bytes = Buffer.from(part.slice(split + 4, -2), 'latin1');
      const name = /filename="([^"]*)"/.exec(head)?.[1];
      if (name) attachments.push(this.keep(name, bytes, /Content-Type: (.+)/.exec(head)?.[1]));
    }
    return { attachments, urls: attachments.map((one) => one.url) };
  }

  keep(name, bytes, type) {
    const id = randomUUID();
    const content_type = type ?? 'application/octet-stream';
    const kind = content_type.split('/')[0];
    const shown = {
      id,
      type: ['image', 'video', 'audio'].includes(kind) ? kind : 'file',
      url: `${this.base}/api/v1/media/${id}/${encodeURIComponent(name)}?exp=1&sig=2`,
      content_type,
      size: bytes.length,
      name,
      state: 'ready',
    };
    this.files.set(id, { bytes, content_type, shown });
    return shown;
  }

  rate({ conversation, embed }, { score, comment }) {
    if (!['resolved', 'closed'].includes(conversation?.status)) {
      throw new HttpError(409, 'The conversation has not ended');
    }
    if (!Number.isInteger(score) || score < 1 || score > 5)
      throw new HttpError(422, 'score is 1 to 5');
    conversation.csat = { score, ...(comment && { comment }) };
    embed.csat.push(conversation.csat);
    return conversation.csat;
  }

  // --- the live connection -----------------------------------------------------------------------

  admit(socket, next) {
    const { business_id, widget_id, visitor_token } = socket.handshake.auth;
    const embed = this.embeds.get(widget_id);
    const visitor = this.tokens.get(visitor_token);
    const error = new Error('unauthorized');
    error.data = { code: 'AUTH_REQUIRED' };
    if (!embed || embed.business_id !== business_id || visitor?.embed !== embed) return next(error);
    try {
      this.checkOrigin(embed, socket.handshake.headers.origin);
    } catch {
      return next(error);
    }
    socket.data = { visitorId: visitor.id, embedId: embed.id };
    next();
  }

  welcome(socket) {
    const embed = this.embeds.get(socket.data.embedId);
    const visitor = embed.visitors.get(socket.data.visitorId);
    void socket.join([`visitor_${visitor.id}`, `embed_${embed.id}`]);
    socket.on('typing', ({ is_typing }) => {
      visitor.typing = is_typing;
    });
  }
}

// Who answers: what the dashboard's side of the gateway does.
class Agent {
  constructor(standIn, embed) {
    Object.assign(this, { standIn, embed });
  }

  // The only visitor's conversation.
  get conversation() {
    return [...this.embed.conversations.values()].at(-1);
  }

  async messages() {
    return (this.conversation?.messages ?? []).map(({ sender_type, content, attachments }) => ({
      sender_type,
      content,
      attachments,
    }));
  }

  async say(content, extra = {}) {
    return this.standIn.add(this.conversation, {
      sender_type: 'agent',
      sender_name: 'Maya',
      content,
      ...extra,
    });
  }

  async sendFile(name, bytes, type) {
    return this.say('', { attachments: [this.standIn.keep(name, bytes, type)] });
  }

  async typing(is_typing = true) {
    const { conversation, standIn } = this;
    standIn.tell(conversation, 'typing', {
      conversation_id: conversation.id,
      user_id: 'agent',
      is_typing,
    });
  }

  async visitorTypes() {
    return this.conversation.visitor.typing === true;
  }

  async read() {
    const { conversation, standIn } = this;
    const last = conversation.messages.findLast((message) => message.sender_type === 'customer');
    for (const message of conversation.messages) {
      if (message.sender_type === 'customer') message.status = 'read';
    }
    standIn.tell(conversation, 'read', { message_id: last.id, read_at: new Date().toISOString() });
  }

  async unread() {
    return this.conversation.unread;
  }

  async resolve() {
    this.standIn.setStatus(this.conversation, 'resolved');
  }

  async close() {
    this.standIn.setStatus(this.conversation, 'closed');
  }

  async setOnline(online) {
    this.embed.online = online;
    this.standIn.io
      .to(`embed_${this.embed.id}`)
      .emit('agent_status_changed', { status: online ? 'online' : 'offline' });
  }

  async ratings() {
    return this.embed.csat;
  }

  async visitorCount() {
    return this.embed.visitors.size;
  }

  async userHash(userId) {
    return createHmac('sha256', this.embed.secret).update(userId).digest('hex');
  }

  // Only of the stand-in: a message as it was said at another time.
  history(entries) {
    const conversation = this.conversation;
    for (const { at, ...message } of entries) {
      conversation.messages.push({
        id: randomUUID(),
        conversation_id: conversation.id,
        status: 'read',
        attachments: [],
        created_at: new Date(at).toISOString(),
        ...message,
      });
    }
    conversation.messages.sort((a, b) => Date.parse(a.created_at) - Date.parse(b.created_at));
  }
}

async function readBody(request) {
  const parts = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > kMaxBody) throw new HttpError(413, 'The files have more than 25 MiB');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

export { HttpError };
