// Which gateway the browser's tests speak to: the stand-in, with WIDGET_GATEWAY a real one at that
// address (http://localhost:8080; WIDGET_OPERATOR_TOKEN is its operator's), or with BUILD_FOLDER the
// program built there, started for the tests. Real ones are spoken to by their public API alone.
//
// A gateway makes widgets and webchats for the pages at localhost, each of a business of its own,
// with the agent who answers: messages, say, sendFile, typing, visitorTypes, read, unread, resolve,
// close, setOnline, ratings, userHash, and with the stand-in visitorCount and history. What a gateway
// cannot be made to do, `can` says: the cases that need it are left out.
import { createHmac, randomUUID } from 'node:crypto';
import { io } from 'socket.io-client';
import { Gateway as Program } from '../live/gateway.mjs';
import { StandIn } from './stand_in.mjs';

const { BUILD_FOLDER, WIDGET_GATEWAY, WIDGET_OPERATOR_TOKEN } = process.env;

// 'restart': it can be stopped and started. 'refuse': it answers errors to order. 'look inside': its
// visitors and tokens can be seen and changed, and channels and old messages put there.
export const can = (what) =>
  WIDGET_GATEWAY ? false : BUILD_FOLDER ? what === 'restart' : true;

export async function startGateway() {
  if (WIDGET_GATEWAY) return new RealGateway(WIDGET_GATEWAY);
  if (BUILD_FOLDER) return new OwnGateway(await Program.start(BUILD_FOLDER));
  const standIn = new StandIn(process.env.WIDGET_FOLDER);
  await standIn.start();
  return standIn;
}

class RealGateway {
  constructor(base, operator = WIDGET_OPERATOR_TOKEN) {
    this.base = base.replace(/\/$/, '');
    this.operator = operator;
    this.sockets = [];
  }

  async remove() {
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
    const account = { email, password: randomUUID(), full_name: 'Maya' };
    const { access_token } = await this.ask('POST', '/api/v1/auth/register', '', account);
    const { business } = await this.ask('POST', '/api/v1/auth/business/create', access_token, {
      name: 'Acme',
    });
    const { user } = await this.ask('GET', '/api/v1/auth/me', access_token);
    return { token: access_token, user: user.id, business: business.id };
  }

  async makeWidget({ channels, ...settings } = {}) {
    const owner = await this.makeOwner();
    const widget = await this.ask('POST', '/api/v1/widget/create', owner.token, {
      name: 'Acme Support',
      domain: 'localhost',
      ...settings,
    });
    return { id: widget.id, kind: 'widget', agent: await this.agent(owner, widget.id) };
  }

  async makeWebchat(settings = {}) {
    const owner = await this.makeOwner();
    const plan = `/api/v1/admin/businesses/${owner.business}/plan`;
    await this.ask('PUT', plan, this.operator, { plan: 'pro' });
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
    return { id: data._id, kind: 'webchat', agent: await this.agent(owner, data._id) };
  }

  async agent(owner, embed) {
    const agent = new RealAgent(this, owner, embed);
    await agent.connect();
    return agent;
  }
}

class OwnGateway extends RealGateway {
  constructor(program) {
    super(program.base, program.environment.BACKCHANNEL_OPERATOR_TOKEN);
    this.program = program;
  }

  stop() {
    return this.program.end();
  }

  start() {
    return this.program.launch();
  }

  async remove() {
    await super.remove();
    await this.program.stop();
  }
}

class RealAgent {
  constructor(gateway, owner, embed) {
    Object.assign(this, { gateway, owner, embed, typingSeen: false });
  }

  async connect() {
    this.socket = io(this.gateway.base, {
      transports: ['websocket'],
      auth: { token: this.owner.token, business_id: this.owner.business },
    });
    this.gateway.sockets.push(this.socket);
    this.socket.on('typing', ({ user_id, is_typing }) => {
      if (user_id !== this.owner.user) this.typingSeen = is_typing;
    });
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

  // Agents' messages that the visitor has not read.
  async unread() {
    const answers = (await this.messages()).filter((one) => one.sender_type !== 'customer');
    return answers.filter(({ status }) => status !== 'read').length;
  }

  async setOnline(isOnline) {
    const status = isOnline ? 'live' : 'away';
    const answer = await this.socket.timeout(10_000).emitWithAck('agent_status', { status });
    if (!answer.ok) throw new Error(answer.error.message);
  }

  async ratings() {
    const { csat } = await this.ask('GET', await this.id());
    return csat ? [{ score: csat.score, comment: csat.comment }] : [];
  }

  async userHash(userId) {
    const route = `/api/v1/widget/${this.embed}/identity-secret`;
    this.secret ??= (await this.gateway.ask('POST', route, this.owner.token)).identity_secret;
    return createHmac('sha256', this.secret).update(userId).digest('hex');
  }
}
