// The built gateway as a black box: `backchannel serve` in a folder of its own, with its embedded
// Postgres or on the database of another one.
//
//   const gateway = await Gateway.start(BUILD_FOLDER);
//   const shop = await gateway.makeShop();     // an owner with a business and a widget
//   await gateway.stop();
import { execFileSync, spawn } from 'node:child_process';
import { createHmac, hkdfSync, randomUUID } from 'node:crypto';
import { chmodSync, createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const kStartMs = 120_000;

export const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

// Polls until `holds` answers something true, which it returns.
export async function until(what, holds, patience = 15_000) {
  const deadline = Date.now() + patience;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > deadline) throw new Error('waited in vain: ' + what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const mac = (key, text) => createHmac('sha256', key).update(text).digest('base64url');

export class Gateway {
  // `beside`: another gateway, whose database and keys this one uses.
  static async start(build, { beside, environment = {} } = {}) {
    const gateway = new Gateway();
    gateway.folder = mkdtempSync(path.join(tmpdir(), 'backchannel-live-'));
    // Postgres may run as another user, who has to get in.
    chmodSync(gateway.folder, 0o711);
    gateway.build = build;
    gateway.port = await freePort();
    gateway.base = `http://localhost:${gateway.port}`;
    gateway.environment = {
      ...process.env,
      BACKCHANNEL_HTTP: `127.0.0.1:${gateway.port}`,
      BACKCHANNEL_PUBLIC_URL: gateway.base,
      BACKCHANNEL_DATA_DIR: path.join(gateway.folder, 'data'),
      BACKCHANNEL_CONNECTOR_DIR: path.join(build, 'connectors'),
      BACKCHANNEL_OPERATOR_TOKEN: 'operator-token-of-the-tests-0123456789',
      BACKCHANNEL_KEYS: '',
      BACKCHANNEL_MIGRATE_URL: '',
      BACKCHANNEL_LOG_LEVEL: '',
      DATABASE_URL: '',
      ...(beside && {
        DATABASE_URL: beside.databaseUrl(),
        BACKCHANNEL_KEYS: path.join(beside.folder, 'data', 'master.keys'),
      }),
      ...environment,
    };
    await gateway.launch();
    return gateway;
  }

  async launch() {
    this.output = path.join(this.folder, 'gateway.log');
    const program = path.join(this.build, 'backchannel');
    this.process = spawn(program, ['serve'], { env: this.environment });
    const log = createWriteStream(this.output, { flags: 'a' });
    this.process.stdout.pipe(log, { end: false });
    this.process.stderr.pipe(log, { end: false });
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    let over = false;
    void this.ended.then(() => (over = true));
    await until(
      'the gateway is ready',
      async () => {
        if (over) throw new Error('the gateway has ended:\n' + this.log());
        return fetch(this.base + '/readyz').then(
          ({ ok }) => ok,
          () => false,
        );
      },
      kStartMs,
    );
  }

  log() {
    return readFileSync(this.output, 'utf8');
  }

  databaseUrl() {
    const postgres = path.join(this.folder, 'data', 'postgres');
    const socket = readFileSync(path.join(postgres, 'data', 'postmaster.pid'), 'utf8').split('\n')[4];
    const host = path.resolve(postgres, 'data', socket);
    return `host=${host} port=5432 user=backchannel_gateway dbname=backchannel sslmode=disable`;
  }

  // Statements of the database's owner; answers what they do.
  sql(statements) {
    const { PGHOST, ...environment } = process.env;
    const url = this.databaseUrl().replace('backchannel_gateway', 'postgres');
    const command = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', url];
    const input = `set search_path = backchannel;\n${statements};\n`;
    return execFileSync('psql', command, { env: environment, input, encoding: 'utf8' }).trim();
  }

  // A key for `purpose`, derived from the current master key as gateway/secrets/keyring.h says.
  signingKey(purpose) {
    const file = readFileSync(path.join(this.folder, 'data', 'master.keys'), 'utf8');
    const [id, master] = file.split('\n')[0].split(' ');
    const key = hkdfSync('sha256', Buffer.from(master, 'base64'), '', `backchannel|${purpose}`, 32);
    return { id, key: Buffer.from(key) };
  }

  // The access token with other claims: what the gateway itself would have signed.
  accessToken(token, claims) {
    const [head, payload] = token.split('.');
    const old = JSON.parse(Buffer.from(payload, 'base64url'));
    const text = Buffer.from(JSON.stringify({ ...old, ...claims })).toString('base64url');
    const { key } = this.signingKey('jwt');
    return `${head}.${text}.${mac(key, `${head}.${text}`)}`;
  }

  visitorToken(token, claims) {
    const old = JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
    const text = Buffer.from(JSON.stringify({ ...old, ...claims })).toString('base64url');
    const { key } = this.signingKey('visitor-token');
    return `${text}.${mac(key, text)}`;
  }

  async end(signal = 'SIGTERM') {
    this.process.kill(signal);
    return this.ended;
  }

  async stop() {
    await this.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  // A call of the REST API: {status, body}.
  async call(method, route, { token, body, headers = {} } = {}) {
    const isForm = body instanceof FormData;
    const answer = await fetch(this.base + route, {
      method,
      headers: {
        ...(token && { Authorization: `Bearer ${token}` }),
        ...(body && !isForm && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: isForm ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text ? JSON.parse(text) : undefined };
  }

  // The body of an answer that must be good.
  async ask(method, route, token, body) {
    const answer = await this.call(method, route, { token, body });
    if (answer.status >= 300) {
      throw new Error(`${method} ${route}: ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    return answer.body;
  }

  async makeOwner() {
    const account = { email: `${randomUUID()}@live.test`, password: randomUUID(), full_name: 'Maya' };
    const { access_token } = await this.ask('POST', '/api/v1/auth/register', '', account);
    const business = await this.ask('POST', '/api/v1/auth/business/create', access_token, {
      name: 'Acme',
    });
    return { ...account, token: access_token, business: business.business.id };
  }

  async makeShop(domain = 'shop.test') {
    const owner = await this.makeOwner();
    const { id } = await this.ask('POST', '/api/v1/widget/create', owner.token, {
      name: 'Acme Support',
      domain,
    });
    return { ...owner, widget: id, origin: `https://${domain}` };
  }

  async setPlan(business, plan) {
    const operator = this.environment.BACKCHANNEL_OPERATOR_TOKEN;
    await this.ask('PUT', `/api/v1/admin/businesses/${business}/plan`, operator, { plan });
  }
}
