/**
 * Asks sources: each question once at a time, with one deadline, and keeps the answer for as long as its source allows. A
 * failure is kept for a moment too, so that a service that hangs does not hold up everybody, one after another.
 */
import type { JsonObject } from "../base/canonical.ts";
import type { Clock } from "../base/clock.ts";
import type { FactSource } from "../domain/fact-sources.ts";
import type { SourceFacts } from "../domain/health-facts.ts";
import { askJson } from "./ask.ts";
import { type Ask, SourceError, type SourceFault } from "./source.ts";

const FAILURE_KEPT_MS = 2_000;
const ANSWERS_KEPT_MAX = 2_000;

type SourceRole = SourceFacts["role"];

export type DeskOptions = {
  /** The connection with its secrets put in; throws a `SourceError` where one is missing. */
  readonly resolve: (connection: JsonObject) => JsonObject;
  readonly clock: Clock;
  /** Told when a source begins to fail, and when it answers again. */
  readonly log: (level: "warn" | "info", what: string, facts: Readonly<Record<string, string>>) => void;
};

/** An answer, and how old it is; or why there is none. */
export type Looked<T> =
  | { readonly ok: true; readonly value: T; readonly ageMs: number }
  | { readonly ok: false; readonly fault: SourceFault; readonly why: string };

type Outcome = { readonly value: unknown; readonly ageMs: number } | { readonly error: SourceError };
type Kept = { readonly askedMs: number; readonly pending: Promise<Outcome>; outcome: Outcome | null };

export class Desk {
  readonly #options: DeskOptions;
  readonly #kept = new Map<string, Kept>();
  readonly #busyUntil = new Map<string, number>();
  readonly #health = new Map<string, SourceFacts>();

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /**
   * `how` is given the connection and what to ask with; `about` tells this question from others to the same source. `anew`: an
   * answer that was kept is not good enough.
   */
  async look<T>(
    role: SourceRole,
    source: FactSource,
    about: string,
    how: (connection: JsonObject, ask: Ask) => Promise<T>,
    { anew = false }: { readonly anew?: boolean } = {},
  ): Promise<Looked<T>> {
    const key = JSON.stringify([role, source, about]);
    const known = this.#kept.get(key);
    const kept =
      known !== undefined && this.#isGood(known, anew ? 0 : source.maxAgeMs)
        ? known
        : this.#ask(key, role, source, how);
    const outcome = await kept.pending;
    const ageMs = this.#options.clock.monotonicMs() - kept.askedMs;
    if ("error" in outcome)
      return { ok: false, fault: outcome.error.fault, why: `${source.name} ${outcome.error.message}` };
    return { ok: true, value: outcome.value as T, ageMs: Math.ceil(ageMs + outcome.ageMs) };
  }

  /** Of these sources, in this order; one that was never asked counts as well. */
  health(role: SourceRole, sources: readonly FactSource[]): SourceFacts[] {
    return sources.map(({ name }) => this.#healthOf(role, name));
  }

  #isGood({ askedMs, outcome }: Kept, maxAgeMs: number): boolean {
    if (outcome === null) return true;
    const ageMs = this.#options.clock.monotonicMs() - askedMs;
    return "error" in outcome ? ageMs < FAILURE_KEPT_MS : ageMs + outcome.ageMs < maxAgeMs;
  }

  #ask<T>(
    key: string,
    role: SourceRole,
    source: FactSource,
    how: (connection: JsonObject, ask: Ask) => Promise<T>,
  ): Kept {
    const askedMs = this.#options.clock.monotonicMs();
    const kept: Kept = { askedMs, outcome: null, pending: this.#outcome(role, source, askedMs, how) };
    void kept.pending.then((outcome) => {
      kept.outcome = outcome;
    });
    // The newest last: what is looked at least recently is forgotten first.
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > ANSWERS_KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest);
    return kept;
  }

  async #outcome<T>(
    role: SourceRole,
    source: FactSource,
    askedMs: number,
    how: (connection: JsonObject, ask: Ask) => Promise<T>,
  ): Promise<Outcome> {
    const { clock, resolve } = this.#options;
    const busy = `${role} ${source.name}`;
    let olderMs = 0;
    const ask: Ask = async (question) => {
      const leftMs = source.timeoutMs - (clock.monotonicMs() - askedMs);
      const { body, ageMs } = await askJson(question, { timeoutMs: source.timeoutMs, leftMs });
      olderMs = Math.max(olderMs, ageMs);
      return body;
    };
    try {
      if (askedMs < (this.#busyUntil.get(busy) ?? 0)) throw new SourceError("busy", "wants to be asked less often");
      const value = await how(resolve(source.connection), ask);
      if (olderMs >= source.maxAgeMs) throw new SourceError("stale", "answered with what is out of date");
      this.#answered(role, source.name);
      return { value, ageMs: olderMs };
    } catch (error) {
      // A source that throws something else has met an answer that its author did not think of.
      const fault =
        error instanceof SourceError ? error : new SourceError("unexpected", "gave an answer of another shape");
      if (fault.retryAfterMs !== null) this.#busyUntil.set(busy, clock.monotonicMs() + fault.retryAfterMs);
      this.#failed(role, source.name, fault);
      return { error: fault };
    }
  }

  #healthOf(role: SourceRole, name: string): SourceFacts {
    return this.#health.get(`${role} ${name}`) ?? { role, name, lastSuccessMs: null, failing: null, failures: {} };
  }

  #answered(role: SourceRole, name: string): void {
    const before = this.#healthOf(role, name);
    if (before.failing !== null) this.#options.log("info", "fact source answers again", { role, source: name });
    this.#health.set(`${role} ${name}`, { ...before, lastSuccessMs: this.#options.clock.nowMs(), failing: null });
  }

  #failed(role: SourceRole, name: string, { fault, message: why }: SourceError): void {
    const before = this.#healthOf(role, name);
    if (before.failing === null) this.#options.log("warn", "fact source fails", { role, source: name, why });
    this.#health.set(`${role} ${name}`, {
      ...before,
      failing: { sinceMs: before.failing?.sinceMs ?? this.#options.clock.nowMs(), why },
      failures: { ...before.failures, [fault]: (before.failures[fault] ?? 0) + 1 },
    });
  }
}
