/**
 * What goes on while our own store is away. As long as it answers, every process keeps a small file of the grants that end
 * soon and of those that are being ended, with what is needed to shut them. When it has not answered for a while, the
 * process shuts them as they end, by itself: logins off, sessions ended. It never removes and never gives anything. When
 * the store is back it is told first what was shut; those grants end, and are proven and cleaned up as ever.
 *
 * The order of journal and ledger. The ledger commits, then the journal follows: within a fifth of a second or so for what
 * this process or another announced, within two seconds otherwise, longer only when the reading itself takes long or there are thousands. So a
 * line may be older than an extension, and access is then shut at its earlier end. The other order could leave a later end
 * in the journal that was never committed. Of the two errors, ending early is the safe one; and what was shut ends in the
 * ledger too, so that nothing reads active that is not. A process that alone has lost the store does the same.
 */

import type { Boot } from "../base/boot.ts";
import type { Chance } from "../base/chance.ts";
import { every, type Timers } from "../base/clock.ts";
import { failpoint } from "../base/failpoint.ts";
import type { GrantId, InstallationId } from "../base/ids.ts";
import type { JournalFacts } from "../domain/health-facts.ts";
import type { JournalSource } from "../store/journal-source.ts";
import type { KeyRing } from "../store/sealed.ts";
import { DatabaseClock } from "./database-clock.ts";
import type { Connectors } from "./host.ts";
import {
  type JournalContent,
  type JournalLine,
  LineMaker,
  openContent,
  type Shut,
  sealContent,
} from "./journal-content.ts";
import type { JournalFile } from "./journal-file.ts";
import { type ShutEvent, Shutter } from "./shut-lines.ts";

/** Grants that end within this time are in the journal, unless the operator says otherwise. */
export const JOURNAL_HORIZON_MS = 60 * 60_000;
/** Of those, the ones that end first. */
export const JOURNAL_LINES_MAX = 5_000;
/** The store has not answered for so long: it is away. */
export const AWAY_AFTER_MS = 5_000;

const READ_EVERY_MS = 2_000;
const READ_AGAIN_MS = 200;
/** Reading takes at most this share of the time, however much there is to read: one part in so many. */
const SHARE = 10;
/** So many more lines, and it is read that much less often: while thousands end, few of them differ from look to look. */
const LINES_PER_READ_AGAIN = 500;
const READ_PAUSE_MS_MAX = 2_000;
const LOOK_EVERY_MS = 250;
/** A file that says nothing new is written all the same, so that its time is not far from the truth. */
const WRITE_EVERY_MS = 30_000;

export type JournalEvent =
  | ShutEvent
  | { readonly level: "error"; readonly what: "store-away"; readonly lines: number; readonly error: string }
  | { readonly level: "warn"; readonly what: "store-back"; readonly shut: number }
  | { readonly level: "warn"; readonly what: "journal-full"; readonly lines: number }
  | { readonly level: "error"; readonly what: "journal-not-told"; readonly grant: GrantId; readonly error: string }
  | { readonly level: "error"; readonly what: "journal-not-kept"; readonly error: string };

/** How it is while the store is away. */
export type Away = { readonly lines: number; readonly shut: number };

export type Journal = {
  /** Something changed: read again soon. */
  wake(): void;
  /** Null while the store answers. */
  away(): Away | null;
  /** For those who watch over it. */
  state(): JournalFacts;
  /** Once the store was read for the first time, or did not answer. */
  firstRead(): Promise<void>;
  stop(): Promise<void>;
};

export type JournalOptions = {
  /** Null: there is no store at all yet, and only what the file holds counts. */
  readonly source: JournalSource | null;
  /** Tells the ledger of one that was shut. */
  readonly report: (shut: Shut) => Promise<void>;
  /** Null: nothing is kept on disk. */
  readonly file: JournalFile | null;
  readonly sealing: KeyRing;
  /** Null: as the file says. */
  readonly installation: InstallationId | null;
  readonly connectors: Connectors;
  readonly clock: Timers;
  readonly chance: Chance;
  readonly bootNow: () => Boot | null;
  readonly log: (event: JournalEvent) => void;
  readonly horizonMs?: number;
  readonly awayAfterMs?: number;
};

/**
 * Answers once the store was told what an earlier process had shut, or did not answer. Where nothing was shut it is read a
 * little later, as after any pause: thousands of lines would keep a start waiting.
 */
