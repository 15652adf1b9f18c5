// The widget on the page: the launcher, its window, the focus, and what follows the system.
//
// Everything lives in a shadow root, so that neither the page's styles nor its scripts' selectors
// reach in by accident, and ours do not leak out.
import type { Chat } from './chat';
import { h, icon, set, setText } from './dom';
import type { Emitter } from './events';
import { homeScreen, type Screen } from './home';
import { fill } from './locales';
import type { Settings } from './settings';
import type { Storages } from './storage';
import css from './styles.css';
import { talkScreen, type Talk } from './talk';

const kFocusable =
  'a[href],button:not(:disabled),textarea:not(:disabled),input:not(:disabled):not([tabindex="-1"]),audio,video,[tabindex="0"]';
const kPhone = '(max-width: 480px), (max-height: 420px)';
const kDark = '(prefers-color-scheme: dark)';

export class View {
  isOpen = false;
  // No div, because pages have rules for those.
  private readonly host = document.createElement('backchannel-widget');
  private readonly root: HTMLElement;
  private readonly launcher: HTMLButtonElement;
  private readonly badge = h('span', { class: 'badge', 'aria-hidden': 'true' });
  private readonly news = h('div', { class: 'sr', role: 'status' });
  private readonly panel: HTMLElement;
  private readonly home: Screen | null;
  private readonly talk: Talk;
  private screen: Screen;
  private readonly queries: [MediaQueryList, () => void][] = [];
  private readonly undo: (() => void)[] = [];
  private frame = 0;
  private lockedOverflow: string | null = null;

  constructor(
    private readonly settings: Settings,
    private readonly chat: Chat,
    private readonly storages: Storages,
    private readonly emitter: Emitter,
    base: string,
    nonce: string,
  ) {
    const { words, language, rtl } = settings.locale;
    const tab = storages.tab.read();
    const close = () => this.close();
    this.home =
      settings.kind === 'widget'
        ? homeScreen(settings, chat, { close, write: () => this.go('chat') })
        : null;
    this.talk = talkScreen(settings, chat, base, tab.draft ?? '', {
      back: this.home ? () => this.go('home') : null,
      close,
    });
    this.screen = this.home && tab.screen !== 'chat' ? this.home : this.talk;
    this.panel = h('section', {
      class: 'panel',
      id: 'panel',
      role: 'dialog',
      'aria-label': settings.name || words.chat,
      tabindex: -1,
    });
    this.panel.hidden = true;
    this.launcher = h(
      'button',
      {
        type: 'button',
        class: 'launcher',
        'aria-expanded': 'false',
        'aria-controls': 'panel',
        'aria-haspopup': 'dialog',
        onclick: () => this.toggle(),
      },
      icon('chat'),
      icon('down'),
      this.badge,
    );
    this.root = h(
      'div',
      { class: 'root', lang: language, dir: rtl ? 'rtl' : 'ltr' },
      this.panel,
      this.launcher,
      this.news,
    );
    this.host.id = 'backchannel-widget';
    const shadow = this.host.attachShadow({ mode: 'open' });
    addStyles(shadow, nonce);
    shadow.append(this.root);
    this.place();

    this.follow(kDark, () => this.paint());
    this.follow(kPhone, () => this.arrange());
    this.listen(document, 'visibilitychange', () => {
      if (document.visibilityState === 'visible') chat.wake();
      this.look();
    });
    this.listen(window, 'resize', () => this.arrange());
    if (window.visualViewport) {
      // The keyboard of a phone covers the page without resizing it.
      this.listen(window.visualViewport, 'resize', () => this.arrange());
      this.listen(window.visualViewport, 'scroll', () => this.arrange());
    }
    this.host.addEventListener('keydown', (event) => this.onKey(event));
    this.paint();

    chat.isLooking = () =>
      this.isOpen && this.screen === this.talk && document.visibilityState === 'visible';
    chat.changed = () => this.later();
    document.body.append(this.host);
    // A phone's page is not covered unasked.
    if (tab.open && !this.isPhone()) this.open(false);
    this.update();
  }

  open(takeFocus = true): void {
    if (this.isOpen) return;
    this.isOpen = true;
    this.panel.hidden = false;
    this.storages.tab.change({ open: true });
    this.arrange();
    this.show(this.screen, takeFocus);
    set(this.launcher, 'aria-expanded', 'true');
    this.emitter.emit('open', undefined);
  }

  close(): void {
    if (!this.isOpen) return;
    const hadFocus = this.host.shadowRoot?.activeElement;
    this.isOpen = false;
    this.panel.hidden = true;
    this.storages.tab.change({ open: false });
    this.chat.freshFrom = '';
    set(this.launcher, 'aria-expanded', 'false');
    this.arrange();
    this.update();
    if (hadFocus) this.launcher.focus();
    this.emitter.emit('close', undefined);
  }

  toggle(): void {
    if (this.isOpen) this.close();
    else this.open();
  }

  destroy(): void {
    cancelAnimationFrame(this.frame);
    for (const [query, listener] of this.queries) query.removeEventListener('change', listener);
    for (const undo of this.undo) undo();
    this.isOpen = false;
    this.lockPage(false);
    this.host.remove();
  }

  private go(screen: 'home' | 'chat'): void {
    this.storages.tab.change({ screen });
    this.show(screen === 'home' && this.home ? this.home : this.talk, true);
  }

