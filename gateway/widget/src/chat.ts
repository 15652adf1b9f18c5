// One visitor's conversation: the session, the live connection, what is unsent, what is unread.
//
// Knows no document; a view hears `changed` and reads. Nothing is asked of the gateway before the
// visitor has written once, or opens the chat: a page view alone makes no session.
import type { Emitter } from './events';
import { Refused, type Rest } from './rest';
import type { Settings } from './settings';
import { Socket } from './socket';
import type { Storages, Unsent } from './storage';
import { type Item, Thread } from './thread';
import type { Attachment, Conversation, Identity, Session, VisitorMessage } from './wire';

const kTypingEveryMs = 3000;
const kTypingStopsMs = 4000;
const kTypingShownMs = 7000;
const kFirstRetryMs = 1000;
const kLongestRetryMs = 30000;

export type Live = Pick<Socket, 'connect' | 'renew' | 'disconnect' | 'emit' | 'connected'>;

export class Chat {
  readonly thread = new Thread();
  conversation: Conversation | null = null;
  online: boolean;
  unread = 0;
  // Id of the first message that was new when the visitor last looked.
  freshFrom = '';
  typing = false;
  typingName = '';
  // Set once something could not be reached; the view says so.
  disconnected = false;
  loaded = false;
  loading = false;
  hasEarlier = false;
  csat: 'none' | 'asked' | 'thanked' = 'none';
  changed: () => void = () => {};
  // Whether the visitor sees the messages right now.
  isLooking: () => boolean = () => false;

  private session: Session | null = null;
  private starting: Promise<Session> | null = null;
  private identity: Identity = {};
  private live: Live;
  private flushing = false;
  private flushTimer: ReturnType<typeof setTimeout> | undefined;
  private retries = 0;
  private typingTimer: ReturnType<typeof setTimeout> | undefined;
  private stopTimer: ReturnType<typeof setTimeout> | undefined;
  private offlineTimer: ReturnType<typeof setTimeout> | undefined;
  private liveTimer: ReturnType<typeof setTimeout> | undefined;
  private lastTyping = 0;
  private readTimer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;
  private resumed = false;
  // Whoever asked for a session before the visitor changed must not set it after.
  private generation = 0;
  private readonly onStorage: (event: StorageEvent) => void;
  private readonly onOnline = () => {
    if (this.session) this.live.renew();
    else this.setDisconnected(false);
    this.retries = 0;
    void this.flush();
  };
  private readonly onOffline = () => this.setDisconnected(true);

  constructor(
    private readonly settings: Settings,
    private readonly id: string,
    base: string,
    private readonly rest: Rest,
    private readonly storages: Storages,
    private readonly emitter: Emitter,
    online: boolean,
  ) {
    this.online = online;
    this.live = new Socket(base, {
      auth: () => ({
        business_id: settings.businessId,
        widget_id: this.id,
        visitor_token: this.session?.token,
      }),
      connected: (recovered) => {
        this.setDisconnected(false);
        if (this.conversation) {
          this.live.emit('join_conversation', { conversation_id: this.conversation.id });
        }
        if (!recovered && this.loaded) this.load().catch((error: unknown) => this.report(error));
        void this.flush();
      },
      disconnected: () => this.setDisconnected(true),
      event: (name, payload) => this.hear(name, payload),
      refused: () => this.renewLater(),
    });
    this.onStorage = (event) => {
      if (event.key === storages.key) this.followOtherTabs();
    };
    addEventListener('storage', this.onStorage);
    addEventListener('online', this.onOnline);
    addEventListener('offline', this.onOffline);
  }

  // A visitor who has been here before: show what came meanwhile.
  async resume(): Promise<void> {
    this.resumed = true;
    const kept = this.storages.kept.read();
    for (const unsent of kept.unsent ?? []) this.thread.putLocal(asItem(unsent));
    if (kept.token || this.identity.user_id) await this.begin();
  }

  // The visitor is about to write: a session, and the live connection.
  async begin(): Promise<void> {
    if (this.stopped) return;
    try {
      await this.ready();
      this.live.connect();
      if (!this.loaded) await this.load();
      void this.flush();
    } catch (error) {
      this.report(error);
      this.setDisconnected(true);
      this.liveTimer = setTimeout(() => void this.begin(), this.nextWait(error));
    }
  }

  async identify(identity: Identity): Promise<void> {
    this.identity = identity;
    const kept = this.storages.kept.read();
    // Another person at the same browser has a thread of their own.
    if (kept.user_id && identity.user_id && kept.user_id !== identity.user_id) this.forget();
    if (!this.resumed) return;
    this.generation++;
    this.flushing = this.loading = false;
    this.session = null;
    this.starting = null;
    this.loaded = false;
    this.live.disconnect();
    await this.resume();
  }

