/**
 * Conditions of policy: CEL with a typed environment, narrowed so that every one of them ends soon.
 *
 * The environment is closed. A field that does not exist, a text where a number belongs, a label that no resource has:
 * each fails the check, and what passes it can still only fail closed. What the library would let through is refused
 * in `expression-guard.ts`, together with what could make one evaluation cost more than a moment.
 */
import { Environment, type ParseResult, serialize } from "@marcbachmann/cel-js";
import { assert } from "../base/assert.ts";
import { askedByNobody, bindings, type Circumstances, type Offered } from "./circumstances.ts";
import type { Entitlement } from "./entitlement.ts";
import {
  type ExpressionMistake,
  explainMistake,
  type Fields,
  guardExpression,
  RENAMED,
  ZONED_PARTS,
} from "./expression-guard.ts";
import { compilePattern } from "./pattern.ts";

export type Expression = {
  readonly text: string;
  /** Whether it is so. Throws what goes wrong: the caller decides what an error means. */
  test(circumstances: Circumstances): boolean;
  /**
   * Null where it is so; else, for people, the first part of `a && b && c` that is not true, or the whole text where there
   * is only one part. Throws as `test` does.
   */
  unmet(circumstances: Circumstances): string | null;
  /** All that `unmet` may answer. */
  readonly unmets: readonly string[];
  /** Whether a part of it, that looks at nothing but these two, is false: then it holds for nobody, at no time. */
  neverHoldsFor(offered: Offered): boolean;
};

type CompiledExpression =
  | { readonly ok: true; readonly expression: Expression }
  | { readonly ok: false; readonly mistake: ExpressionMistake };

export type ExpressionCompiler = (text: string) => CompiledExpression;

const EXPRESSION_CHARS_MAX = 4_000;

export const LIMITS = { maxAstNodes: 500, maxDepth: 40, maxListElements: 200, maxMapEntries: 50, maxCallArguments: 4 };
const TIMESTAMP = "google.protobuf.Timestamp";
const DURATION = "google.protobuf.Duration";

/** The names a condition can use and their types. `docs/policy.md` shows the same table. */
const SCHEMA = {
  user: {
    id: "string",
    kind: "string",
    name: "string",
    display_name: "string",
    email: "string",
    type: "string",
    groups: "list<string>",
    manager: "string",
  },
  entitlement: { name: "string", ref: "string", title: "string", risk: "string", max_duration: DURATION },
  request: {
    reason: "string",
    ticket: "string",
    emergency: "bool",
    extension: "bool",
    duration: DURATION,
    start: TIMESTAMP,
  },
  oncall: { tier: "int", known: "bool" },
  ticket: {
    ...{ id: "string", known: "bool", exists: "bool", open: "bool", closed: "bool" },
    ...{ status: "string", assignee: "string", mine: "bool" },
  },
  history: { open: "int", open_here: "int", recent: "int", recent_here: "int", unreviewed: "int" },
};
const RESOURCE = { name: "string", title: "string", connector: "string", owners: "list<string>" };

