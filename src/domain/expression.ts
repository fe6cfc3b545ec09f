/**
 * Conditions of policy: CEL with a typed environment, narrowed so that every one of them ends soon.
 *
 * The environment is closed. A field that does not exist, a text where a number belongs, a label that no resource has:
 * each fails the check, and what passes it can still only fail closed. What the library would let through is refused
 * in `expression-guard.ts`, together with what could make one evaluation cost more than a moment.
 */
import { Environment, EvaluationError, type ParseResult, serialize } from "@marcbachmann/cel-js";
import { assert } from "../base/assert.ts";
import type { Entitlement } from "./entitlement.ts";
import {
  type ExpressionMistake,
  explainMistake,
  type Fields,
  guardExpression,
  RENAMED,
  ZONED_PARTS,
} from "./expression-guard.ts";
import { type History, type OnCallFact, type TicketFact, ticketFactFor } from "./facts.ts";
import { compilePattern } from "./pattern.ts";
import type { Extension } from "./policy.ts";
import type { Principal } from "./principal.ts";
import type { Resource } from "./resource.ts";

/** Everything that policy may look at. Facts are fetched before: nothing here reads the world. */
export type Circumstances = {
  readonly user: Pick<Principal, "id" | "kind" | "handle" | "name" | "email" | "type" | "groups"> & {
    /** The handle of their manager; left out: nobody's. */
    readonly manager?: string;
  };
  readonly resource: Resource;
  readonly entitlement: Entitlement;
  readonly request: {
    readonly durationMs: number;
    readonly reason: string;
    /** Empty when none was given. */
    readonly ticket: string;
    readonly emergency: boolean;
    /** Milliseconds since the epoch, or null: at once. */
    readonly startMs: number | null;
    /** Left out: a new grant is asked for. */
    readonly extension?: Extension;
  };
  readonly oncall: Pick<OnCallFact, "tier" | "unknown"> & Partial<OnCallFact>;
  /** About the ticket of the request; absent: nobody has looked it up. */
  readonly ticket?: TicketFact;
  /** Left out, it is not known, and a condition that looks at it fails. */
  readonly history?: History;
  readonly nowMs: number;
};

export type Expression = {
  readonly text: string;
  /** Whether it is so. Throws what goes wrong: the caller decides what an error means. */
  test(circumstances: Circumstances): boolean;
  /** For people, and never throws: the text of the first part of `a && b && c` that is not true; the whole text where there is only one part. */
  firstUnmet(circumstances: Circumstances): string;
};

type CompiledExpression =
  | { readonly ok: true; readonly expression: Expression }
  | { readonly ok: false; readonly mistake: ExpressionMistake };

export type ExpressionCompiler = (text: string) => CompiledExpression;

