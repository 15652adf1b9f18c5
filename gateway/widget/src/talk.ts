// The conversation's screen: its head, the messages, the rating, and the composer.
import type { Chat } from './chat';
import { Composer } from './composer';
import { dots, h, icon, set, setText } from './dom';
import { channelLinks, logo, type Screen } from './home';
import { bubble, Log } from './log';
import { fill } from './locales';
import { ratingCard, thanksCard } from './rating';
import type { Settings } from './settings';

// This near to the end counts as at the end.
const kNearPx = 80;

export interface Talk extends Screen {
  // Goes to the newest message, or to the first new one.
  shown(): void;
}

export function talkScreen(
  settings: Settings,
  chat: Chat,
  base: string,
  draft: string,
  actions: { back: (() => void) | null; close(): void },
): Talk {
  const { words } = settings.locale;
  const log = new Log(settings, chat, base);
  const composer = new Composer(settings, chat, draft, () => toEnd());
  const dot = h('i', { class: 'dot' });
  const status = h('span', { dir: 'auto' });
  const statusLine = h('p', {}, dot, status);
  const banner = h('div', { class: 'banner', role: 'status' });
  const typist = h('span', { class: 'sr' });
  const typing = h('div', { class: 'typing', role: 'status' }, dots(), typist);
  const ended = h('div', { class: 'day' }, words.closed);
  const rating = h('div');
  let ratingShows = 'none';
  let newest = '';
  let atEnd = true;

  const earlier = h(
    'button',
    { type: 'button', class: 'earlier', onclick: () => void showEarlier() },
    words.earlier,
  );
  const jump = h(
    'button',
    { type: 'button', class: 'jump', onclick: () => toEnd() },
    icon('down'),
    words.fresh,
  );
  const intro = h('div', { class: 'intro' });
  if (settings.starter) {
    intro.append(
      h(
        'div',
        { class: 'message first' },
        h('div', { class: 'sender', dir: 'auto' }, settings.name || words.agent),
        bubble(settings.starter),
      ),
    );
  }
  if (!settings.starter && settings.heading) {
    intro.append(
      h(
        'div',
        { class: 'hello' },
        h('strong', { dir: 'auto' }, settings.heading),
        h('span', { dir: 'auto' }, settings.tagline),
      ),
    );
  }
  if (!actions.back && settings.channels.length) {
    const chips = channelLinks(settings);
    set(chips, 'class', 'chips');
    intro.append(chips);
  }
  const scroll = h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': words.messages },
    earlier,
    intro,
    log.element,
    typing,
    ended,
    rating,
    jump,
  );
  scroll.addEventListener(
    'scroll',
    () => {
      atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < kNearPx;
      if (atEnd) jump.hidden = true;
    },
    { passive: true },
  );
  // A picture that arrives pushes the end away.
  scroll.addEventListener('load', () => atEnd && toEnd(), true);

  const drop = h('div', { class: 'drop' }, words.drop);
  drop.hidden = true;
  const element = h(
    'div',
    { class: 'screen talk' },
    h(
      'div',
      { class: 'bar' },
      actions.back &&
        h(
          'button',
          { type: 'button', class: 'round back', 'aria-label': words.back, onclick: actions.back },
          icon('back'),
        ),
      logo(settings),
      h('div', { class: 'who' }, h('h2', { dir: 'auto' }, settings.name || words.chat), statusLine),
      h(
        'button',
        { type: 'button', class: 'round', 'aria-label': words.close, onclick: actions.close },
        icon('close'),
      ),
    ),
    banner,
    scroll,
    composer.element,
    drop,
  );
  const carriesFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files');
  element.addEventListener('dragover', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    drop.hidden = false;
  });
  element.addEventListener('dragleave', (event) => {
    if (!element.contains(event.relatedTarget as Node | null)) drop.hidden = true;
  });
  element.addEventListener('drop', (event) => {
    drop.hidden = true;
    if (!carriesFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) composer.add(event.dataTransfer.files);
  });

  function toEnd(): void {
    atEnd = true;
    jump.hidden = true;
    scroll.scrollTop = scroll.scrollHeight;
  }

  async function showEarlier(): Promise<void> {
    const fromEnd = scroll.scrollHeight - scroll.scrollTop;
    atEnd = false;
    await chat.loadEarlier();
    update();
    // What one was reading stays where it was.
    scroll.scrollTop = scroll.scrollHeight - fromEnd;
    if (!chat.hasEarlier) scroll.focus();
  }

  return {
    element,
    update,
    focus: () => composer.focus(),
    shown() {
      composer.shown();
      const fresh = log.element.querySelector('.fresh');
      toEnd();
      if (fresh) {
        scroll.scrollTop = Math.max(0, (fresh as HTMLElement).offsetTop - 24);
      }
    },
  };

  function update(): void {
    set(dot, 'class', chat.online ? 'dot on' : 'dot');
    dot.hidden = !settings.showsOnline;
    setText(status, settings.statusText || (chat.online ? words.online : words.away));
    // Without a connection nobody knows who is there.
    statusLine.hidden = !settings.statusText && (!settings.showsOnline || chat.disconnected);
    setText(banner, chat.disconnected ? words.offline : '');
    banner.hidden = !chat.disconnected;
    earlier.hidden = !chat.hasEarlier;
    earlier.disabled = chat.loading;
    intro.hidden = chat.hasEarlier;
    log.update();
    typing.hidden = !chat.typing;
    const name = chat.typingName || settings.name || words.agent;
    setText(typist, chat.typing ? fill(words.typing, { name }) : '');
    ended.hidden = !chat.isClosed;
    if (ratingShows !== chat.csat) {
      ratingShows = chat.csat;
      rating.replaceChildren(
        ...(chat.csat === 'asked'
          ? [ratingCard(settings, chat, toEnd)]
          : chat.csat === 'thanked'
            ? [thanksCard(settings)]
            : []),
      );
    }
    const last = chat.thread.newest();
    const key = last ? last.client_id || last.id : '';
    const came = key !== newest;
    newest = key;
    if (atEnd) toEnd();
    else if (came && last?.sender_type !== 'customer') jump.hidden = false;
  }
}
