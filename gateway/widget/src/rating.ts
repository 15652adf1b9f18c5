// The question at the end of a conversation: one to five, and a word if one likes.
import type { Chat } from './chat';
import { h, icon, set } from './dom';
import { fill } from './locales';
import type { Settings } from './settings';

const kMost = 5;

export function ratingCard(settings: Settings, chat: Chat, grown: () => void): HTMLElement {
  const { words } = settings.locale;
  const labels: HTMLElement[] = [];
  let score = 0;
  const comment = h('textarea', {
    placeholder: words.comment,
    'aria-label': words.comment,
    maxlength: 1000,
    dir: 'auto',
  });
  const submit = h('button', { type: 'submit', class: 'solid' }, words.submit);
  const problem = h('p', { class: 'failed', role: 'alert' });
  const more = h('div', {}, comment, submit, problem);
  more.hidden = true;
  const choose = (value: number) => {
    score = value;
    labels.forEach((label, i) => set(label, 'class', i < value ? 'on' : null));
    more.hidden = false;
    grown();
  };
  for (let value = 1; value <= kMost; value++) {
    labels.push(
      h(
        'label',
        {},
        icon('star'),
        h('input', {
          type: 'radio',
          name: 'score',
          value,
          'aria-label': fill(words.stars, { n: value }),
          onchange: () => choose(value),
        }),
      ),
    );
  }
  return h(
    'form',
    {
      class: 'rating',
      onsubmit: (event: Event) => {
        event.preventDefault();
        submit.disabled = true;
        problem.textContent = '';
        chat.rate(score, comment.value.trim()).catch((error: Error) => {
          problem.textContent = error.message || words.offline;
          submit.disabled = false;
        });
      },
    },
    h(
      'button',
      {
        type: 'button',
        class: 'round',
        'aria-label': words.discard,
        onclick: () => chat.closeCsat(),
      },
      icon('close'),
    ),
    h('fieldset', {}, h('legend', {}, words.rate), h('div', { class: 'stars' }, ...labels)),
    more,
  );
}

export function thanksCard(settings: Settings): HTMLElement {
  return h(
    'div',
    { class: 'rating', role: 'status', dir: 'auto' },
    settings.csatThanks || settings.locale.words.thanks,
  );
}