/** A compiler for one configuration: `labels` are all that some resource has, and each is `""` where it is missing. */
export function expressionCompiler(labels: Iterable<string>): ExpressionCompiler {
  const known = [...new Set(labels)].sort();
  const environment = makeEnvironment(known);
  const fields: Record<string, readonly string[]> = {
    resource: [...Object.keys(RESOURCE), "labels"],
    "resource.labels": known,
  };
  for (const [name, members] of Object.entries(SCHEMA)) fields[name] = Object.keys(members);

  const parts = new Map<string, Part>();
  // One question is put to many rules: what CEL sees of it is made once, and so is each part that several of them ask.
  const questions = new WeakMap<Circumstances, Question>();
  const questionOf = (circumstances: Circumstances): Question => {
    const asked = questions.get(circumstances);
    if (asked !== undefined) return asked;
    const question = questionFor(circumstances, known, parts.size);
    questions.set(circumstances, question);
    return question;
  };
  const offers = new WeakMap<Entitlement, Question>();
  const offeredOf = (offered: Offered): Question => {
    const question = offers.get(offered.entitlement) ?? questionFor(askedByNobody(offered), known, parts.size);
    offers.set(offered.entitlement, question);
    return question;
  };
  const partOf = (text: string): Part => {
    const part = parts.get(text) ?? { text, nth: parts.size, ...compilePart(environment, text, fields) };
    parts.set(text, part);
    return part;
  };

  const check = (text: string): CompiledExpression => {
    const compiled = environment.parse(text);
    const written = conjuncts(compiled.ast).map((node) => textOf(environment, node, text));
    const refused = guardExpression(compiled.ast, text, fields, (literal) => void environment.evaluate(literal));
    if (refused !== null) return { ok: false, mistake: refused };
    const checked = compiled.check();
    if (!checked.valid) return { ok: false, mistake: explainMistake(checked.error, text, fields) };
    if (checked.type !== "bool") return { ok: false, mistake: notBoolean(checked.type, compiled.ast.start) };
    const conjoined = written.map(partOf);
    const test = (circumstances: Circumstances): boolean => run(compiled, questionOf(circumstances));
    // A part that is false makes the whole false, also where another fails: mostly the whole need not be asked.
    const unmet = (circumstances: Circumstances): string | null => {
      const question = questionOf(circumstances);
      const part = conjoined.find((one) => isFalse(one, question));
      return part?.text ?? (run(compiled, question) ? null : text);
    };
    const fixed = conjoined.filter((part) => part.isFixed);
    const neverHoldsFor = (offered: Offered): boolean => {
      const question = offeredOf(offered);
      return fixed.some((part) => isFalse(part, question));
    };
    const unmets = [...conjoined.map((part) => part.text), text];
    return { ok: true, expression: { text, test, unmet, unmets, neverHoldsFor } };
  };

  return (text) => {
    if (text.length > EXPRESSION_CHARS_MAX) {
      const what = `the condition is longer than ${EXPRESSION_CHARS_MAX} characters`;
      return { ok: false, mistake: { offset: 0, what, hint: "split it into several rules" } };
    }
    try {
      return check(text);
    } catch (error) {
      return { ok: false, mistake: explainMistake(error, text, fields) };
    }
  };
}

function notBoolean(type: string | undefined, offset: number): ExpressionMistake {
  const what = `the condition gives a ${(type ?? "nothing").replace("$", "")}, not true or false`;
  return { offset, what, hint: 'compare it with something, as in user.type == "employee"' };
}

/** Circumstances as CEL sees them, or why it cannot, and what the parts of conditions said to them, by their `nth`. */
type Question = {
  readonly bound: { readonly bindings: ReturnType<typeof bindings> } | { readonly error: unknown };
  readonly answers: Uint8Array;
};
/** What a part said: nothing yet, that it is false, or anything else. */
const [UNASKED, FALSE, NOT_FALSE] = [0, 1, 2];
/** One side of `a && b`, the same in every condition of the compiler. */
type Part = {
  readonly text: string;
  readonly nth: number;
  /** Null where it cannot stand alone; then it is only not shown. */
  readonly compiled: ParseResult | null;
  /** It looks at nothing but resource and entitlement. */
  readonly isFixed: boolean;
};

function questionFor(circumstances: Circumstances, labels: readonly string[], parts: number): Question {
  const answers = new Uint8Array(parts);
  try {
    return { bound: { bindings: bindings(circumstances, labels) }, answers };
  } catch (error) {
    return { bound: { error }, answers };
  }
}

function run(compiled: ParseResult, { bound }: Question): boolean {
  if ("error" in bound) throw bound.error;
  const answer: unknown = compiled(bound.bindings);
  assert(typeof answer === "boolean", "a condition answered with something that is neither true nor false");
  return answer;
}

