// The messages as a list that is read out as it grows.
//
// A row is made once and then only touched where it changes: a screen reader announces what is
// added, so nothing may be added twice.
import type { Chat } from './chat';
import { h, icon, set, setText } from './dom';
import { clock, day, sameDay, size } from './format';
import { linkify, safeUrl } from './links';
import type { Settings } from './settings';
import type { Item } from './thread';
import type { Attachment } from './wire';

interface Row {
  element: HTMLElement;
  sender: HTMLElement;
  body: HTMLElement;
  meta: HTMLElement;
  bodyState: string;
  metaState: string;
}

// Messages of one sender within this time stand together.
const kGroupMs = 5 * 60_000;

export class Log {
  readonly element: HTMLElement;
  private readonly rows = new Map<string, Row>();
  private readonly days = new Map<string, HTMLElement>();
  private readonly fresh: HTMLElement;
  private filled = false;

  constructor(
    private readonly settings: Settings,
    private readonly chat: Chat,
    private readonly base: string,
  ) {
    const { words } = settings.locale;
    this.fresh = h('div', { class: 'fresh', role: 'separator' }, words.fresh);
    this.element = h('div', {
      class: 'log',
      role: 'log',
      'aria-live': 'polite',
      'aria-relevant': 'additions',
      'aria-label': words.messages,
    });
  }

  update(): void {
    const { items } = this.chat.thread;
    const order: HTMLElement[] = [];
    const seenRows = new Set<string>();
    const seenDays = new Set<string>();
    const now = new Date();
    // What was said before the page was opened is not news.
    set(this.element, 'aria-busy', this.filled ? null : 'true');
    let previous: Item | undefined;
    const ownLast = [...items].reverse().find((item) => item.sender_type === 'customer');
    items.forEach((item, i) => {
      const time = new Date(item.created_at);
      const newDay = !previous || !sameDay(new Date(previous.created_at), time);
      if (newDay) {
        const key = time.toDateString();
        seenDays.add(key);
        order.push(this.dayRow(key, day(this.settings.locale, time, now)));
      }
      const isFresh = this.beginsNews(item) && i > 0;
      if (isFresh) order.push(this.fresh);
      const next = items[i + 1];
      const key = item.client_id ? 'c' + item.client_id : item.id;
      seenRows.add(key);
      const row = this.row(key);
      this.paint(row, item, {
        first: newDay || isFresh || !previous || !together(previous, item),
        last: !next || !together(item, next) || this.beginsNews(next),
        isOwnLast: item === ownLast,
      });
      order.push(row.element);
      previous = item;
    });
    for (const [key, row] of this.rows) {
      if (!seenRows.has(key)) {
        row.element.remove();
        this.rows.delete(key);
      }
    }
    for (const [key, element] of this.days) {
      if (!seenDays.has(key)) {
        element.remove();
        this.days.delete(key);
      }
    }
    if (!order.includes(this.fresh)) this.fresh.remove();
    arrange(this.element, order);
    if (this.chat.loaded || items.length) this.filled = true;
  }

  private beginsNews(item: Item): boolean {
    return !!item.id && item.id === this.chat.freshFrom;
  }

  private row(key: string): Row {
    const known = this.rows.get(key);
    if (known) return known;
    const sender = h('div', { class: 'sender', dir: 'auto' });
    const body = h('div', { class: 'body' });
    const meta = h('div', { class: 'meta' });
    const element = h('div', {}, sender, body, meta);
    const row: Row = { element, sender, body, meta, bodyState: '', metaState: '' };
    if (this.filled) element.dataset.new = '';
    this.rows.set(key, row);
    return row;
  }

  private paint(
    row: Row,
    item: Item,
    place: { first: boolean; last: boolean; isOwnLast: boolean },
  ): void {
    const mine = item.sender_type === 'customer';
    const classes = ['message'];
    if (mine) classes.push('mine');
    if (item.sender_type === 'system') classes.push('system');
    if (place.first) classes.push('first');
    if (item.local) classes.push(item.local);
    if ('new' in row.element.dataset) classes.push('new');
    set(row.element, 'class', classes.join(' '));

    const name = this.nameOf(item);
    setText(row.sender, name);
    // Seen above a group of the others; heard with every message.
    const shown = place.first && !mine && item.sender_type !== 'system';
    set(row.sender, 'class', shown ? 'sender' : 'sr');

    const bodyState = JSON.stringify([item.content, item.attachments, item.deleted_at]);
    if (row.bodyState !== bodyState) {
      row.bodyState = bodyState;
      row.body.replaceChildren(...this.content(item));
    }
    const metaState = JSON.stringify([place, item.status, item.local, item.reason, item.edited_at]);
    if (row.metaState !== metaState) {
      row.metaState = metaState;
      this.paintMeta(row.meta, item, place);
    }
  }

