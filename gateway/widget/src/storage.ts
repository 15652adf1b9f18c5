// What outlives a page: the visitor's token and unsent messages for all tabs, and how this tab
// looked. Where a browser allows no storage, it lives as long as the page.
import type { Attachment } from './wire';

export interface Unsent {
  client_id: string;
  content: string;
  attachments: Attachment[];
  created_at: string;
  reason?: string;
}

export interface Kept {
  token?: string;
  visitor_id?: string;
  // Whom the site has named this visitor, so that the next person gets a thread of their own.
  user_id?: string;
  unsent?: Unsent[];
  // The last message that was seen, for the badges of other tabs.
  seen?: string;
  csat_closed?: string;
}

export interface TabState {
  open?: boolean;
  screen?: 'home' | 'chat';
  draft?: string;
}

class Place<T extends object> {
  private memory: T = {} as T;

  constructor(
    private readonly key: string,
    private readonly area: () => Storage,
  ) {}

  read(): T {
    try {
      const text = this.area().getItem(this.key);
      const value: unknown = text ? JSON.parse(text) : {};
      return value && typeof value === 'object' ? (value as T) : ({} as T);
    } catch {
      return this.memory;
    }
  }

  change(values: Partial<T>): void {
    const next = { ...this.read(), ...values };
    this.memory = next;
    try {
      this.area().setItem(this.key, JSON.stringify(next));
    } catch {
      // Private windows and full storages: the page's memory has to do.
    }
  }

  clear(): void {
    this.memory = {} as T;
    try {
      this.area().removeItem(this.key);
    } catch {
      // As above.
    }
  }
}

export class Storages {
  readonly key: string;
  readonly kept: Place<Kept>;
  readonly tab: Place<TabState>;

  constructor(id: string) {
    this.key = 'backchannel:' + id;
    this.kept = new Place<Kept>(this.key, () => localStorage);
    this.tab = new Place<TabState>(this.key, () => sessionStorage);
  }

  clear(): void {
    this.kept.clear();
    this.tab.clear();
  }
}
