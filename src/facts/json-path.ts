/**
 * Where something stands in an answer: `schedules[].on_call[].user.email`. A name goes into an object, `[]` into every
 * member of a list. What a path leads to must be there: an answer of another shape says nothing.
 */
import { z } from "zod";
import type { Json } from "../base/canonical.ts";
import { SourceError } from "./source.ts";

const NAME = "[A-Za-z0-9_@$-]+";
const ONE = new RegExp(`^${NAME}(\\.${NAME})*$`);
const MANY = new RegExp(`^(\\[\\]|${NAME}(\\[\\])*)(\\.${NAME}(\\[\\])*)*$`);

/** A path to one value. */
export const pathToOne = (what: string) =>
  z
    .string()
    .max(200)
    .regex(ONE, { error: "write names with dots between them, as in user.email" })
    .meta({ description: what, examples: ["user.email"] });

/** A path to every one of several values. */
export const pathToMany = (what: string) =>
  z
    .string()
    .max(200)
    .regex(MANY, { error: "write names with dots between them and [] behind a list, as in schedules[].on_call[]" })
    .meta({ description: what, examples: ["schedules[].on_call[]"] });

/** Everything that the path leads to. */
export function allAt(answer: Json, path: string): readonly Json[] {
  let found: readonly Json[] = [answer];
  for (const step of path.replaceAll("[]", ".[]").split(".")) {
    if (step === "") continue;
    found = step === "[]" ? found.flatMap((one) => listOf(one, path)) : found.map((one) => memberOf(one, step, path));
  }
  return found;
}

export const oneAt = (answer: Json, path: string): Json => allAt(answer, path)[0] ?? null;

function listOf(value: Json, path: string): readonly Json[] {
  if (Array.isArray(value)) return value;
  throw new SourceError("unexpected", `answered with something else than a list at ${path}`);
}

function memberOf(value: Json, name: string, path: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, name))
    return value[name] ?? null;
  throw new SourceError("unexpected", `answered without ${path}`);
}