export async function startJournal(options: JournalOptions): Promise<Journal> {
  const keeper = new Keeper(options);
  await keeper.start();
  return keeper;
}

type Kept = Pick<JournalContent, "lines" | "texts">;
type Written = { readonly lines: readonly JournalLine[]; readonly rest: string };

/** A line that has not changed is the same one (`LineMaker`), and with it the texts that it leads to. */
const saysTheSame = (now: Written, before: Written | null): boolean =>
  before !== null &&
  now.rest === before.rest &&
  now.lines.length === before.lines.length &&
  now.lines.every((line, i) => line === before.lines[i]);

class Keeper implements Journal {
  readonly #options: JournalOptions;
  readonly #time: DatabaseClock;
  readonly #shutter: Shutter;
  #installation: InstallationId | null;
  readonly #maker = new LineMaker();
  #kept: Kept = { lines: [], texts: [] };
  #shut: Shut[] = [];
  #written: Written | null = null;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> = Promise.resolve();
  #troubled = false;
  #full = false;
  #heardMs: number;
  #isAway = false;
  #lastError = "";
  #stopping = false;
  #woken = false;
  #wakeUp: () => void = () => undefined;
  readonly #hasRead = Promise.withResolvers<void>();
  #loop: Promise<void> = Promise.resolve();
  #stopLooking: () => void = () => undefined;