const EXPRESSION_CHARS_MAX = 4_000;
/** A text of a request; longer ones are an error in every condition, so that cost is bounded and nothing is cut off unseen. */
const TEXT_CHARS_MAX = 4_000;
const LIST_MAX = 1_000;

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
  history: { open: "int", open_here: "int", recent: "int", recent_here: "int" },
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

  const run = (compiled: ParseResult, circumstances: Circumstances): boolean => {
    const answer: unknown = compiled(bindings(circumstances, known));
    assert(typeof answer === "boolean", "a condition answered with something that is neither true nor false");
    return answer;
  };

  const check = (text: string): CompiledExpression => {
    const compiled = environment.parse(text);
    const parts = conjuncts(compiled.ast).map((node) => textOf(environment, node, text));
    const refused = guardExpression(compiled.ast, text, fields, (literal) => void environment.evaluate(literal));
    if (refused !== null) return { ok: false, mistake: refused };
    const checked = compiled.check();
    if (!checked.valid) return { ok: false, mistake: explainMistake(checked.error, text, fields) };
    if (checked.type !== "bool") return { ok: false, mistake: notBoolean(checked.type, compiled.ast.start) };
    const compiledParts = parts.map((part) => ({ part, compiled: compilePart(environment, part, fields) }));
    const unmet = (part: ParseResult | null, circumstances: Circumstances): boolean => {
      try {
        return part !== null && !run(part, circumstances);
      } catch {
        return false;
      }
    };
    const firstUnmet = (circumstances: Circumstances): string =>
      compiledParts.find((part) => unmet(part.compiled, circumstances))?.part ?? text;
    return { ok: true, expression: { text, test: (circumstances) => run(compiled, circumstances), firstUnmet } };
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

/** A part of a condition that was checked as a whole; null where it cannot stand alone, and then it is only not shown. */
function compilePart(environment: Environment, text: string, fields: Fields): ParseResult | null {
  try {
    const compiled = environment.parse(text);
    const refused = guardExpression(compiled.ast, text, fields, () => undefined);
    return refused === null && compiled.check().valid ? compiled : null;
  } catch {
    return null;
  }
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

/** What CEL sees. Throws where something is not what its type says or is too large: such circumstances are an error. */
function bindings(circumstances: Circumstances, labels: readonly string[]) {
  const { user, resource, entitlement, request, oncall, history, nowMs } = circumstances;
  return {
    user: {
      id: text(user.id, "user.id"),
      kind: text(user.kind, "user.kind"),
      name: text(user.handle, "user.name"),
      display_name: text(user.name, "user.display_name"),
      email: text(user.email ?? "", "user.email"),
      type: text(user.type, "user.type"),
      groups: texts(user.groups, "user.groups"),
      manager: text(user.manager ?? "", "user.manager"),
    },
    resource: {
      name: text(resource.name, "resource.name"),
      title: text(resource.title, "resource.title"),
      connector: text(resource.connector, "resource.connector"),
      owners: texts(resource.owners, "resource.owners"),
      // A map and not an object: a label may be called "constructor", which the library would take for the real one.
      labels: new Map(labels.map((label) => [label, labelOf(resource, label)])),
    },
    entitlement: {
      name: text(entitlement.name, "entitlement.name"),
      ref: text(entitlement.ref, "entitlement.ref"),
      title: text(entitlement.title, "entitlement.title"),
      risk: text(entitlement.risk, "entitlement.risk"),
      max_duration: duration(entitlement.maxDurationMs, "entitlement.max_duration"),
    },
    request: {
      reason: text(request.reason, "request.reason"),
      ticket: text(request.ticket, "request.ticket"),
      emergency: request.emergency,
      extension: request.extension !== undefined,
      duration: duration(request.durationMs, "request.duration"),
      start: moment(request.startMs ?? nowMs, "request.start"),
    },
    oncall: onCallBinding(oncall),
    ticket: ticketBinding(ticketFactFor(request.ticket, circumstances.ticket)),
    ...(history === undefined ? {} : { history: countsOf(history) }),
    now: moment(nowMs, "now"),
  };
}

function onCallBinding({ tier, unknown }: Circumstances["oncall"]) {
  return looked("oncall", { tier: BigInt(whole(tier, "oncall.tier")) }, unknown);
}

function ticketBinding({ id, state, status, assignee, mine, unknown }: TicketFact) {
  const seen = {
    ...{ exists: state !== "missing", open: state === "open", closed: state === "closed", mine },
    status: text(status, "ticket.status"),
    assignee: text(assignee, "ticket.assignee"),
  };
  const why = state === "unknown" ? (unknown ?? "nobody could tell") : undefined;
  return Object.assign(looked("ticket", seen, why), { id: text(id, "ticket.id") });
}

/**
 * What is not known is an error where a condition looks at it, and nowhere else: `oncall.tier == 1 || "sre" in user.groups`
 * holds for an SRE, whoever is on call. The library takes an error of one side of `&&` and `||` as CEL wants it.
 */
function looked(name: string, seen: Readonly<Record<string, unknown>>, unknown: string | undefined) {
  if (unknown === undefined) return { known: true, ...seen };
  const binding = { known: false };
  for (const field of Object.keys(seen)) {
    const get = (): never => {
      throw new EvaluationError(`${name}.${field} is not known: ${unknown}`);
    };
    Object.defineProperty(binding, field, { enumerable: true, get });
  }
  return binding;
}

const countsOf = ({ open, openHere, recent, recentHere }: History) => ({
  open: BigInt(whole(open, "history.open")),
  open_here: BigInt(whole(openHere, "history.open_here")),
  recent: BigInt(whole(recent, "history.recent")),
  recent_here: BigInt(whole(recentHere, "history.recent_here")),
});

const labelOf = (resource: Resource, label: string): string =>
  Object.hasOwn(resource.labels, label) ? text(resource.labels[label], `resource.labels.${label}`) : "";

function text(value: unknown, name: string): string {
  if (typeof value !== "string") throw new EvaluationError(`${name} is not known`);
  if (value.length > TEXT_CHARS_MAX) throw new EvaluationError(`${name} is longer than ${TEXT_CHARS_MAX} characters`);
  return value;
}

function texts(values: readonly string[], name: string): string[] {
  if (!Array.isArray(values)) throw new EvaluationError(`${name} is not known`);
  if (values.length > LIST_MAX) throw new EvaluationError(`${name} has more than ${LIST_MAX} members`);
  return values.map((value) => text(value, name));
}

function whole(value: number, name: string): number {
  if (!Number.isSafeInteger(value)) throw new EvaluationError(`${name} is not a whole number`);
  return value;
}

/** The library does not export its duration; its own function makes one. */
const toDuration = new Environment().registerVariable("text", "string").parse("duration(text)");
const duration = (ms: number, name: string): unknown => toDuration({ text: `${whole(ms, name)}ms` });

function moment(ms: number, name: string): Date {
  const time = new Date(whole(ms, name));
  if (Number.isNaN(time.getTime())) throw new EvaluationError(`${name} is not a time`);
  return time;
}
