/**
 * What the typed environment of the CEL library lets through and policy must not, and how its errors are told.
 *
 * Refused, because a typo would pass the check or an evaluation could fail late: an index that is not written out,
 * `has()` (every field has a value), conversions to `dyn`, an unknown risk, a pattern, duration, time or zone that is
 * not one. Refused, because the cost would not be bounded: patterns that are not literals, functions that multiply
 * texts (`join`, `split`, `cel.bind`), one walk over a list inside another.
 */
import { TypeError as CelTypeError, EvaluationError, ParseError, type ParseResult } from "@marcbachmann/cel-js";
import { suggest } from "../base/nearest.ts";
import { RISKS } from "./entitlement.ts";
import { compilePattern, PatternError } from "./pattern.ts";

/** What is wrong with a condition; `offset` counts from its first character. */
export type ExpressionMistake = { readonly offset: number; readonly what: string; readonly hint: string };

/** The fields of each struct: `user` → `id, kind, …`; labels stand under `resource.labels`. */
export type Fields = Readonly<Record<string, readonly string[]>>;

type Node = ParseResult["ast"];
type Call = Extract<Node, { op: "rcall" }>;

const FUNCTIONS = ["size", "string", "int", "double", "duration", "timestamp"];
const MACROS = ["all", "exists", "exists_one", "filter", "map"];
const TEXT_METHODS = [
  "startsWith",
  "endsWith",
  "contains",
  "matches",
  "lowerAscii",
  "upperAscii",
  "trim",
  "substring",
  "indexOf",
  "lastIndexOf",
  "size",
];

type ZonedPart = {
  readonly part: "year" | "month" | "day" | "hour" | "minute" | "second" | "weekday";
  readonly style: "numeric" | "short";
  readonly minus: bigint;
};
/** The getters that take a time zone; months, days of the month and of the week count from 0 in CEL, `getDate` from 1. */
export const ZONED_PARTS: Readonly<Record<string, ZonedPart>> = {
  getFullYear: { part: "year", style: "numeric", minus: 0n },
  getMonth: { part: "month", style: "numeric", minus: 1n },
  getDate: { part: "day", style: "numeric", minus: 0n },
  getDayOfMonth: { part: "day", style: "numeric", minus: 1n },
  getDayOfWeek: { part: "weekday", style: "short", minus: 0n },
  getHours: { part: "hour", style: "numeric", minus: 0n },
  getMinutes: { part: "minute", style: "numeric", minus: 0n },
  getSeconds: { part: "second", style: "numeric", minus: 0n },
};
const METHODS = [...TEXT_METHODS, ...MACROS, ...Object.keys(ZONED_PARTS), "getMilliseconds"];

/** Under which names our own functions stand in for the library's. */
export const RENAMED = { matches: "matchesInBoundedTime", zoned: (method: string): string => `${method}InZone` };

/** Values that a field can have; comparing it with another text is never meant. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  "entitlement.risk": RISKS,
  "user.kind": ["user", "service"],
};

/** The first thing in a condition that is refused, or null; then calls to the functions we replace are renamed. */
export function guardExpression(
  root: Node,
  source: string,
  fields: Fields,
  tryLiteral: (text: string) => void,
): ExpressionMistake | null {
  const renames: [Call, string][] = [];
  const visit = (node: Node, insideWalk: boolean): ExpressionMistake | null => {
    const walks = node.op === "rcall" && MACROS.includes(node.args[0]);
    const refused = refuse(node, insideWalk && walks, { source, fields, tryLiteral });
    if (refused !== null) return refused;
    if (node.op === "rcall") {
      const other = replacementOf(node.args[0], node.args[2].length);
      if (other !== null) renames.push([node, other]);
    }
    for (const child of children(node)) {
      const found = visit(child, insideWalk || walks);
      if (found !== null) return found;
    }
    return null;
  };
  const mistake = visit(root, false);
  if (mistake === null) for (const [call, name] of renames) call.args[0] = name;
  return mistake;
}

function replacementOf(method: string, argumentCount: number): string | null {
  if (method === "matches") return RENAMED.matches;
  return Object.hasOwn(ZONED_PARTS, method) && argumentCount === 1 ? RENAMED.zoned(method) : null;
}

function children(node: Node): readonly Node[] {
  if (node.op === "value" || node.op === "id") return [];
  if (node.op === "." || node.op === ".?") return [node.args[0]];
  if (node.op === "call") return node.args[1];
  if (node.op === "rcall") return [node.args[1], ...node.args[2]];
  if (node.op === "map") return node.args.flat();
  return node.op === "!_" || node.op === "-_" ? [node.args] : node.args;
}