  constructor(options: JournalOptions) {
    const { clock, bootNow, connectors, chance, log } = options;
    this.#options = options;
    this.#time = new DatabaseClock(clock, bootNow);
    this.#installation = options.installation;
    this.#heardMs = options.source === null ? Number.NEGATIVE_INFINITY : clock.monotonicMs();
    this.#shutter = new Shutter({
      ...{ connectors, clock, chance, log },
      begun: async (grant) => {
        await this.#note(grant, false);
        await failpoint("journal.shut.after-begun");
      },
      done: async (grant) => {
        await this.#note(grant, true);
        await failpoint("journal.shut.after-done");
      },
    });
  }

  async start(): Promise<void> {
    await this.#resume();
    if (this.#shut.length > 0) await this.#read();
    this.#look();
    this.#stopLooking = every(this.#options.clock, LOOK_EVERY_MS, () => this.#look());
    if (this.#options.source !== null) this.#loop = this.#run();
    else this.#hasRead.resolve();
  }

  firstRead(): Promise<void> {
    return this.#hasRead.promise;
  }

  wake(): void {
    this.#woken = true;
    this.#wakeUp();
  }

  away(): Away | null {
    if (!this.#isAway) return null;
    return { lines: this.#kept.lines.length, shut: this.#shut.filter(({ doneMs }) => doneMs !== null).length };
  }

  state(): JournalFacts {
    const { clock, file } = this.#options;
    return {
      ageMs: Math.max(0, clock.monotonicMs() - this.#heardMs),
      grants: this.#kept.lines.length,
      atWork: this.#isAway,
      unkept: file === null || this.#troubled,
      full: this.#full,
    };
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#stopLooking();
    this.wake();
    await this.#loop;
    this.#hasRead.resolve();
    // For whoever comes next and finds no store.
    await this.#read();
    await this.#shutter.stop();
    await this.#writing;
    await this.#options.source?.close();
    await this.#options.file?.close();
  }

  /** What an earlier process kept: its lines count until the store has answered, what it shut until that was told. */
  async #resume(): Promise<void> {
    const { file, sealing, log } = this.#options;
    try {
      const bytes = (await file?.read()) ?? null;
      if (bytes === null) return;
      const { installation, moment, lines, texts, shut } = await openContent(sealing, bytes);
      if (this.#installation !== null && this.#installation !== installation) return;
      this.#installation = installation;
      this.#kept = { lines, texts };
      this.#shut = shut;
      this.#time.resume(moment);
    } catch (error) {
      log({ level: "error", what: "journal-not-kept", error: `what was kept cannot be read: ${messageOf(error)}` });
    }
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stopping) {
      await this.#sleep(READ_EVERY_MS);
      if (this.#stopping) return;
      const beganMs = clock.monotonicMs();
      this.#woken = false;
      await this.#read();
      this.#hasRead.resolve();
      const tookMs = clock.monotonicMs() - beganMs;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wakeUp = () => (this.#stopping ? resolve() : undefined);
      const pauseMs = Math.max(READ_AGAIN_MS * (this.#kept.lines.length / LINES_PER_READ_AGAIN), tookMs * SHARE);
      const called = clock.after(Math.min(READ_PAUSE_MS_MAX, Math.max(READ_AGAIN_MS, pauseMs)), resolve);
      await promise;
      called();
    }
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#woken || this.#stopping) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const called = this.#options.clock.after(ms, resolve);
    this.#wakeUp = resolve;
    await promise;
    called();
  }

  async #read(): Promise<void> {
    const { source, clock, log, horizonMs = JOURNAL_HORIZON_MS } = this.#options;
    if (source === null) return;
    try {
      const endings = await source.read(horizonMs, JOURNAL_LINES_MAX);
      this.#time.heard(endings.databaseMs);
      this.#heardMs = clock.monotonicMs();
      this.#kept = this.#maker.linesOf(endings);
      if (endings.more && !this.#full) log({ level: "warn", what: "journal-full", lines: JOURNAL_LINES_MAX });
      this.#full = endings.more;
    } catch (error) {
      this.#lastError = messageOf(error);
      return;
    }
    await this.#tell();
    if (this.#isAway) {
      this.#isAway = false;
      this.#shutter.forget();
      log({ level: "warn", what: "store-back", shut: this.#shut.length });
    }
    await this.#write();
  }

  /** The ledger hears of every one that was shut or begun; what is under way just now, at the next reading. */
  async #tell(): Promise<void> {
    const { log } = this.#options;
    for (const one of [...this.#shut]) {
      if (this.#shutter.isRunning(one.grant)) continue;
      try {
        await this.#options.report(one);
        await failpoint("journal.report.after-commit");
        this.#shut = this.#shut.filter((other) => other !== one);
      } catch (error) {
        // It stays in the journal, and is told at the next reading.
        log({ level: "error", what: "journal-not-told", grant: one.grant, error: messageOf(error) });
      }
    }
  }

  #look(): void {
    const { clock, log, awayAfterMs = AWAY_AFTER_MS } = this.#options;
    if (this.#stopping || clock.monotonicMs() - this.#heardMs < awayAfterMs) return;
    if (!this.#isAway) {
      this.#isAway = true;
      log({ level: "error", what: "store-away", lines: this.#kept.lines.length, error: this.#lastError });
    }
    const nowMs = this.#time.nowMs();
    const content = this.#content();
    if (nowMs !== null && content !== null) this.#shutter.look(content, nowMs);
  }

  /** Before anything is done, and after it was: on disk, as far as the disk allows. */
  async #note(grant: GrantId, isDone: boolean): Promise<void> {
    const nowMs = this.#time.nowMs() ?? 0;
    const known = this.#shut.find((one) => one.grant === grant);
    const now = { grant, begunMs: known?.begunMs ?? nowMs, doneMs: isDone ? nowMs : (known?.doneMs ?? null) };
    this.#shut = [...this.#shut.filter((one) => one !== known), now];
    await this.#write();
  }

  #content(): JournalContent | null {
    const moment = this.#time.moment();
    if (moment === null || this.#installation === null) return null;
    return { v: 1, installation: this.#installation, moment, ...this.#kept, shut: this.#shut };
  }

  #write(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#writeNow());
    return this.#writing;
  }

  async #writeNow(): Promise<void> {
    const { file, sealing, clock, log } = this.#options;
    const content = this.#content();
    if (file === null || content === null) return;
    const { lines, shut } = content;
    const now: Written = { lines, rest: JSON.stringify([sealing.current.id, shut]) };
    if (saysTheSame(now, this.#written) && clock.monotonicMs() - this.#writtenMs < WRITE_EVERY_MS) return;
    try {
      await file.write(await sealContent(sealing, content));
      this.#written = now;
      this.#writtenMs = clock.monotonicMs();
      this.#troubled = false;
    } catch (error) {
      // It goes on from memory; only a process that dies now would know less.
      if (!this.#troubled) log({ level: "error", what: "journal-not-kept", error: messageOf(error) });
      this.#troubled = true;
    }
  }
}

const messageOf = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error);
  // Several addresses that all refused come as one error without words.
  return message === "" && error instanceof AggregateError ? error.errors.map(String).join("; ") : message;
};
