// The visitor's part of the REST API. No cookies: a token is sent where one is needed.
import type {
  Attachment,
  Conversation,
  ConversationPage,
  Embed,
  Identity,
  Session,
  VisitorMessage,
} from './wire';

// status 0: no answer came.
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly retryAfterMs = 0,
  ) {
    super(detail);
  }

  // Worth the same request again, later.
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const kPatienceMs = 30000;

export class Rest {
  private readonly root: string;

  constructor(base: string, id: string) {
    this.root = `${base}/api/v1/widget/${encodeURIComponent(id)}/`;
  }

  embed(): Promise<Embed> {
    return this.call('GET', 'embed');
  }

  session(body: Identity & { token?: string }): Promise<Session> {
    return this.call('POST', 'session', undefined, body);
  }

  conversation(token: string, before?: string): Promise<ConversationPage> {
    const query = before ? `&before=${encodeURIComponent(before)}` : '';
    return this.call('GET', `conversation?limit=50${query}`, token);
  }

  send(
    token: string,
    message: { content: string; client_id: string; attachments: Attachment[] },
  ): Promise<VisitorMessage> {
    return this.call('POST', 'messages', token, message);
  }

  read(token: string): Promise<void> {
    return this.call('POST', 'read', token, {});
  }

  csat(token: string, score: number, comment: string): Promise<Conversation['csat']> {
    return this.call('POST', 'csat', token, comment ? { score, comment } : { score });
  }

  // By XMLHttpRequest, because fetch tells nothing about how far an upload is.
  upload(
    token: string,
    file: File,
    progress: (share: number) => void,
    signal: AbortSignal,
  ): Promise<Attachment> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open('POST', this.root + 'upload');
      request.setRequestHeader('Authorization', 'Bearer ' + token);
      request.upload.onprogress = (event) => {
        if (event.lengthComputable) progress(event.loaded / event.total);
      };
      request.onload = () => {
        const body = parse(request.responseText) as { attachments?: Attachment[] };
        const attachment = body?.attachments?.[0];
        if (request.status === 201 && attachment) resolve(attachment);
        else reject(new Refused(request.status, reasonOf(body)));
      };
      request.onerror = request.onabort = () => reject(new Refused(0, ''));
      signal.addEventListener('abort', () => request.abort());
      const form = new FormData();
      form.append('file', file, file.name || 'file');
      request.send(form);
    });
  }

  private async call<T>(method: string, path: string, token?: string, body?: object): Promise<T> {
    const headers: Record<string, string> = {};
    if (token) headers.Authorization = 'Bearer ' + token;
    if (body) headers['Content-Type'] = 'application/json';
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), kPatienceMs);
    try {
      const answer = await fetch(this.root + path, {
        method,
        headers,
        credentials: 'omit',
        signal: abort.signal,
        ...(body && { body: JSON.stringify(body) }),
      });
      const value = parse(await answer.text());
      if (answer.ok) return value as T;
      const wait = Number(answer.headers.get('Retry-After')) * 1000 || 0;
      throw new Refused(answer.status, reasonOf(value), wait);
    } catch (error) {
      throw error instanceof Refused ? error : new Refused(0, String(error));
    } finally {
      clearTimeout(timer);
    }
  }
}

// In words: of the first wrong field, where one is named.
function reasonOf(body: unknown): string {
  const { detail, errors } = (body ?? {}) as {
    detail?: string;
    errors?: { field?: string; message?: string }[];
  };
  const first = errors?.[0];
  return first?.message ? `${first.field ?? ''} ${first.message}`.trim() : (detail ?? '');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