type Setting = { source: string; fields: Fields; tryLiteral: (text: string) => void };

function refuse(node: Node, nested: boolean, setting: Setting): ExpressionMistake | null {
  if (node.op === "[]" && node.args[1].op !== "value") {
    return {
      offset: node.args[1].start,
      what: "an index must be written out",
      hint: 'as in resource.labels["team"] or user.groups[0]',
    };
  }
  if (node.op === "call") return refuseCall(node, setting);
  if (node.op === "rcall") return refuseMethod(node, nested, setting);
  if (node.op === "==" || node.op === "!=" || node.op === "in")
    return refuseChoice(node.args[0], node.args[1], setting.source);
  return null;
}

function refuseCall(node: Extract<Node, { op: "call" }>, { source, tryLiteral }: Setting): ExpressionMistake | null {
  const [name, args] = node.args;
  if (name === "has") {
    const hint = 'every field has a value: compare it with "", as in request.ticket != ""';
    return { offset: node.start, what: "has() is not needed here", hint };
  }
  if (!FUNCTIONS.includes(name)) {
    return { offset: node.start, what: `${name}(): no such function`, hint: suggest(name, FUNCTIONS, "functions") };
  }
  const [only] = args;
  if ((name === "duration" || name === "timestamp") && only?.op === "value" && typeof only.args === "string") {
    try {
      tryLiteral(source.slice(node.start, node.end));
    } catch {
      const hint =
        name === "duration"
          ? 'write hours, minutes and seconds, as in duration("1h30m")'
          : 'write timestamp("2026-01-31T12:00:00Z")';
      return { offset: only.start, what: `"${only.args}" is not a ${name}`, hint };
    }
  }
  return null;
}

function refuseMethod(node: Call, nested: boolean, { source }: Setting): ExpressionMistake | null {
  const [method, receiver, args] = node.args;
  if (!METHODS.includes(method)) {
    return {
      offset: methodOffset(node, source),
      what: `${method}(): no such method`,
      hint: suggest(method, METHODS, "methods"),
    };
  }
  if (nested) {
    const what = `${method}() inside another walk over a list`;
    return {
      offset: methodOffset(node, source),
      what,
      hint: 'one at a time; "in" looks a value up in a list without walking',
    };
  }
  if (receiver.op === "id" && receiver.args === "cel")
    return { offset: receiver.start, what: "cel is not available", hint: "write the value out" };
  const [argument] = args;
  if (method === "matches" && argument !== undefined) return refusePattern(argument, source);
  if (Object.hasOwn(ZONED_PARTS, method) && argument !== undefined) return refuseZone(argument);
  return null;
}

function refusePattern(argument: Node, source: string): ExpressionMistake | null {
  if (argument.op !== "value" || typeof argument.args !== "string") {
    return {
      offset: argument.start,
      what: "a pattern must be written out as a text",
      hint: 'as in request.ticket.matches("^INC-[0-9]+$")',
    };
  }
  try {
    compilePattern(argument.args);
    return null;
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    // With an escape in the text its characters no longer stand where the pattern's do: then the text as a whole is shown.
    const at = source.indexOf(argument.args, argument.start);
    const precise =
      at > argument.start - 1 && at <= argument.start + PREFIX_CHARS_MAX ? at + error.offset : argument.start;
    return {
      offset: precise,
      what: `the pattern cannot be used: ${error.message}`,
      hint: "docs/policy.md lists what patterns can do",
    };
  }
}
/** `r"""` */
const PREFIX_CHARS_MAX = 4;

function refuseZone(argument: Node): ExpressionMistake | null {
  const hint = 'write a zone such as "Europe/Berlin", or leave it out for UTC';
  if (argument.op !== "value" || typeof argument.args !== "string") {
    return { offset: argument.start, what: "a time zone must be written out", hint };
  }
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: argument.args });
    return null;
  } catch {
    return { offset: argument.start, what: `"${argument.args}" is not a time zone`, hint };
  }
}

function refuseChoice(left: Node, right: Node, source: string): ExpressionMistake | null {
  for (const [field, other] of [
    [left, right],
    [right, left],
  ] as const) {
    const choices = CHOICES[source.slice(field.start, field.end)];
    if (field.op !== "." || choices === undefined) continue;
    for (const literal of other.op === "list" ? other.args : [other]) {
      if (literal.op !== "value" || typeof literal.args !== "string" || choices.includes(literal.args)) continue;
      const what = `${source.slice(field.start, field.end)} is never "${literal.args}"`;
      return { offset: literal.start, what, hint: suggest(literal.args, choices, "it is one of") };
    }
  }
  return null;
}

