// Which gateway the browser's tests speak to: the stand-in, or with WIDGET_GATEWAY a real one at
// that address (http://localhost:8080), by its public API alone.
//
// A gateway makes widgets and webchats for the pages at localhost, each of a business of its own,
// with the agent who answers: messages, say, sendFile, typing, visitorTypes, read, unread, resolve,
// close, setOnline, ratings, visitorCount, userHash. What a real gateway cannot be made to do has
// no method there, and `can` says so.
import { randomUUID } from 'node:crypto';
import { io } from 'socket.io-client';
import { StandIn } from './stand_in.mjs';

export async function startGateway() {
  if (process.env.WIDGET_GATEWAY) return new RealGateway(process.env.WIDGET_GATEWAY);
  const standIn = new StandIn(process.env.WIDGET_FOLDER);
  await standIn.start();
  standIn.can = () => true;
  return standIn;
}

class RealGateway {
  constructor(base) {
    this.base = base.replace(/\/$/, '');
    this.sockets = [];
  }

  // Of all a stand-in can do: nothing that breaks the gateway or looks into it.
  can(what) {
    return what === 'talk';
  }

  async stop() {
    for (const socket of this.sockets) socket.close();
  }

  async ask(method, path, token, body) {
    const isForm = body instanceof FormData;
    const answer = await fetch(this.base + path, {
      method,
      headers: {
        ...(token && { Authorization: `Bearer ${token}` }),
        ...(body && !isForm && { 'Content-Type': 'application/json' }),
      },
      ...(body && { body: isForm ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }

  async makeOwner() {
    const email = `${randomUUID()}@widget.test`;
    const account = { email, password: randomUUID(), name: 'Maya' };
    const { access_token } = await this.ask('POST', '/api/v1/auth/register', '', account);
    const business = await this.ask('POST', '/api/v1/auth/business/create', access_token, {
      name: 'Acme',
    });
    return { token: access_token, business: business.id };
  }

  async makeWidget({ online, channels, ...settings } = {}) {
    const owner = await this.makeOwner();
    const widget = await this.ask('POST', '/api/v1/widget/create', owner.token, {
      name: 'Acme Support',
      domain: 'localhost',
      ...settings,
    });
    return { id: widget.id, kind: 'widget', agent: await this.agent(owner) };
  }

  async makeWebchat({ online, channels, ...settings } = {}) {
    const owner = await this.makeOwner();
    const { data } = await this.ask('POST', '/api/webchats', owner.token, {
      name: 'Acme Webchat',
      starterMessage: 'Hello! How can we help?',
      backgroundColor: '#FFFFFF',
      primaryColor: '#1D4ED8',
      secondaryColor: '#1D4ED8',
      promptId: '507f1f77bcf86cd799439011',
      allowedDomains: [],
      initialStage: 'new',
      ...settings,
    });
    return { id: data._id, kind: 'webchat', agent: await this.agent(owner) };
  }

  async agent(owner) {
    const agent = new RealAgent(this, owner);
    await agent.connect();
    return agent;
  }
}

class RealAgent {
  constructor(gateway, owner) {
    Object.assign(this, { gateway, owner, typingSeen: false });
  }

  async connect() {
    this.socket = io(this.gateway.base, {
      transports: ['websocket'],
      auth: { token: this.owner.token, business_id: this.owner.business },
    });
    this.gateway.sockets.push(this.socket);
    this.socket.on('typing', ({ is_typing }) => (this.typingSeen = is_typing));
    await new Promise((resolve, reject) => {
      this.socket.on('connect', resolve);
      this.socket.on('connect_error', reject);
    });
  }

  ask(method, path, body) {
    return this.gateway.ask(method, '/api/v1/conversations/' + path, this.owner.token, body);
  }

  async id() {
    return (await this.ask('GET', ''))[0]?.id;
  }

  async messages() {
    const id = await this.id();
    return id ? (await this.ask('GET', id)).messages : [];
  }

  async say(content, extra = {}) {
    return this.ask('POST', `${await this.id()}/messages`, { content, ...extra });
  }

  async sendFile(name, bytes, type) {
    const form = new FormData();
    form.append('file', new Blob([bytes], { type }), name);
    const { attachments } = await this.ask('POST', `${await this.id()}/upload`, form);
    return this.say('', { attachments });
  }

  async typing(is_typing = true) {
    await this.ask('POST', `${await this.id()}/typing`, { is_typing });
  }

  async visitorTypes() {
    return this.typingSeen;
  }

  async read() {
    await this.ask('POST', `${await this.id()}/read`, {});
  }

  async resolve() {
    await this.ask('PUT', `${await this.id()}/resolve`, {});
  }

  async close() {
    await this.ask('PUT', `${await this.id()}/close`, {});
  }
}
