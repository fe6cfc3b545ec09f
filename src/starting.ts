/** What a start is given, what it has to undo, and how it fails. */
import type { Logger } from "pino";

/** Where everything is. */
export type Settings = {
  /** The configuration: a file, or a folder of files. */
  readonly configFile: string;
  /** Data folder: keys, and the embedded store. */
  readonly dataDir: string;
  /** Any PostgreSQL ≥ 14 instead of the embedded store. */
  readonly databaseUrl: string | null;
  readonly host: string;
  readonly port: number;
  /** Figures without a token, on the loopback address; null: only with a token, beside the API. */
  readonly metricsPort: number | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /** Tells a start that waits for its store to stop waiting. */
  readonly stopping?: AbortSignal;
};

/** A start that failed for a reason that a person can mend; shown without a stack. */
export class StartFailed extends Error {
  override readonly name: string = "StartFailed";
}

/** The store cannot be started, or does not answer: a process whose journal holds something goes on all the same. */
export class StoreAway extends StartFailed {}

/** Every resource that was started, so that it is stopped again in the opposite order, also when a later one fails. */
export class Started {
  readonly #stops: (() => unknown)[] = [];
  #stopping: Promise<void> | null = null;

  add<T>(thing: T, stop: (thing: T) => unknown): T {
    this.#stops.push(() => stop(thing));
    return thing;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    for (const stop of this.#stops.reverse()) await stop();
  }
}