function methodOffset(node: Call, source: string): number {
  const at = source.indexOf(node.args[0], node.args[1].end);
  return at === -1 ? node.start : at;
}

/** The library's errors, in words for whoever wrote the condition. */
export function explainMistake(error: unknown, source: string, fields: Fields): ExpressionMistake {
  if (!(error instanceof ParseError || error instanceof CelTypeError || error instanceof EvaluationError)) {
    // Nothing else is expected; deep nesting can exhaust the stack of the library's parser.
    return { offset: 0, what: "the condition is too deep or too large", hint: "split it into several rules" };
  }
  const offset = Math.min(error.node?.pos ?? error.range?.start ?? 0, source.length);
  const words = readable(error.summary);
  const token = source.slice(offset, error.range?.end ?? offset);
  switch (error.code) {
    case "no_such_key":
      return explainField(offset, source, fields);
    case "unknown_variable":
      return { offset, what: `${token}: no such name`, hint: suggest(token, [...roots(fields), "now"], "names") };
    case "no_such_overload":
      return { offset, what: words, hint: overloadHint(words) };
    case "no_matching_overload":
      return { offset, what: words, hint: "the function takes other types" };
    case "unexpected_token":
      if (offset >= source.trimEnd().length)
        return { offset, what: "the condition ends too early", hint: "something is missing at the end" };
      return { offset, what: `unexpected ${token}`, hint: "something is missing before it" };
    case "expected_token":
    case "unexpected_character":
      return {
        offset,
        what: token === "" ? "the condition ends too early" : `unexpected ${token}`,
        hint: tokenHint(token, source, offset),
      };
    case "limit_exceeded":
      return { offset, what: "the condition is too deep or too large", hint: "split it into several rules" };
    case "cannot_index_type":
      return { offset, what: words, hint: "only user, resource, entitlement, request, ticket and oncall have fields" };
    default:
      return { offset, what: words, hint: "docs/policy.md shows what conditions can say" };
  }
}

const roots = (fields: Fields): string[] => Object.keys(fields).filter((name) => !name.includes("."));

/** The field starts at `offset`; what stands before it says whose it is. */
function explainField(offset: number, source: string, fields: Fields): ExpressionMistake {
  const owner = /([a-z]+(?:\s*\.\s*labels)?)\s*(?:\.|\[)\s*$/.exec(source.slice(0, offset))?.[1]?.replaceAll(/\s/g, "");
  const bracketed = /^([a-z]+(?:\.labels)?)\s*\[\s*["']([^"']*)/.exec(source.slice(offset));
  const name = bracketed?.[2] ?? /^\w+/.exec(source.slice(offset))?.[0] ?? "";
  const whose = bracketed?.[1] ?? owner ?? "";
  const known = fields[whose] ?? [];
  if (whose === "resource.labels") {
    return { offset, what: `${whose}.${name}: no resource has this label`, hint: suggest(name, known, "labels") };
  }
  return { offset, what: `${whose}.${name}: no such field`, hint: suggest(name, known, `${whose} has`) };
}

const readable = (summary: string): string =>
  summary
    .replaceAll("google.protobuf.", "")
    .replaceAll(/\$([a-z])/g, "$1")
    .replaceAll(RENAMED.matches, "matches")
    .replaceAll("InZone(", "(")
    .replace(/^no such overload: /, "these types do not go together: ")
    .replace(/^found no matching overload for '(.*)'$/, "no such call: $1");

function overloadHint(words: string): string {
  if (words.endsWith("string in string")) return '"in" looks into a list; for a text write a.contains("b")';
  if (/ in \w/.test(words)) return '"in" takes a list on its right, as in "sre" in user.groups';
  if (/int == string|string == int|int != string|string != int/.test(words))
    return "numbers are written without quotes, texts with them";
  if (words.includes("Duration")) return 'write durations as duration("2h")';
  if (words.includes("Timestamp")) return 'write times as timestamp("2026-01-31T12:00:00Z")';
  return "both sides must have types that go together";
}

function tokenHint(token: string, source: string, offset: number): string {
  const words: Record<string, string> = {
    and: "write && for and",
    or: "write || for or",
    not: "write ! for not",
    "=": "compare with ==",
    "&": "write && for and",
    "|": "write || for or",
  };
  return (
    words[token] ??
    words[source[offset] ?? ""] ??
    "an operator such as && or == is missing before it, or a bracket does not close"
  );
}
