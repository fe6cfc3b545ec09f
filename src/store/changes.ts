/**
 * Hears of changes, from this process at once and from the others by NOTIFY. A hint only: whoever waits also looks by itself.
 *
 * The word goes out after the change, and is one for all that changed meanwhile: transactions that NOTIFY themselves are
 * committed one after the other, each with its own wait for the disk (docs/rfd/0003-how-fast.md).
 */
import { randomUUID } from "node:crypto";
import pg from "pg";

/** `requests`: what is asked for, and nothing by which somebody is let in, or that is configured. */
export type Changed = "anything" | "requests";

export type Changes = {
  /** Resolves when something changed, or after the time. */
  next(timeoutMs: number): Promise<void>;
  /** Calls back at every change. Answers how to stop that. */
  subscribe(heard: (changed: Changed) => void): () => void;
  /** This process changed something. */
  announce(changed?: Changed): void;
  close(): Promise<void>;
};

/** Calls back at every change but those of requests alone. Answers how to stop that. */
export const onMoreThanRequests = (changes: Pick<Changes, "subscribe">, heard: () => void): (() => void) =>
  changes.subscribe((changed) => {
    if (changed !== "requests") heard();
  });

const CHANNEL = "tidegate_wake";
const RECONNECT_MS = 1_000;
/** So often others are told at most. */
const TELL_EVERY_MS = 20;

export function hearChanges(url: string): Changes {
  const listeners = new Set<(changed: Changed) => void>();
  /** Told with each word, so that we do not hear our own. */
  const ourselves = randomUUID();
  let client: pg.Client | null = null;
  let [closed, retry] = [false, undefined as NodeJS.Timeout | undefined];
  let [listening, telling] = [false, false];
  let untold: Changed | null = null;
  const wakeOurs = (changed: Changed): void => {
    for (const heard of [...listeners]) heard(changed);
  };
  const announce = (changed: Changed = "anything"): void => {
    wakeOurs(changed);
    if (untold !== "anything") untold = changed;
    if (!telling) void tell();
  };

  /** What cannot be told now is not told at all: the others look by themselves. */
  async function tell(): Promise<void> {
    telling = true;
    while (untold !== null && listening && !closed) {
      const word = untold === "anything" ? ourselves : `${ourselves} ${untold}`;
      untold = null;
      await client?.query(`notify ${CHANNEL}, '${word}'`).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, TELL_EVERY_MS).unref());
    }
    telling = false;
  }

  async function connect(): Promise<void> {
    const connecting = new pg.Client({
      connectionString: url,
      application_name: "tidegate changes",
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      // A word that a power cut takes away is one that nobody is left to hear.
      options: "-c synchronous_commit=off",
    });
    client = connecting;
    connecting.on("notification", ({ payload }) => {
      const [who, changed] = (payload ?? "").split(" ");
      if (who !== ourselves) wakeOurs(changed === "requests" ? changed : "anything");
    });
    connecting.on("error", () => undefined);
    connecting.on("end", () => {
      listening = false;
      if (!closed) retry = setTimeout(() => void connect(), RECONNECT_MS);
    });
    try {
      await connecting.connect();
      await connecting.query(`listen ${CHANNEL}`);
      listening = true;
      // Something may have changed while nobody listened.
      wakeOurs("anything");
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
      const heard = (): void => resolve();
      listeners.add(heard);
      await promise;
      listeners.delete(heard);
      clearTimeout(timer);
    },
    async close() {
      closed = true;
      clearTimeout(retry);
      wakeOurs("anything");
      await client?.end().catch(() => undefined);
    },
  };
}
