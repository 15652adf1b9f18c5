// Who wants to hear of what: the events of the page's JavaScript API.

export interface PublicEvents {
  ready: undefined;
  open: undefined;
  close: undefined;
  message: { id: string; content: string; sender_type: string; created_at: string };
  unread: number;
  status: 'online' | 'offline';
  error: string;
}

type Listener<T> = (value: T) => void;

export class Emitter {
  private readonly listeners = new Map<string, Set<Listener<never>>>();

  // Returns what takes the listener away again.
  on<K extends keyof PublicEvents>(name: K, listener: Listener<PublicEvents[K]>): () => void {
    const all = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, all);
    all.add(listener as Listener<never>);
    return () => all.delete(listener as Listener<never>);
  }

  emit<K extends keyof PublicEvents>(name: K, value: PublicEvents[K]): void {
    for (const listener of this.listeners.get(name) ?? []) {
      try {
        (listener as Listener<PublicEvents[K]>)(value);
      } catch (fault) {
        // The page's mistake; the chat goes on.
        setTimeout(() => {
          throw fault;
        });
      }
    }
  }
}
