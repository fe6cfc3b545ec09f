/** What a connector's schema said about a scope or a connection, each issue at the place of the value it is about. */
import type { z } from "zod";
import { nearest, suggest } from "../base/nearest.ts";
import { shorten, type Tree } from "./document.ts";
import type { Reading, Value } from "./reading.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Always null, for whoever reads. `clean` has the last word on a message: a connector may quote what it was given. */
export function reportIssues(
  reading: Reading,
  value: Value,
  schema: z.ZodType,
  issues: readonly Issue[],
  clean: (message: string) => string = (message) => message,
): null {
  const all = flatten(issues, []);
  for (const issue of all) {
    const { start, at, path, found } = locate(value, issue.path);
    if (issue.code === "unrecognized_keys") {
      const known = keysAt([schema], issue.path);
      for (const key of issue.keys) {
        reading.wrong(
          locate(value, [...issue.path, key]).at,
          `${path}: ${shorten(key)} is not known here`,
          suggest(key, known, "known"),
        );
      }
    } else if (issue.code === "invalid_type" && !found) {
      // Misspelt, it is reported as such.
      if (all.some((other) => misspells(other, issue.path))) continue;
      reading.wrong(at, `${path} is missing`, "");
    } else {
      reading.wrong(start, `${path}: ${clean(issue.message.replace(/^Invalid input: /, ""))}`, "");
    }
  }
  return null;
}

const misspells = (issue: Issue, missing: Path): boolean =>
  issue.code === "unrecognized_keys" &&
  issue.path.join() === missing.slice(0, -1).join() &&
  issue.keys.some((key) => nearest(key, [String(missing.at(-1))]) !== null);

/** Of a choice that nothing fits, the alternative that is nearest to fitting is the one that was meant. */
function flatten(issues: readonly Issue[], prefix: Path): Issue[] {
  return issues.flatMap((issue): Issue[] => {
    const path = [...prefix, ...issue.path];
    if (issue.code !== "invalid_union" || issue.errors.length === 0) return [{ ...issue, path }];
    const branches = issue.errors.map((branch) => flatten(branch, path));
    return branches.reduce((best, branch) => (cost(branch) < cost(best) ? branch : best));
  });
}

/** Something unknown or missing tells another shape; something wrong inside the right shape does not. */
const cost = (issues: readonly Issue[]): number =>
  issues.reduce(
    (sum, issue) =>
      sum + (issue.code === "unrecognized_keys" ? 3 * issue.keys.length : issue.code === "invalid_type" ? 2 : 1),
    0,
  );

/** Where a path leads: `start` of the value, `at` its key; for something missing, both of what should hold it. */
function locate(value: Value, steps: Path): { start: number; at: number; path: string; found: boolean } {
  let tree: Tree | null = value.tree;
  let { path, at } = value;
  let start = at;
  for (const step of steps) {
    path += typeof step === "number" ? `[${step}]` : `.${shorten(String(step))}`;
    const entry: { value: Tree; start: number } | undefined =
      tree?.kind === "map" ? tree.entries.find(({ key }) => key === String(step)) : undefined;
    const item: Tree | undefined = tree?.kind === "list" && typeof step === "number" ? tree.items[step] : undefined;
    tree = entry?.value ?? item ?? null;
    if (tree === null) continue;
    at = entry?.start ?? tree.start;
    // Under a block the value begins a line further down: its key is what a person looks for.
    start = tree.kind === "scalar" && tree.value !== null ? tree.start : at;
  }
  return { start, at, path, found: tree !== null };
}

/** The keys that an object at this path can have, as far as the schema tells. */
function keysAt(schemas: readonly z.core.$ZodType[], path: Path): string[] {
  const open = schemas.flatMap(unwrap);
  const [step, ...rest] = path;
  if (step === undefined)
    return open.flatMap((def) => (def.type === "object" ? Object.keys((def as z.core.$ZodObjectDef).shape) : []));
  const inner = open.flatMap((def): z.core.$ZodType[] => {
    if (def.type === "array") return [(def as z.core.$ZodArrayDef).element];
    const member = def.type === "object" ? (def as z.core.$ZodObjectDef).shape[String(step)] : undefined;
    return member === undefined ? [] : [member];
  });
  return inner.length === 0 ? [] : keysAt(inner, rest);
}

/** The schema without what is wrapped around it: options, defaults, transforms, alternatives. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodTypeDef[] {
  const def = schema._zod.def as z.core.$ZodTypeDef & {
    innerType?: z.core.$ZodType;
    in?: z.core.$ZodType;
    options?: z.core.$ZodType[];
  };
  const inside = [def.innerType, def.in, ...(def.options ?? [])].filter(
    (inner) => inner !== undefined && typeof inner === "object" && "_zod" in inner,
  );
  return inside.length === 0 ? [def] : inside.flatMap((inner) => (inner === undefined ? [] : unwrap(inner)));
}
