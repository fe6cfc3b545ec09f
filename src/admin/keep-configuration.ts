/**
 * Keeps the active configuration equal to what stands in its files while the server runs. A good change becomes the
 * active version; a bad one changes nothing but what is said about it: the last good version goes on (S23).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, toTimestamp } from "../base/clock.ts";
import type { Loaded } from "../config/load-configuration.ts";
import { type Mistake, showMistake } from "../config/mistake.ts";
import { fingerprint, hintOfChanges } from "../config/watch-files.ts";
import { adoptConfiguration } from "../operations/adopt-config.ts";
import type { Context } from "../operations/context.ts";
import type { ConfigProposal } from "../store/config-proposals.ts";

export type KeepOptions = {
  readonly context: Context;
  /** A file or a folder. */
  readonly path: string;
  readonly load: () => Loaded;
  readonly log: (level: "info" | "warn" | "error", what: string, facts?: Readonly<Record<string, unknown>>) => void;
  readonly clock: Clock;
  /** How often the files are looked at; hints of the system only make it sooner. */
  readonly pollMs?: number;
  /** How long files must have been left alone before they are read: editors and copies write in several steps. */
  readonly settleMs?: number;
  /** False: only looks, for file systems and tests without hints. */
  readonly hints?: boolean;
};

export type KeptConfiguration = {
  /** What is wrong with the files, since when, and the first mistake; null while what they say is active. */
  trouble(): string | null;
  /** Reads the files now, changed or not. Resolves when what they say is active or refused. */
  reload(): Promise<void>;
  stop(): Promise<void>;
};

const POLL_MS = 2_000;
const SETTLE_MS = 150;
/** Somebody who writes for longer than this is read in between. */
const SETTLE_TRIES_MAX = 20;

function whatWaits({ version, state, widens }: ConfigProposal): string {
  const why = widens.length === 1 ? widens[0] : `${widens[0]}, and ${widens.length - 1} more`;
  return state === "rejected"
    ? `is version ${version}, which an admin rejected: change it, or confirm it after all: tidegate config confirm ${version}`
    : `is version ${version}, which may widen access (${why}) and waits for an admin: tidegate config confirm ${version}`;
}

/** Reads the files and, if they are good, makes them the active configuration; then goes on looking at them. */
export async function keepConfiguration(options: KeepOptions): Promise<KeptConfiguration> {
  const keeper = new Keeper(options);
  await keeper.start();
  return {
    trouble: () => keeper.trouble,
    reload: () => keeper.look(true),
    stop: () => keeper.stop(),
  };
}

class Keeper {
  readonly #options: KeepOptions;
  readonly #ending = new AbortController();
  readonly #settleMs: number;
  #watched: readonly string[] = [];
  /** The state of the files that was last read; null: to be read whatever it is. */
  #seen: string | null = null;
  #trouble: { readonly sinceMs: number; readonly what: string } | null = null;
  #queue: Promise<void> = Promise.resolve();
  #polling: Promise<void> = Promise.resolve();
  #unhint: () => void = () => {};
  #hinted = false;

  constructor(options: KeepOptions) {
    this.#options = options;
    this.#settleMs = options.settleMs ?? SETTLE_MS;
  }

  get trouble(): string | null {
    if (this.#trouble === null) return null;
    const { sinceMs, what } = this.#trouble;
    return `since ${toTimestamp(sinceMs)} ${what}`;
  }

  async start(): Promise<void> {
    await this.#read();
    this.#polling = this.#poll();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    this.#unhint();
    await this.#polling;
    await this.#queue;
  }

  /** One look at a time: a second one, asked for meanwhile, sees what the first did. */
  look(always: boolean): Promise<void> {
    this.#queue = this.#queue.then(async () => {
      if (this.#ending.signal.aborted) return;
      if (!always && (await fingerprint(this.#watched)) === this.#seen) return;
      await this.#settled();
      if (!this.#ending.signal.aborted) await this.#read();
    });
    return this.#queue;
  }

  async #poll(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      await this.#pause(this.#options.pollMs ?? POLL_MS);
      await this.look(false);
    }
  }

  #pause(ms: number): Promise<unknown> {
    return sleep(ms, undefined, { signal: this.#ending.signal, ref: false }).catch(() => undefined);
  }

  async #settled(): Promise<void> {
    let before = await fingerprint(this.#watched);
    for (let tries = 0; tries < SETTLE_TRIES_MAX; tries += 1) {
      await this.#pause(this.#settleMs);
      const now = await fingerprint(this.#watched);
      if (now === before || this.#ending.signal.aborted) return;
      before = now;
    }
  }

  async #read(): Promise<void> {
    // Taken before the reading: what changes during it is read again.
    let seen = await fingerprint(this.#watched);
    let loaded = this.#options.load();
    if (loaded.watch.join("\n") !== this.#watched.join("\n")) {
      this.#watch(loaded.watch);
      seen = await fingerprint(this.#watched);
      loaded = this.#options.load();
    }
    this.#seen = seen;
    if (loaded.ok) await this.#activate(loaded);
    else this.#refuse(loaded.mistakes);
  }

  #watch(paths: readonly string[]): void {
    this.#unhint();
    this.#watched = paths;
    if (this.#options.hints === false) return;
    this.#unhint = hintOfChanges(paths, () => {
      if (this.#hinted || this.#ending.signal.aborted) return;
      this.#hinted = true;
      void this.#pause(this.#settleMs).then(() => {
        this.#hinted = false;
        return this.look(false);
      });
    });
  }

  async #activate({ configuration, warnings }: Extract<Loaded, { ok: true }>): Promise<void> {
    const { context, path, log } = this.#options;
    try {
      const { version, changed, waits } = await adoptConfiguration(context, configuration, path);
      if (waits === null || this.#trouble === null)
        for (const warning of warnings) log("warn", showMistake(warning, "warning"));
      if (waits === null) {
        log("info", "configuration active", { version, changed });
        this.#trouble = null;
        return;
      }
      // Looked at again and again until somebody has decided: nothing in the files says when.
      this.#seen = null;
      this.#complain(`${this.#within(path)} ${whatWaits(waits)}`);
    } catch (error) {
      // Most likely the store: it is asked again at the next look.
      this.#seen = null;
      const why = error instanceof Error ? error.message : String(error);
      this.#complain(`${path} is good, but could not be made active: ${why}`);
    }
  }

  #refuse(mistakes: readonly Mistake[]): void {
    const { path, log } = this.#options;
    for (const mistake of mistakes) log("error", showMistake(mistake, "error"));
    const wrong = mistakes.filter((mistake) => mistake.remark !== true);
    const [first] = wrong;
    const shown =
      first === undefined ? "" : `: ${this.#within(first.file)}:${first.line}:${first.column}: ${first.what}`;
    const count = wrong.length === 1 ? "a mistake" : `${wrong.length} mistakes, the first`;
    this.#complain(`${this.#within(path)} has ${count}${shown}`);
  }

  /** Where Tidegate keeps its files is nobody's business who only asks whether it is well. */
  #within(file: string): string {
    const { path } = this.#options;
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    return file.startsWith(folder) ? file.slice(folder.length) : file;
  }

  #complain(what: string): void {
    if (this.#trouble?.what === what) return;
    this.#trouble = { sinceMs: this.#trouble?.sinceMs ?? this.#options.clock.nowMs(), what };
    this.#options.log("error", `${what}. The last good version goes on`);
  }
}
