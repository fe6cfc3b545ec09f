/**
 * Shuts what the journal says is due while our own store is away: logins off, sessions ended, nothing removed. Each grant
 * is tried until it works and once more after the time in which a paused worker could have undone it; a target that does
 * not answer keeps only its own grants waiting.
 */
import type { Chance } from "../base/chance.ts";
import type { Timers } from "../base/clock.ts";
import type { GrantId, InstallationId } from "../base/ids.ts";
import { type Order, TargetError } from "../connector/connector.ts";
import { backoffMs } from "./execute.ts";
import { type Connectors, withTarget } from "./host.ts";
import type { JournalContent, JournalLine } from "./journal-content.ts";
import { refuseOther, resolved } from "./on-target.ts";

export type ShutEvent = {
  readonly level: "warn" | "error";
  readonly what: "journal-shut" | "journal-cannot-shut";
  readonly grant: GrantId;
  readonly error?: string;
  readonly overdueMs: number;
};

export type ShutterOptions = {
  readonly connectors: Connectors;
  readonly clock: Timers;
  readonly chance: Chance;
  readonly log: (event: ShutEvent) => void;
  /** Written down before anything is done to the grant's access, and after it was done. */
  readonly begun: (grant: GrantId) => Promise<void>;
  readonly done: (grant: GrantId) => Promise<void>;
};

const PER_TARGET = 4;
const ALL = 32;
/** Longer than any claim lives: whoever still worked on the grant when the store went away has stopped by then. */
const AGAIN_AFTER_MS = 5_000;

type Progress = { attempts: number; passes: number; notBeforeMs: number; running: boolean };

export class Shutter {
  readonly #options: ShutterOptions;
  readonly #progress = new Map<GrantId, Progress>();
  readonly #running = new Map<string, number>();
  readonly #abort = new AbortController();
  readonly #flights = new Set<Promise<void>>();

  constructor(options: ShutterOptions) {
    this.#options = options;
  }

  /** Begins with everything that is due at this database time and not under way. */
  look(content: JournalContent, nowMs: number): void {
    const nowHereMs = this.#options.clock.monotonicMs();
    for (const line of content.lines) {
      if ((line.endsMs ?? 0) > nowMs) continue;
      const progress = this.#progressOf(line.grant);
      if (progress.running || progress.passes >= 2 || nowHereMs < progress.notBeforeMs) continue;
      const here = this.#running.get(line.target.identity) ?? 0;
      if (here >= PER_TARGET || (this.#flights.size >= ALL && here > 0)) continue;
      this.#launch(line, content, nowMs, progress);
    }
  }

  isRunning(grant: GrantId): boolean {
    return this.#progress.get(grant)?.running === true;
  }

  /** The store is back: what comes after the next time it goes away is looked at anew. */
  forget(): void {
    for (const [grant, { running }] of this.#progress) if (!running) this.#progress.delete(grant);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#flights);
  }

  #progressOf(grant: GrantId): Progress {
    const known = this.#progress.get(grant);
    if (known !== undefined) return known;
    const fresh = { attempts: 0, passes: 0, notBeforeMs: 0, running: false };
    this.#progress.set(grant, fresh);
    return fresh;
  }

  #launch(line: JournalLine, content: JournalContent, nowMs: number, progress: Progress): void {
    const { identity } = line.target;
    progress.running = true;
    this.#running.set(identity, (this.#running.get(identity) ?? 0) + 1);
    const flight = this.#fly(line, content, nowMs, progress).finally(() => {
      progress.running = false;
      this.#running.set(identity, (this.#running.get(identity) ?? 1) - 1);
      this.#flights.delete(flight);
    });
    this.#flights.add(flight);
  }

  async #fly(line: JournalLine, content: JournalContent, nowMs: number, progress: Progress): Promise<void> {
    const { clock, chance, log, begun, done } = this.#options;
    const { grant } = line;
    const overdueMs = line.endsMs === null ? 0 : Math.max(0, Math.round(nowMs - line.endsMs));
    try {
      if (progress.passes === 0) await begun(grant);
      await this.#shut(line, content, nowMs);
      if (progress.passes === 0) {
        await done(grant);
        log({ level: "warn", what: "journal-shut", grant, overdueMs });
      }
      progress.passes += 1;
      progress.attempts = 0;
      progress.notBeforeMs = clock.monotonicMs() + AGAIN_AFTER_MS;
    } catch (error) {
      progress.notBeforeMs = clock.monotonicMs() + backoffMs(progress.attempts, chance);
      progress.attempts += 1;
      const message = error instanceof Error ? error.message : String(error);
      log({ level: "error", what: "journal-cannot-shut", grant, error: message, overdueMs });
    }
  }

  /** By the best way that reaches the recorded target. */
  async #shut(line: JournalLine, content: JournalContent, nowMs: number): Promise<void> {
    const { connectors, clock } = this.#options;
    const connector = connectors.byKind.get(line.kind);
    if (connector === undefined) throw new TargetError("not-supported", `there is no connector ${line.kind} here`);
    const actor = { installation: content.installation, grant: null, fence: 0 };
    const keep = line.standing || (line.coveredUntilMs ?? 0) > nowMs;
    let first: unknown = null;
    for (const { at, references } of line.ways) {
      let reached = false;
      try {
        const text = content.texts[at] ?? {};
        const connection = references ? resolved(connectors, text) : text;
        return await withTarget(clock, connector, connection, actor, this.#abort.signal, async (target) => {
          refuseOther(line.target, await target.identify());
          reached = true;
          await target.disable(orderOf(line, content), { keep });
        });
      } catch (error) {
        if (reached || !(error instanceof TargetError)) throw error;
        first ??= error;
      }
    }
    throw first ?? new TargetError("cannot-sign-in", "the journal knows no way to the target");
  }
}

function orderOf(line: JournalLine, content: JournalContent): Order<unknown> {
  const { grant, scopeHash, account, names, details } = line;
  return {
    installation: content.installation as InstallationId,
    grant,
    scope: content.texts[line.scope] ?? {},
    scopeHash,
    principal: account,
    names,
    details,
    remember: async () => {
      throw new Error("the store is away: nothing can be remembered");
    },
  };
}
