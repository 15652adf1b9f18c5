// Starts the widget where the page has embedded it, and gives the page window.Backchannel.
//
// Nothing is shown, stored or connected before the gateway has said that this page's origin may
// have this widget.
import { Chat } from './chat';
import { type Embedding, findEmbedding } from './embedding';
import { Emitter, type PublicEvents } from './events';
import { Refused, Rest } from './rest';
import { readSettings } from './settings';
import { Storages } from './storage';
import { View } from './view';
import type { Embed, Identity } from './wire';

type Command = [string, ...unknown[]];

interface PublicApi {
  open(): void;
  close(): void;
  toggle(): void;
  identify(identity: Identity): void;
  on<K extends keyof PublicEvents>(name: K, listener: (value: PublicEvents[K]) => void): () => void;
  // Forgets the visitor at this browser and takes the widget off the page; boot() starts anew.
  shutdown(): void;
  boot(): void;
  // What a page calls before the script has come: Backchannel.push(['identify', {...}]).
  push(command: Command): void;
}

declare global {
  interface Window {
    Backchannel?: PublicApi | Command[];
  }
}

const kFirstRetryMs = 2000;
const kLongestRetryMs = 60000;

class Widget {
  private readonly emitter = new Emitter();
  private readonly rest: Rest;
  private readonly storages: Storages;
  private view: View | null = null;
  private chat: Chat | null = null;
  private identity: Identity | null = null;
  private wantsOpen = false;
  // Tells a start that it has been overtaken by a shutdown.
  private run = 0;

  constructor(private readonly embedding: Embedding) {
    this.rest = new Rest(embedding.base, embedding.id);
    this.storages = new Storages(embedding.id);
  }

  readonly api: PublicApi = {
    open: () => {
      this.wantsOpen = true;
      this.view?.open();
    },
    close: () => {
      this.wantsOpen = false;
      this.view?.close();
    },
    toggle: () => {
      if (this.view) this.view.toggle();
      else this.wantsOpen = !this.wantsOpen;
    },
    identify: (identity) => {
      this.identity = readIdentity(identity);
      void this.chat?.identify(this.identity);
    },
    on: (name, listener) => this.emitter.on(name, listener),
    shutdown: () => {
      this.run++;
      this.identity = null;
      this.wantsOpen = false;
      this.chat?.stop();
      this.view?.destroy();
      this.chat = this.view = null;
      this.storages.clear();
    },
    boot: () => {
      if (!this.view) void this.start();
    },
    push: ([name, ...values]) => {
      const method = (this.api as unknown as Record<string, unknown>)[name];
      if (typeof method === 'function' && name !== 'push') method(...values);
    },
  };

  async start(): Promise<void> {
    const run = ++this.run;
    const embed = await this.load(run);
    if (!embed || run !== this.run) return;
    await bodyIsThere();
    if (run !== this.run) return;
    const { base, id, nonce } = this.embedding;
    const settings = readSettings(embed, base, [navigator.language]);
    const chat = new Chat(
      settings,
      id,
      base,
      this.rest,
      this.storages,
      this.emitter,
      embed.online === true,
    );
    this.chat = chat;
    if (this.identity) void chat.identify(this.identity);
    this.view = new View(settings, chat, this.storages, this.emitter, base, nonce);
    void chat.resume();
    if (this.wantsOpen) this.view.open();
    this.emitter.emit('ready', undefined);
  }

  // Null where the gateway has said no, once and for all.
  private async load(run: number): Promise<Embed | null> {
    for (let wait = kFirstRetryMs; run === this.run; wait = Math.min(2 * wait, kLongestRetryMs)) {
      try {
        return await this.rest.embed();
      } catch (error) {
        if (error instanceof Refused && !error.passes) {
          warn(error.message || `the gateway answered ${error.status}`);
          this.emitter.emit('error', error.message);
          return null;
        }
        const asked = error instanceof Refused ? error.retryAfterMs : 0;
        await new Promise((resolve) => setTimeout(resolve, Math.max(wait, asked)));
      }
    }
    return null;
  }
}

function readIdentity(value: unknown): Identity {
  const given = (value ?? {}) as Record<string, unknown>;
  const identity: Identity = {};
  for (const name of ['user_id', 'user_hash', 'name', 'email'] as const) {
    const one = given[name];
    if (typeof one === 'string' && one) identity[name] = one;
    else if (typeof one === 'number') identity[name] = String(one);
  }
  return identity;
}

function bodyIsThere(): Promise<unknown> | undefined {
  if (document.body) return undefined;
  return new Promise((resolve) => document.addEventListener('DOMContentLoaded', resolve));
}

function warn(text: string): void {
  console.warn('Backchannel widget: ' + text);
}

function boot(): void {
  const queued = window.Backchannel;
  if (queued && !Array.isArray(queued)) return; // the script is on the page twice
  const found = findEmbedding(window, document.currentScript as HTMLScriptElement | null);
  if (typeof found === 'string') return warn(found);
  const widget = new Widget(found);
  window.Backchannel = widget.api;
  for (const command of queued ?? []) widget.api.push(command);
  void widget.start();
}

boot();