  private show(screen: Screen, takeFocus: boolean): void {
    this.screen = screen;
    set(this.panel, 'class', screen === this.home ? 'panel short' : 'panel');
    if (this.panel.firstChild !== screen.element) this.panel.replaceChildren(screen.element);
    if (screen === this.talk) {
      // Nobody who only looks at the welcome screen becomes a visitor with a session.
      void this.chat.begin();
      this.update();
      this.talk.shown();
      this.look();
    } else {
      this.update();
    }
    if (takeFocus) screen.focus();
  }

  private look(): void {
    this.chat.look();
    this.update();
  }

  // Many changes in a moment are painted once. A hidden page gets no frames, but its badge counts.
  private later(): void {
    if (this.frame) return;
    const paint = () => {
      this.frame = 0;
      this.update();
    };
    if (document.visibilityState === 'visible') this.frame = requestAnimationFrame(paint);
    else paint();
  }

  private update(): void {
    const { words } = this.settings.locale;
    const { unread } = this.chat;
    if (this.isOpen) this.screen.update();
    setText(this.badge, unread > 99 ? '99+' : String(unread));
    this.badge.hidden = !unread || this.isOpen;
    const said = fill(words.unread, { n: unread });
    const label = this.isOpen ? words.close : unread ? `${words.open}. ${said}` : words.open;
    set(this.launcher, 'aria-label', label);
    setText(this.news, unread && !this.chat.isLooking() ? said : '');
  }

  private onKey(event: KeyboardEvent): void {
    // The page's shortcuts are not meant while somebody types here.
    event.stopPropagation();
    if (event.key === 'Escape' && this.isOpen) {
      event.preventDefault();
      this.close();
    } else if (event.key === 'Tab' && this.isOpen) {
      this.keepFocus(event);
    }
  }

  // Tab goes round in the window; Escape leaves it.
  private keepFocus(event: KeyboardEvent): void {
    const all = Array.from(this.panel.querySelectorAll<HTMLElement>(kFocusable)).filter(
      (element) => element.offsetParent !== null || element.getClientRects().length > 0,
    );
    const first = all[0];
    const last = all[all.length - 1];
    const active = this.host.shadowRoot?.activeElement;
    if (!first || !last) return;
    const inside = active && this.panel.contains(active) && active !== this.panel;
    const leaves = !inside || active === (event.shiftKey ? first : last);
    if (!leaves) return;
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  }

  private isPhone(): boolean {
    return matchMedia(kPhone).matches;
  }

  private arrange(): void {
    const phone = this.isPhone();
    set(this.root, 'class', phone ? 'root phone' : 'root');
    set(this.panel, 'aria-modal', phone ? 'true' : null);
    this.lockPage(phone && this.isOpen);
    const { style } = this.root;
    const viewport = window.visualViewport;
    if (phone && this.isOpen && viewport) {
      style.setProperty('--top', Math.round(viewport.offsetTop) + 'px');
      // Without a keyboard, the style sheet's height follows the browser's bars better than any number.
      const covered = innerHeight - viewport.height > 120;
      if (covered) style.setProperty('--tall', Math.round(viewport.height) + 'px');
      else style.removeProperty('--tall');
    }
  }

  // The page behind a full screen stays where it is.
  private lockPage(lock: boolean): void {
    const { style } = document.documentElement;
    if (lock && this.lockedOverflow === null) {
      this.lockedOverflow = style.overflow;
      style.overflow = 'hidden';
    } else if (!lock && this.lockedOverflow !== null) {
      style.overflow = this.lockedOverflow;
      this.lockedOverflow = null;
    }
  }

  private place(): void {
    const { top, side, x, y, z } = this.settings.position;
    const edge = top ? 'top' : 'bottom';
    const own = { all: 'initial', position: 'fixed', 'z-index': String(z) };
    for (const [name, value] of Object.entries(own)) {
      this.host.style.setProperty(name, value, 'important');
    }
    this.root.style.setProperty('--x', x + 'px');
    const full = CSS.supports('height: 100dvh') ? '100dvh' : '100vh';
    this.root.style.setProperty('--full', full);
    this.root.style.setProperty('--room', `calc(${full} - ${2 * y + 58 + 14}px)`);
    for (const [element, offset] of [
      [this.launcher, y],
      [this.panel, y + 58 + 14],
    ] as const) {
      element.style.setProperty(edge, offset + 'px');
      element.style.setProperty(side, x + 'px');
    }
  }

  private paint(): void {
    const { scheme } = this.settings;
    const dark = scheme === 'auto' ? matchMedia(kDark).matches : scheme === 'dark';
    for (const [name, value] of Object.entries(this.settings.palette(dark))) {
      this.host.style.setProperty('--' + name, value);
    }
  }

  private follow(media: string, listener: () => void): void {
    const query = matchMedia(media);
    query.addEventListener('change', listener);
    this.queries.push([query, listener]);
  }

  private listen(target: EventTarget, name: string, listener: () => void): void {
    target.addEventListener(name, listener);
    this.undo.push(() => target.removeEventListener(name, listener));
  }
}

// A constructed sheet needs no place in the page's policy; older browsers get an element with the
// nonce of the script.
function addStyles(shadow: ShadowRoot, nonce: string): void {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    shadow.adoptedStyleSheets = [sheet];
  } catch {
    const style = h('style', { nonce: nonce || null });
    style.textContent = css;
    shadow.append(style);
  }
}