  private paintMeta(
    meta: HTMLElement,
    item: Item,
    place: { last: boolean; isOwnLast: boolean },
  ): void {
    const { words } = this.settings.locale;
    const failed = item.local === 'failed';
    set(meta, 'class', failed ? 'meta failed' : 'meta');
    meta.hidden = item.sender_type === 'system' || !(place.last || failed || item.edited_at);
    if (failed) {
      const reason = item.reason ? `${words.failed}: ${item.reason}` : words.failed;
      meta.replaceChildren(
        h('span', { dir: 'auto' }, reason),
        h('button', { type: 'button', onclick: () => this.chat.resend(item) }, words.retry),
        h('button', { type: 'button', onclick: () => this.chat.discard(item) }, words.discard),
      );
      return;
    }
    const time = new Date(item.created_at);
    const parts: (Node | string)[] = [
      h('time', { datetime: item.created_at }, clock(this.settings.locale, time)),
    ];
    if (item.edited_at) parts.push(' · ' + words.edited);
    if (item.sender_type === 'customer' && place.isOwnLast) parts.push(' · ' + this.stateOf(item));
    meta.replaceChildren(...parts);
  }

  private stateOf(item: Item): string {
    const { words } = this.settings.locale;
    if (item.local) return words.sending;
    return item.status === 'read'
      ? words.read
      : item.status === 'delivered'
        ? words.delivered
        : words.sent;
  }

  private nameOf(item: Item): string {
    const { words } = this.settings.locale;
    switch (item.sender_type) {
      case 'customer':
        return words.you;
      case 'assistant':
        return item.sender_name || words.assistant;
      case 'system':
        return '';
      default:
        return item.sender_name || this.settings.name || words.agent;
    }
  }

  private content(item: Item): Node[] {
    const { words } = this.settings.locale;
    if (item.deleted_at) return [h('div', { class: 'bubble gone' }, words.removed)];
    const nodes: Node[] = [];
    for (const attachment of item.attachments ?? []) nodes.push(this.attachment(attachment));
    if (item.content) nodes.push(bubble(item.content));
    return nodes;
  }

  private attachment(attachment: Attachment): Node {
    const { locale } = this.settings;
    const url = safeUrl(attachment.url, this.base);
    const name = attachment.name || attachment.type || '';
    const paper = (note: string) =>
      h(
        url ? 'a' : 'span',
        {
          class: 'paper',
          ...(url && { href: url, target: '_blank', rel: 'noopener noreferrer' }),
        },
        icon('file'),
        h('span', {}, h('b', { dir: 'auto' }, name), h('small', {}, note)),
      );
    const described = attachment.size ? size(locale, attachment.size) : '';
    if (!url || !/^https?:/.test(url)) {
      return h(
        'div',
        { class: 'media' },
        paper(attachment.state === 'pending' ? locale.words.pending : locale.words.unavailable),
      );
    }
    const box = h('div', { class: 'media' });
    // A browser that cannot show it offers it as a file.
    const orPaper = () => box.replaceChildren(paper(described));
    const kind = attachment.content_type?.split('/')[0] ?? attachment.type;
    if (kind === 'image') {
      const image = h('img', { src: url, alt: name, loading: 'lazy', onerror: orPaper });
      box.append(h('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, image));
    } else if (kind === 'video') {
      box.append(h('video', { src: url, controls: true, preload: 'metadata', onerror: orPaper }));
    } else if (kind === 'audio') {
      box.append(h('audio', { src: url, controls: true, preload: 'metadata', onerror: orPaper }));
    } else {
      orPaper();
    }
    return box;
  }

  private dayRow(key: string, text: string): HTMLElement {
    const known = this.days.get(key) ?? h('div', { class: 'day', role: 'separator' });
    this.days.set(key, known);
    setText(known, text);
    return known;
  }
}

export function bubble(text: string): HTMLElement {
  const element = h('div', { class: 'bubble', dir: 'auto' });
  for (const piece of linkify(text)) {
    element.append(
      piece.href
        ? h(
            'a',
            { href: piece.href, target: '_blank', rel: 'noopener noreferrer nofollow' },
            piece.text,
          )
        : piece.text,
    );
  }
  return element;
}

function together(one: Item, other: Item): boolean {
  return (
    one.sender_type === other.sender_type &&
    one.sender_name === other.sender_name &&
    Math.abs(Date.parse(other.created_at) - Date.parse(one.created_at)) < kGroupMs &&
    sameDay(new Date(one.created_at), new Date(other.created_at))
  );
}

// Moves only what stands in the wrong place.
function arrange(parent: HTMLElement, order: HTMLElement[]): void {
  let at: ChildNode | null = parent.firstChild;
  for (const element of order) {
    if (element === at) at = at.nextSibling;
    else parent.insertBefore(element, at);
  }
}