/** False is certain; a part that fails, or cannot stand alone, is not. */
function isFalse({ compiled, nth }: Part, question: Question): boolean {
  const known = question.answers[nth] ?? UNASKED;
  if (known !== UNASKED) return known === FALSE;
  let unmet = false;
  try {
    unmet = compiled !== null && !run(compiled, question);
  } catch {}
  question.answers[nth] = unmet ? FALSE : NOT_FALSE;
  return unmet;
}

type AstNode = ParseResult["ast"];

/** The sides of the outermost `&&`s, from left to right. */
const conjuncts = (node: AstNode): AstNode[] =>
  node.op === "&&" ? [...conjuncts(node.args[0]), ...conjuncts(node.args[1])] : [node];

/** A part as it was written; where parentheses make that ambiguous, as the library writes it. */
function textOf(environment: Environment, node: AstNode, whole: string): string {
  const written = whole.slice(node.start, node.end);
  const canonical = serialize(node);
  try {
    return serialize(environment.parse(written).ast) === canonical ? written : canonical;
  } catch {
    return canonical;
  }
}

/** A part of a condition that was checked as a whole. */
function compilePart(environment: Environment, text: string, fields: Fields): Pick<Part, "compiled" | "isFixed"> {
  try {
    const compiled = environment.parse(text);
    const roots = [...rootsOf(compiled.ast)];
    const refused = guardExpression(compiled.ast, text, fields, () => undefined);
    if (refused === null && compiled.check().valid)
      return { compiled, isFixed: roots.every((root) => root === "resource" || root === "entitlement") };
  } catch {}
  return { compiled: null, isFixed: false };
}

/** The names at which everything in this part begins: `user`, `resource`, … and the variables of walks over lists. */
export function rootsOf(node: AstNode): Set<string> {
  if (node.op === "id") return new Set([node.args]);
  const below = (value: unknown): string[] => {
    if (Array.isArray(value)) return value.flatMap(below);
    return typeof value === "object" && value !== null && "op" in value ? [...rootsOf(value as AstNode)] : [];
  };
  return new Set(below(node.op === "value" ? [] : node.args));
}

function makeEnvironment(labels: readonly string[]): Environment {
  const environment = new Environment({ limits: LIMITS });
  for (const [name, schema] of Object.entries(SCHEMA)) environment.registerVariable(name, { schema });
  const labelSchema = Object.fromEntries(labels.map((label) => [label, "string"]));
  environment.registerVariable("resource", { schema: { ...RESOURCE, labels: labelSchema } });
  environment.registerVariable("now", TIMESTAMP);

  // The library's `matches` backtracks and its zoned getters go through the server's own time zone. Ours take their
  // place under other names (it refuses to replace a function), and the guard renames the calls.
  const patterns = new Map<string, (text: string) => boolean>();
  const matches = (text: string, pattern: string): boolean => {
    const known = patterns.get(pattern) ?? compilePattern(pattern);
    patterns.set(pattern, known);
    return known(text);
  };
  environment.registerFunction(`string.${RENAMED.matches}(string): bool`, matches, { async: false });
  for (const method of Object.keys(ZONED_PARTS)) {
    const zoned = (time: Date, zone: string): bigint => zonedPart(time, zone, method);
    environment.registerFunction(`${TIMESTAMP}.${RENAMED.zoned(method)}(string): int`, zoned, { async: false });
  }
  return environment;
}

function zonedPart(time: Date, timeZone: string, method: string): bigint {
  const part = ZONED_PARTS[method];
  assert(part !== undefined, `${method} is not a part of a time`);
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    calendar: "gregory",
    [part.part]: part.style,
  });
  const shown = format.formatToParts(time).find((piece) => piece.type === part.part)?.value ?? "";
  return part.part === "weekday" ? BigInt(WEEKDAYS.indexOf(shown)) : BigInt(shown) - part.minus;
}
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
