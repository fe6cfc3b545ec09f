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

export class PreparingClient extends pg.Client {
  override query(...args: unknown[]): never {
    const [text, values, ...more] = args;
    // A callback or a config object is not how Kysely asks. Small statements without parameters cost little to plan.
    const asked = typeof text === "string" && Array.isArray(values) && more.length === 0;
    const plain = asked && (values.length > 0 || text.length > SMALL_CHARS);
    const name = plain ? nameOf(text) : null;
    if (name === null) return super.query(...(args as [string])) as never;
    return super.query({ name, text: text as string, values: values as unknown[] }).catch(forgetStale) as never;
  }
}
