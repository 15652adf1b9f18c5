// Where the script was embedded, and for which widget or webchat. Reads the page, changes nothing.

export interface Embedding {
  base: string; // the origin that served the script, and that serves the API
  id: string;
  nonce: string;
}

declare global {
  interface Window {
    PingBackWidgetId?: unknown;
    BackchannelWidgetId?: unknown;
    TetherWebchatId?: unknown;
    BackchannelWebchatId?: unknown;
  }
}

const kWidget = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;
const kWebchat = /^[\da-f]{24}$/i;

export function isEmbedId(id: unknown): id is string {
  return typeof id === 'string' && (kWidget.test(id) || kWebchat.test(id));
}

export function findEmbedding(page: Window, script: HTMLScriptElement | null): Embedding | string {
  const tag = script ?? page.document.querySelector<HTMLScriptElement>('script[src*="/widget.js"]');
  if (!tag?.src) return 'the script has to be loaded by its address';
  const candidates = [
    tag.dataset.widgetId,
    tag.dataset.webchatId,
    page.BackchannelWidgetId,
    page.PingBackWidgetId,
    page.BackchannelWebchatId,
    page.TetherWebchatId,
  ];
  const id = candidates.find((candidate) => candidate !== undefined);
  if (id === undefined) {
    return 'there is no id: set window.BackchannelWidgetId, or data-widget-id on the script';
  }
  if (!isEmbedId(id)) return `"${String(id)}" is neither a widget's nor a webchat's id`;
  return { base: new URL(tag.src).origin, id, nonce: tag.nonce || '' };
}
