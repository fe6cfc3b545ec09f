/**
 * Has the store parse and plan each statement once for a connection, not at every call: of what a small statement costs,
 * the plan is the larger part (measured: docs/rfd/0003-how-fast.md).
 *
 * A prepared `select *` fails when a migration changed what it answers with, as during a rolling upgrade. That happens
 * once: from then on every statement has a new name, on every connection. `isStalePlan` tells whoever may simply go again.
 */
import pg from "pg";

/** More than the program has; lists of varying length make more, and what lies beyond is planned each time. */
const STATEMENTS_MAX = 400;

/** `begin`, `select clock_timestamp()` and their like. */
const SMALL_CHARS = 200;

let generation = 0;
const names = new Map<string, string>();

function nameOf(text: string): string | null {
  const known = names.get(text);
  if (known !== undefined || names.size >= STATEMENTS_MAX) return known ?? null;
  const name = `tidegate_${generation}_${names.size}`;
  names.set(text, name);
  return name;
}

/** The plan that the connection kept answers with other columns than the tables have now. */
export const isStalePlan = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && error.code === "0A000" && error.routine === "RevalidateCachedQuery";

function forgetStale(error: unknown): never {
  if (isStalePlan(error)) {
    generation += 1;
    names.clear();
  }
  throw error;
}

/** What nobody reads. */
const BEGUN = { command: "BEGIN", rowCount: null, rows: [] };

/** Must be made with `pipeline`: the start of a transaction goes to the store together with its first statement. */
export class PreparingClient extends pg.Client {
  #beginning: Promise<unknown> | null = null;

  override query(...args: unknown[]): never {
    const [text, values, ...more] = args;
    // A callback or a config object is not how Kysely asks.
    const asked = typeof text === "string" && Array.isArray(values) && more.length === 0;
    if (!asked) return super.query(...(args as [string])) as never;
    return (text === "begin" ? this.#begin() : this.#ask(text, values)) as never;
  }

  /** Answers at once. Whether it worked, whoever asks next is told. */
  async #begin(): Promise<typeof BEGUN> {
    const { stream } = this.connection;
    stream.cork();
    process.nextTick(() => stream.uncork());
    this.#beginning = super.query("begin");
    this.#beginning.catch(() => undefined);
    return BEGUN;
  }

  async #ask(text: string, values: unknown[]): Promise<unknown> {
    const beginning = this.#beginning;
    this.#beginning = null;
    // Small statements without parameters cost little to plan.
    const name = values.length > 0 || text.length > SMALL_CHARS ? nameOf(text) : null;
    const answer = name === null ? super.query(text, values) : super.query({ name, text, values }).catch(forgetStale);
    return beginning === null ? answer : (await Promise.all([answer, beginning]))[0];
  }
}
