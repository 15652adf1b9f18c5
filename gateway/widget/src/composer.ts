// Where a message is written: text, and files by button, paste or drop.
import type { Chat } from './chat';
import { h, icon, set, setText } from './dom';
import { size } from './format';
import { fill } from './locales';
import { Refused } from './rest';
import type { Settings } from './settings';
import type { Attachment } from './wire';

// As the gateway takes them (docs/API.md).
const kMostFiles = 10;
const kMostBytes = 25 << 20;
// 16 KiB, of which a character takes up to three bytes.
const kMostCharacters = 5000;

interface Upload {
  row: HTMLElement;
  bytes: number;
  result: Attachment | null;
  failed: boolean;
  abort: AbortController;
}

export class Composer {
  readonly element: HTMLElement;
  private readonly input: HTMLTextAreaElement;
  private readonly button: HTMLButtonElement;
  private readonly list: HTMLElement;
  private readonly problem: HTMLElement;
  private readonly picker: HTMLInputElement;
  private uploads: Upload[] = [];

  constructor(
    private readonly settings: Settings,
    private readonly chat: Chat,
    draft: string,
    private readonly sent: () => void,
  ) {
    const { words } = settings.locale;
    this.input = h('textarea', {
      rows: 1,
      placeholder: words.placeholder,
      'aria-label': words.placeholder,
      enterkeyhint: 'send',
      maxlength: kMostCharacters,
      oninput: () => this.changed(),
      onkeydown: (event: KeyboardEvent) => {
        // Not the Enter that ends a composition in Japanese or Chinese.
        if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        this.submit();
      },
      onpaste: (event: ClipboardEvent) => {
        const files = event.clipboardData?.files;
        if (!files?.length) return;
        event.preventDefault();
        this.add(files);
      },
    });
    this.input.value = draft;
    this.button = h(
      'button',
      { type: 'submit', class: 'round send', 'aria-label': words.send },
      icon('send'),
    );
    this.picker = h('input', {
      type: 'file',
      multiple: true,
      tabindex: -1,
      onchange: () => {
        if (this.picker.files) this.add(this.picker.files);
        this.picker.value = '';
      },
    });
    this.picker.hidden = true;
    this.list = h('ul', { class: 'files' });
    this.problem = h('p', { class: 'hint failed', role: 'alert' });
    this.element = h(
      'form',
      {
        class: 'composer',
        onsubmit: (event: Event) => {
          event.preventDefault();
          this.submit();
        },
      },
      h(
        'div',
        { class: 'box' },
        this.list,
        this.problem,
        h(
          'div',
          { class: 'line' },
          h(
            'button',
            {
              type: 'button',
              class: 'round',
              'aria-label': words.attach,
              onclick: () => this.picker.click(),
            },
            icon('clip'),
          ),
          this.picker,
          this.input,
          this.button,
        ),
      ),
    );
    this.update();
  }

  focus(): void {
    this.input.focus({ preventScroll: true });
  }

  // Once the text has a place on the screen.
  shown(): void {
    this.fit();
  }

  add(files: FileList): void {
    const { words } = this.settings.locale;
    const problems: string[] = [];
    for (const file of Array.from(files)) {
      const used = this.uploads.reduce(
        (sum, upload) => sum + (upload.failed ? 0 : upload.bytes),
        0,
      );
      if (used + file.size > kMostBytes)
        problems.push(fill(words.tooLarge, { n: kMostBytes >> 20 }));
      else if (this.uploads.length >= kMostFiles) {
        problems.push(fill(words.tooMany, { n: kMostFiles }));
      } else if (file.size > 0) this.upload(file);
    }
    this.say(problems[0] ?? '');
    this.update();
  }

  private upload(file: File): void {
    const { locale } = this.settings;
    const { words } = locale;
    const note = h('small', {}, words.uploading);
    const bar = h('progress', {
      max: 1,
      value: 0,
      'aria-label': `${words.uploading} ${file.name}`,
    });
    const abort = new AbortController();
    const picture = h('span', {}, icon('file'));
    const row = h(
      'li',
      {},
      picture,
      h('span', {}, h('b', { dir: 'auto' }, file.name), note),
      h(
        'button',
        {
          type: 'button',
          class: 'round',
          'aria-label': fill(words.remove, { name: file.name }),
          onclick: () => this.take(upload),
        },
        icon('close'),
      ),
      bar,
    );
    const upload: Upload = { row, bytes: file.size, result: null, failed: false, abort };
    this.uploads.push(upload);
    this.list.append(row);
    void preview(file, picture);
    this.chat
      .upload(file, (share) => (bar.value = share), abort.signal)
      .then((result) => {
        upload.result = result;
        setText(note, size(locale, file.size));
      })
      .catch((error: unknown) => {
        upload.failed = true;
        set(row, 'class', 'failed');
        const detail = error instanceof Refused ? error.message : '';
        setText(note, detail || words.uploadFailed);
        set(note, 'title', detail);
      })
      .finally(() => {
        bar.remove();
        this.update();
      });
  }

  private take(upload: Upload): void {
    upload.abort.abort();
    upload.row.remove();
    this.uploads = this.uploads.filter((other) => other !== upload);
    this.say('');
    this.update();
    this.focus();
  }

  private submit(): void {
    if (this.button.disabled) return;
    const content = this.input.value.trim();
    const attachments = this.uploads.flatMap((upload) => upload.result ?? []);
    this.uploads = [];
    this.list.replaceChildren();
    this.input.value = '';
    this.changed();
    this.say('');
    this.chat.send(content, attachments);
    this.sent();
    this.focus();
  }

  private changed(): void {
    this.chat.draftChanged(this.input.value);
    this.update();
    this.fit();
  }

  private update(): void {
    const waiting = this.uploads.some((upload) => !upload.result && !upload.failed);
    const ready = this.uploads.some((upload) => upload.result);
    this.button.disabled = waiting || !(this.input.value.trim() || ready);
    this.list.hidden = !this.uploads.length;
    // What is written says its own direction; the placeholder has the language's.
    set(this.input, 'dir', this.input.value ? 'auto' : null);
  }

  private say(problem: string): void {
    setText(this.problem, problem);
    this.problem.hidden = !problem;
  }

  // As high as its text, up to the style sheet's limit.
  private fit(): void {
    this.input.style.height = 'auto';
    const height = this.input.scrollHeight;
    if (height) this.input.style.height = height + 'px';
  }
}

// Drawn on a canvas, because a blob: address would need a place in the page's policy.
async function preview(file: File, place: HTMLElement): Promise<void> {
  if (!file.type.startsWith('image/')) return;
  try {
    const picture = await createImageBitmap(file);
    const canvas = h('canvas', { width: 76, height: 76, 'aria-hidden': 'true' });
    const scale = Math.max(76 / picture.width, 76 / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    canvas.getContext('2d')?.drawImage(picture, (76 - width) / 2, (76 - height) / 2, width, height);
    picture.close();
    place.replaceChildren(canvas);
  } catch {
    // Not a picture after all: the sheet of paper stays.
  }
}