  stop(): void {
    this.stopped = true;
    for (const timer of [
      this.flushTimer,
      this.typingTimer,
      this.stopTimer,
      this.offlineTimer,
      this.liveTimer,
      this.readTimer,
    ]) {
      clearTimeout(timer);
    }
    removeEventListener('storage', this.onStorage);
    removeEventListener('online', this.onOnline);
    removeEventListener('offline', this.onOffline);
    this.live.disconnect();
    this.changed = () => {};
  }

  send(content: string, attachments: Attachment[]): void {
    const unsent: Unsent = {
      client_id: newId(),
      content,
      attachments,
      created_at: new Date().toISOString(),
    };
    this.storages.kept.change({ unsent: [...this.unsent(), unsent] });
    this.thread.putLocal(asItem(unsent));
    this.sayTyping(false);
    this.freshFrom = '';
    // Writing opens a resolved conversation again.
    this.csat = 'none';
    this.changed();
    void this.flush();
  }

  resend(item: Item): void {
    const clientId = item.client_id!;
    const all = this.unsent();
    const one = all.find((unsent) => unsent.client_id === clientId);
    if (!one) return;
    delete one.reason;
    this.storages.kept.change({ unsent: all });
    item.local = 'sending';
    delete item.reason;
    this.changed();
    void this.flush();
  }

  discard(item: Item): void {
    this.forgetUnsent(item.client_id!);
    this.thread.remove(item);
    this.changed();
  }

  upload(file: File, progress: (share: number) => void, signal: AbortSignal): Promise<Attachment> {
    return this.withToken((token) => this.rest.upload(token, file, progress, signal));
  }

  async loadEarlier(): Promise<void> {
    const oldest = this.thread.oldest();
    if (!oldest || this.loading) return;
    this.loading = true;
    this.changed();
    try {
      const page = await this.withToken((token) => this.rest.conversation(token, oldest.id));
      for (const message of page.messages) this.thread.put(message);
      this.hasEarlier = page.messages.length >= 50;
    } catch (error) {
      this.report(error);
    }
    this.loading = false;
    this.changed();
  }

  // A page that was asleep does not wait for the next attempt.
  wake(): void {
    if (this.session && !this.live.connected) this.live.connect();
  }

  // The visitor looks at the messages.
  look(): void {
    if (!this.isLooking()) return;
    const had = this.unread;
    this.setUnread(0);
    const newest = this.thread.newest();
    if (newest && !newest.local) this.storages.kept.change({ seen: newest.id });
    if (!had || !this.session) return;
    clearTimeout(this.readTimer);
    this.readTimer = setTimeout(() => {
      this.withToken((token) => this.rest.read(token)).catch(() => {
        // Told again with the next message that is read.
      });
    }, 300);
  }

  draftChanged(text: string): void {
    this.storages.tab.change({ draft: text });
    if (!text) return this.sayTyping(false);
    this.sayTyping(true);
    clearTimeout(this.stopTimer);
    this.stopTimer = setTimeout(() => this.sayTyping(false), kTypingStopsMs);
  }

  async rate(score: number, comment: string): Promise<void> {
    try {
      await this.withToken((token) => this.rest.csat(token, score, comment));
    } catch (error) {
      // 409: the conversation has been opened again, so there is nothing to rate any more.
      if (!(error instanceof Refused) || error.status !== 409) throw error;
      this.csat = 'none';
      this.changed();
      return;
    }
    if (this.conversation) this.conversation.csat = { score };
    this.csat = 'thanked';
    this.changed();
  }

  closeCsat(): void {
    if (this.conversation) this.storages.kept.change({ csat_closed: this.conversation.id });
    this.csat = 'none';
    this.changed();
  }

  get isClosed(): boolean {
    return this.conversation?.status === 'closed';
  }

  // --- the session -------------------------------------------------------------------------------

  private ready(): Promise<Session> {
    if (this.session) return Promise.resolve(this.session);
    if (!this.starting) {
      const mine = this.start().finally(() => {
        if (this.starting === mine) this.starting = null;
      });
      this.starting = mine;
    }
    return this.starting;
  }

  private async start(): Promise<Session> {
    const { token } = this.storages.kept.read();
    const { generation } = this;
    const bodies: (Identity & { token?: string })[] = [{ ...this.identity, token }];
    // An identity that does not hold, or a token that is too old, must not keep anybody from
    // writing.
    if (Object.keys(this.identity).length) bodies.push({ token });
    if (token) bodies.push({});
    for (const [i, body] of bodies.entries()) {
      try {
        const session = await this.rest.session(body);
        if (generation !== this.generation) return this.ready();
        this.adopt(session, i === 0 ? this.identity.user_id : undefined);
        return session;
      } catch (error) {
        const last = i === bodies.length - 1;
        if (last || !(error instanceof Refused) || error.passes) throw error;
        this.report(error);
      }
    }
    throw new Refused(0, '');
  }

