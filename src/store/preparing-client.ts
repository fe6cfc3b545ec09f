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
const NOTHING = { command: "", rowCount: null, rows: [] };

/**
 * Begins a statement that answers nothing and is given texts and numbers alone. In a transaction it is sent with the next one, mostly the
 * commit, which fails with it; elsewhere it is waited for like any other. Where the connection breaks, nobody knows what became
 * of either, as of any commit.
 */
export const NOT_WAITED_FOR = "/* not waited for */";

/** Must be made with `pipeline`: the start of a transaction goes to the store together with its first statement. */
export class PreparingClient extends pg.Client {
  /** What was sent and not waited for. */
  #before: Promise<unknown> | null = null;
  #inTransaction = false;

  override query(...args: unknown[]): never {
    const [text, values, ...more] = args;
    // A callback or a config object is not how Kysely asks.
    const asked = typeof text === "string" && Array.isArray(values) && more.length === 0;
    if (!asked) return super.query(...(args as [string])) as never;
    if (text === "begin" || text === "commit" || text === "rollback") this.#inTransaction = text === "begin";
    const later = text === "begin" || (this.#inTransaction && text.startsWith(NOT_WAITED_FOR) && values.every(isPlain));
    return (later ? this.#leave(text, values) : this.#ask(text, values)) as never;
  }

  /** Answers at once. Whether it worked, whoever asks next is told. */
  async #leave(text: string, values: unknown[]): Promise<typeof NOTHING> {
    const { stream } = this.connection;
    stream.cork();
    process.nextTick(() => stream.uncork());
    this.#before = this.#ask(text, values);
    this.#before.catch(() => undefined);
    return NOTHING;
  }

  async #ask(text: string, values: unknown[]): Promise<unknown> {
    const before = this.#before;
    this.#before = null;
    // Small statements without parameters cost little to plan.
    const name = values.length > 0 || text.length > SMALL_CHARS ? nameOf(text) : null;
    const answer = name === null ? super.query(text, values) : super.query({ name, text, values }).catch(forgetStale);
    // A rollback works whatever failed before it, and whoever rolls back knows already.
    return before === null || text === "rollback" ? answer : inOrder(before, answer);
  }
}

/** What the client cannot send is no statement that failed: the store would commit without it. */
const isPlain = (value: unknown): boolean =>
  Array.isArray(value) ? value.every(isPlain) : value === null || typeof value !== "object";

/** The answer to the second of two statements; if the first failed, why: that everything after it is refused says nothing. */
async function inOrder(first: Promise<unknown>, second: Promise<unknown>): Promise<unknown> {
  const [before, answer] = await Promise.allSettled([first, second]);
  for (const one of [before, answer]) if (one.status === "rejected") throw one.reason;
  return second;
}
