// The welcome screen: who is here, and the ways to reach them.
import type { Chat } from './chat';
import { h, icon, set, setText } from './dom';
import { fill } from './locales';
import { channelName, type Settings } from './settings';

export interface Screen {
  element: HTMLElement;
  update(): void;
  // What takes the focus when the screen is shown.
  focus(): void;
}

export function logo(settings: Settings): HTMLElement {
  const initial = h('span', { class: 'logo', 'aria-hidden': 'true' }, [...settings.name][0] ?? '');
  if (!settings.logo) return initial;
  const image = h('img', { class: 'logo', src: settings.logo, alt: '' });
  image.onerror = () => image.replaceWith(initial);
  return image;
}

export function channelLinks(settings: Settings): HTMLElement {
  const list = h('ul');
  for (const { type, url } of settings.channels) {
    list.append(
      h(
        'li',
        {},
        h(
          'a',
          { href: url, target: '_blank', rel: 'noopener noreferrer' },
          icon(type),
          h('span', {}, channelName(type)),
        ),
      ),
    );
  }
  return list;
}

export function homeScreen(
  settings: Settings,
  chat: Chat,
  actions: { close(): void; write(): void },
): Screen {
  const { words } = settings.locale;
  const title = h('strong');
  const dot = h('i', { class: 'dot' });
  const hint = h('span', { dir: 'auto' });
  const badge = h('span', { class: 'badge', 'aria-hidden': 'true' });
  const start = h(
    'button',
    { type: 'button', class: 'start', onclick: actions.write },
    h('span', {}, title, h('span', { class: 'hint' }, dot, hint)),
    badge,
    h('span', { class: 'arrow', 'aria-hidden': 'true' }, icon('go')),
  );
  const element = h(
    'div',
    { class: 'screen home' },
    h(
      'div',
      { class: 'hero' },
      h(
        'div',
        { class: 'top' },
        logo(settings),
        h('span', { class: 'name', dir: 'auto' }, settings.name),
        h(
          'button',
          { type: 'button', class: 'round', 'aria-label': words.close, onclick: actions.close },
          icon('close'),
        ),
      ),
      h('h2', { dir: 'auto' }, settings.heading || settings.name),
      settings.tagline && h('p', { dir: 'auto' }, settings.tagline),
    ),
    h(
      'div',
      { class: 'cards' },
      h('div', { class: 'card' }, start),
      settings.channels.length > 0 &&
        h(
          'nav',
          { class: 'card channels', 'aria-label': words.elsewhere },
          h('h3', {}, words.elsewhere),
          channelLinks(settings),
        ),
    ),
  );
  return {
    element,
    update() {
      const newest = chat.thread.newest();
      setText(title, newest ? words.resume : words.start);
      set(dot, 'class', chat.online ? 'dot on' : 'dot');
      dot.hidden = !settings.showsOnline || !!newest;
      setText(hint, newest ? summary(newest) : chat.online ? words.online : words.away);
      hint.hidden = !newest && !settings.showsOnline;
      setText(badge, String(chat.unread));
      badge.hidden = !chat.unread;
      set(
        start,
        'aria-label',
        chat.unread ? `${title.textContent}. ${fill(words.unread, { n: chat.unread })}` : null,
      );
    },
    focus: () => start.focus(),
  };

  function summary(item: NonNullable<ReturnType<typeof chat.thread.newest>>): string {
    if (item.deleted_at) return words.removed;
    const text = item.content || item.attachments?.[0]?.name || '…';
    return item.sender_type === 'customer' ? `${words.you}: ${text}` : text;
  }
}