  private adopt(session: Session, userId?: string): void {
    const kept = this.storages.kept.read();
    if (kept.visitor_id && kept.visitor_id !== session.visitor_id) this.thread.items = [];
    this.session = session;
    this.storages.kept.change({
      token: session.token,
      visitor_id: session.visitor_id,
      ...(userId && { user_id: userId }),
    });
  }

  // What comes back for a visitor who is not here any more is never heard of again.
  private async withToken<T>(work: (token: string) => Promise<T>): Promise<T> {
    const { generation } = this;
    try {
      return await this.unlessGone(generation, work((await this.ready()).token));
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      this.session = null;
      return this.unlessGone(generation, work((await this.ready()).token));
    }
  }

  private unlessGone<T>(generation: number, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      work.then(
        (value) => generation === this.generation && resolve(value),
        (error: unknown) => generation === this.generation && reject(error),
      );
    });
  }

  private forget(): void {
    this.storages.clear();
    this.thread.items = [];
    this.conversation = null;
    this.setUnread(0);
    this.changed();
  }

  private renewLater(): void {
    this.setDisconnected(true);
    this.session = null;
    clearTimeout(this.liveTimer);
    this.liveTimer = setTimeout(() => void this.begin(), this.nextWait());
  }

  private async load(): Promise<void> {
    const page = await this.withToken((token) => this.rest.conversation(token));
    const first = !this.loaded;
    this.loaded = true;
    this.conversation = page.conversation;
    for (const message of page.messages) this.thread.put(message);
    if (first) this.hasEarlier = page.messages.length >= 50;
    const unread = page.conversation?.unread ?? 0;
    if (unread > 0 && !this.freshFrom) {
      const theirs = page.messages.filter((message) => message.sender_type !== 'customer');
      this.freshFrom = theirs[Math.max(0, theirs.length - unread)]?.id ?? '';
    }
    this.setUnread(unread);
    this.updateCsat();
    this.look();
    this.changed();
  }

  // --- what is unsent ----------------------------------------------------------------------------

  private unsent(): Unsent[] {
    return this.storages.kept.read().unsent ?? [];
  }

  private forgetUnsent(clientId: string): void {
    this.storages.kept.change({
      unsent: this.unsent().filter((unsent) => unsent.client_id !== clientId),
    });
  }

  // One at a time and in order; the gateway knows a repeated one by its client_id.
  private async flush(): Promise<void> {
    if (this.flushing || this.stopped) return;
    clearTimeout(this.flushTimer);
    this.flushing = true;
    for (;;) {
      const next = this.unsent().find((unsent) => unsent.reason === undefined);
      if (!next || this.stopped) break;
      const { client_id, content, attachments } = next;
      try {
        const message = await this.withToken((token) =>
          this.rest.send(token, { client_id, content, attachments: attachments.map(named) }),
        );
        this.retries = 0;
        this.forgetUnsent(client_id);
        this.sent({ ...message, client_id });
      } catch (error) {
        const refused = error instanceof Refused ? error : new Refused(0, String(error));
        if (refused.passes) {
          this.setDisconnected(true);
          this.flushTimer = setTimeout(() => void this.flush(), this.nextWait(refused));
          break;
        }
        this.fail(client_id, refused.message);
      }
    }
    this.flushing = false;
  }

  private sent(message: VisitorMessage): void {
    this.thread.put(message);
    this.adoptConversation(message.conversation_id);
    this.loaded = true;
    this.live.connect();
    if (this.live.connected) this.setDisconnected(false);
    this.changed();
  }

  private fail(clientId: string, reason: string): void {
    const all = this.unsent();
    const one = all.find((unsent) => unsent.client_id === clientId);
    if (one) one.reason = reason;
    this.storages.kept.change({ unsent: all });
    const item = this.thread.find({ client_id: clientId });
    if (item) Object.assign(item, { local: 'failed', reason });
    this.changed();
  }

  private nextWait(error?: unknown): number {
    const asked = error instanceof Refused ? error.retryAfterMs : 0;
    const grown = Math.min(kLongestRetryMs, kFirstRetryMs * 2 ** Math.min(this.retries++, 10));
    return Math.max(asked, grown / 2 + (Math.random() * grown) / 2);
  }

  // --- the live connection -----------------------------------------------------------------------

  private hear(name: string, payload: unknown): void {
    const it = (payload ?? {}) as Record<string, unknown>;
    switch (name) {
      case 'new_message':
        this.receive(it as unknown as VisitorMessage);
        break;
      case 'message_updated':
        if (this.thread.find(it as { id?: string }))
          this.thread.put(it as unknown as VisitorMessage);
        break;
      case 'delivered':
      case 'read':
        this.thread.advance(String(it.message_id), name);
        break;
      case 'typing':
        if (it.user_id === this.session?.visitor_id) return;
        this.showTyping(it.is_typing === true, String(it.name ?? ''));
        break;
      case 'agent_status_changed':
        this.online = it.status === 'online';
        this.emitter.emit('status', this.online ? 'online' : 'offline');
        break;
      case 'conversation_updated':
        // May come before the answer to the message that began the conversation.
        this.adoptConversation(it.conversation_id);
        if (this.conversation) this.conversation.status = String(it.status ?? '');
        this.updateCsat();
        break;
      case 'visitor_session':
        if (typeof it.token === 'string' && this.session) {
          this.session = { ...this.session, ...(it as unknown as Partial<Session>) };
          this.storages.kept.change({ token: this.session.token });
        }
        return;
      default:
        return;
    }
    this.changed();
  }

  private receive(message: VisitorMessage): void {
    if (typeof message.id !== 'string' || typeof message.created_at !== 'string') return;
    if (message.client_id) this.forgetUnsent(message.client_id);
    const isNew = this.thread.put(message);
    this.adoptConversation(message.conversation_id);
    if (message.sender_type === 'customer' || !isNew) return;
    this.showTyping(false);
    if (!this.isLooking() && !this.unread) this.freshFrom = message.id;
    this.setUnread(this.unread + 1);
    this.emitter.emit('message', {
      id: message.id,
      content: message.content ?? '',
      sender_type: message.sender_type,
      created_at: message.created_at,
    });
    this.look();
  }

  private adoptConversation(id: unknown): void {
    if (typeof id !== 'string' || id === this.conversation?.id) return;
    this.conversation = { id, status: 'open' };
    this.csat = 'none';
    this.live.emit('join_conversation', { conversation_id: id });
  }

  private showTyping(typing: boolean, name = ''): void {
    clearTimeout(this.typingTimer);
    this.typing = typing;
    this.typingName = name;
    if (!typing) return;
    // "Stopped" may be lost with the connection.
    this.typingTimer = setTimeout(() => {
      this.typing = false;
      this.changed();
    }, kTypingShownMs);
  }

  private sayTyping(typing: boolean): void {
    const now = Date.now();
    if (typing ? now - this.lastTyping < kTypingEveryMs : !this.lastTyping) return;
    this.lastTyping = typing ? now : 0;
    if (!typing) clearTimeout(this.stopTimer);
    this.live.emit('typing', { conversation_id: this.conversation?.id, is_typing: typing });
  }

  private setDisconnected(disconnected: boolean): void {
    clearTimeout(this.offlineTimer);
    // An answer may still come in after the browser has seen its network go.
    if (!disconnected && navigator.onLine !== false) {
      this.disconnected = false;
      this.changed();
    } else if (!this.disconnected && !this.stopped) {
      // A short gap, as by a restart or a change of network, is nobody's concern.
      this.offlineTimer = setTimeout(() => {
        this.disconnected = true;
        this.changed();
      }, 1500);
    }
  }

  // --- the rest ----------------------------------------------------------------------------------

  private updateCsat(): void {
    const ended = /^(?:resolved|closed)$/.test(this.conversation?.status ?? '');
    if (!ended) this.csat = 'none';
    else if (
      this.csat === 'none' &&
      this.settings.asksCsat &&
      !this.conversation?.csat &&
      this.storages.kept.read().csat_closed !== this.conversation?.id
    ) {
      this.csat = 'asked';
    }
  }

  private setUnread(count: number): void {
    if (count === this.unread) return;
    this.unread = count;
    this.emitter.emit('unread', count);
  }

  private followOtherTabs(): void {
    const kept = this.storages.kept.read();
    const newest = this.thread.newest();
    if (newest && kept.seen === newest.id) this.setUnread(0);
    // What another tab has to send is shown here too, until it is sent or discarded there.
    const unsent = kept.unsent ?? [];
    for (const one of unsent) this.thread.putLocal(asItem(one));
    for (const item of this.thread.items.filter((one) => one.local)) {
      if (!unsent.some((one) => one.client_id === item.client_id)) this.thread.remove(item);
    }
    this.changed();
  }

  private report(error: unknown): void {
    if (error instanceof Refused && error.message && error.status) {
      this.emitter.emit('error', error.message);
    }
  }
}

function asItem(unsent: Unsent): Item {
  const { reason, ...message } = unsent;
  return {
    ...message,
    id: '',
    sender_type: 'customer',
    local: reason === undefined ? 'sending' : 'failed',
    ...(reason !== undefined && { reason }),
  };
}

// An upload is named by its id; its signed address is for showing it.
function named(attachment: Attachment): Attachment {
  return attachment.id ? { id: attachment.id } : attachment;
}

function newId(): string {
  // crypto.randomUUID is only there on secure pages.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
