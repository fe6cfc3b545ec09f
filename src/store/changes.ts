/** Hears of changes, from this process at once and from the others by NOTIFY. A hint only: whoever waits also looks by itself. */
import pg from "pg";

export type Changes = {
  /** Resolves when something changed, or after the time. */
  next(timeoutMs: number): Promise<void>;
  /** Calls back at every change. Answers how to stop that. */
  subscribe(heard: () => void): () => void;
  /** This process changed something. */
  announce(): void;
  close(): Promise<void>;
};

export const WAKE_CHANNEL = "tidegate_wake";
const RECONNECT_MS = 1_000;

export function hearChanges(url: string): Changes {
  const listeners = new Set<() => void>();
  let client: pg.Client | null = null;
  let [closed, retry] = [false, undefined as NodeJS.Timeout | undefined];
  const announce = (): void => {
    for (const heard of [...listeners]) heard();
  };

  async function connect(): Promise<void> {
    const connecting = new pg.Client({
      connectionString: url,
      application_name: "tidegate changes",
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    });
    client = connecting;
    connecting.on("notification", announce);
    connecting.on("error", () => undefined);
    connecting.on("end", () => {
      if (!closed) retry = setTimeout(() => void connect(), RECONNECT_MS);
    });
    try {
      await connecting.connect();
      await connecting.query(`listen ${WAKE_CHANNEL}`);
      // Something may have changed while nobody listened.
      announce();
    } catch {
      await connecting.end().catch(() => undefined);
    }
  }
  void connect();

  return {
    announce,
    subscribe(heard) {
      listeners.add(heard);
      return () => listeners.delete(heard);
    },
    async next(timeoutMs) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, timeoutMs);
      listeners.add(resolve);
      await promise;
      listeners.delete(resolve);
      clearTimeout(timer);
    },
    async close() {
      closed = true;
      clearTimeout(retry);
      announce();
      await client?.end().catch(() => undefined);
    },
  };
}
