/**
 * Policy semantics, pure. Any deny that matches wins; otherwise the first rule that applies, in the order of the file;
 * otherwise denied. An emergency is asked only of the rules for emergencies, every other request of the others. Errors
 * fail closed: an error in a deny denies, an error in a `when` is no match, a step whose `if` fails is needed. Nothing
 * here throws because of who asks for what.
 */
import { defined } from "../base/assert.ts";
import type { Circumstances, Offered } from "./circumstances.ts";
import type { Configuration } from "./configuration.ts";
import { countedUnder, emergencyOff, type Uses, unmetDemands } from "./demands.ts";
import type { Entitlement } from "./entitlement.ts";
import { type Expression, type ExpressionCompiler, expressionCompiler } from "./expression.ts";
import { onCallInWords, ticketFactFor, ticketInWords } from "./facts.ts";
import type {
  AfterReview,
  Afterwards,
  ApproveRule,
  Decision,
  DenyRule,
  Rule,
  Source,
  Step,
  TraceLine,
} from "./policy.ts";

/** A condition, or what is wrong with one that no longer compiles: then every evaluation of it is an error. */
type Condition = { readonly expression: Expression } | { readonly broken: string } | null;

type Compiled<R extends Rule> = {
  readonly rule: R;
  readonly condition: Condition;
  /** What the trace says where the condition is not met, by the part that is not: of many rules nearly all do not apply. */
  readonly unmetLines: ReadonlyMap<string, UnmetLine>;
};
/** The line, but for what is seen of the facts that the part looks at. */
type UnmetLine = { readonly line: TraceLine; readonly looksAt: FactsNamed | null };
type FactsNamed = { readonly ticket: boolean; readonly oncall: boolean };
/** The steps of a rule that approves, each with its `if`. */
type CompiledApprove = Compiled<ApproveRule> & { readonly ifs: readonly Condition[] };

/** The rules of one configuration, ready to be asked. */
export type Policy = {
  readonly denyRules: readonly Compiled<DenyRule>[];
  readonly approveRules: readonly CompiledApprove[];
  /** Whether some rule looks at `history`, which is then to be counted. */
  readonly looksBack: boolean;
  /** Whether some rule demands something of how whoever acts has shown who they are. */
  readonly demandsAuthentication: boolean;
  readonly narrowed: WeakMap<Entitlement, Policy>;
};

/**
 * The policy of a configuration that the loader accepted. A condition that does not compile any more, because a later
 * version of Tidegate understands the language differently, fails closed like any other error: the process must start
 * whatever the store holds, since it has access to take back.
 */
export function compilePolicy(configuration: Pick<Configuration, "resources" | "policies">): Policy {
  const compile = expressionCompiler(labelsOf(configuration.resources));
  const compiled = <R extends Rule>(rule: R): Compiled<R> => {
    const condition = conditionOf(compile, rule.kind === "deny" ? rule.condition : rule.when);
    return { rule, condition, unmetLines: unmetLinesOf(rule.name, condition) };
  };
  const compiledApprove = (rule: ApproveRule): CompiledApprove => ({
    ...compiled(rule),
    ifs: stepsOf(rule).map((step) => conditionOf(compile, step.if ?? null)),
  });
  return {
    denyRules: configuration.policies.filter((rule) => rule.kind === "deny").map(compiled),
    approveRules: configuration.policies.filter((rule) => rule.kind === "approve").map(compiledApprove),
    looksBack: configuration.policies.some(looksBack),
    demandsAuthentication: configuration.policies.some(
      (rule) => rule.kind === "approve" && rule.authentication !== undefined,
    ),
    narrowed: new WeakMap(),
  };
}

const looksBack = (rule: Rule): boolean =>
  (rule.kind === "approve" && rule.emergency?.openMax !== undefined) ||
  conditionsOf(rule).some((text) => /\bhistory\b/.test(text));

/**
 * The rules that could ever have a say about this entitlement: asked instead of the whole, they decide the same, and the
 * trace is without the others. For looking at many people or entitlements; what is recorded is decided by the whole.
 */
export function policyFor(policy: Policy, offered: Offered): Policy {
  const known = policy.narrowed.get(offered.entitlement);
  if (known !== undefined) return known;
  const mayHold = ({ condition }: Compiled<Rule>): boolean =>
    condition === null || "broken" in condition || !condition.expression.neverHoldsFor(offered);
  const { denyRules, approveRules } = policy;
  const narrowed = { ...policy, denyRules: denyRules.filter(mayHold), approveRules: approveRules.filter(mayHold) };
  policy.narrowed.set(offered.entitlement, narrowed);
  return narrowed;
}

const stepsOf = ({ approve }: ApproveRule): readonly Step[] => (approve === "automatically" ? [] : approve);

/** Every condition that stands in the rule. */
export function conditionsOf(rule: Rule): string[] {
  if (rule.kind === "deny") return [rule.condition];
  return [rule.when, ...stepsOf(rule).map((step) => step.if)].filter((text) => typeof text === "string");
}

/** Every label that some resource has: conditions may name these and no others. */
export const labelsOf = (resources: Configuration["resources"]): string[] =>
  Object.values(resources).flatMap((resource) => Object.keys(resource.labels));

function conditionOf(compile: ExpressionCompiler, text: string | null): Condition {
  if (text === null) return null;
  const result = compile(text);
  return result.ok ? { expression: result.expression } : { broken: result.mistake.what };
}

/**
 * What policy says about a request. The longest duration of the entitlement itself is the caller's to enforce. `uses`
 * counts what a limit counts; without it nothing was used.
 */
export function evaluate(policy: Policy, circumstances: Circumstances, uses: Uses = () => 0): Decision {
  const trace = policy.denyRules.map((compiled) => askDeny(compiled, circumstances));
  const refusal = trace.find(refuses);
  if (refusal !== undefined) return { outcome: "denied", rule: refusal.rule, steps: [], trace };
  for (const compiled of policy.approveRules) {
    const { rule } = compiled;
    if ((rule.emergency !== undefined) !== circumstances.request.emergency) continue;
    const notMet = notMetLine(compiled, circumstances);
    if (notMet !== null) {
      trace.push(notMet);
      continue;
    }
    const { line, steps } = askMet(compiled, circumstances, uses);
    trace.push(line);
    if (line.result !== "applies") continue;
    const counted = countedUnder(rule, circumstances.user);
    const { activation, activateWithinMs, authentication } = rule;
    const decided = {
      ...{ rule: rule.name, trace },
      ...(counted === null ? {} : { counted }),
      ...(activation === undefined ? {} : { activation }),
      ...(activateWithinMs === undefined ? {} : { activateWithinMs }),
      ...(authentication === undefined ? {} : { authentication }),
      ...(rule.emergency === undefined ? {} : { emergency: afterwards(rule.emergency, policy, circumstances) }),
    };
    return rule.approve === "automatically"
      ? { outcome: "automatic", steps: [], ...decided }
      : { outcome: "needs-approval", steps, ...decided };
  }
  return { outcome: "denied", rule: null, steps: [], trace };
}

/** Who looks at this emergency later, and whom it passes over: whoever could approve the same as an ordinary request, else the owners. */
function afterwards(rule: AfterReview, policy: Policy, circumstances: Circumstances): Afterwards {
  const request = { ...circumstances.request, emergency: false };
  const { steps } = evaluate(policy, { ...circumstances, request });
  const asked = steps.flatMap(({ by, escalate }) => [...by, ...(escalate?.to ?? [])]);
  const { withinMs } = rule;
  const reviewBy = resolved(rule.reviewBy, circumstances);
  return { reviewBy, withinMs, skipped: asked.length === 0 ? ["owners"] : [...new Set(asked)] };
}

/** The first deny rule that denies, or null. Asked again at the start of a grant; works for emergencies too. */
export function denies(policy: Policy, circumstances: Circumstances): TraceLine | null {
  for (const compiled of policy.denyRules) {
    const line = askDeny(compiled, circumstances);
    if (refuses(line)) return line;
  }
  return null;
}

/**
 * Whether the rule that led to a grant would still match the person at its start: its `when` alone, not its duration,
 * ticket, reason or approval. What must not be read again (the clock, on call) the caller freezes in `circumstances`.
 */
export function stillApplies(
  policy: Policy,
  ruleName: string,
  circumstances: Circumstances,
): { applies: boolean; why: string } {
  const compiled = policy.approveRules.find(({ rule }) => rule.name === ruleName);
  if (compiled === undefined) return { applies: false, why: `the policy no longer has a rule ${ruleName}` };
  const { request, resource } = circumstances;
  if ((compiled.rule.emergency !== undefined) !== request.emergency)
    return { applies: false, why: `${ruleName} is ${request.emergency ? "not" : "only"} for emergencies now` };
  if (request.emergency && resource.emergency === "off") return { applies: false, why: emergencyOff(resource.name) };
  const answer = ask(compiled.condition, circumstances);
  if (answer.is === "true") return { applies: true, why: `${ruleName} still applies` };
  const why = answer.is === "false" ? unmetLine(compiled, answer.unmet, circumstances).why : answer.why;
  return { applies: false, why: `${ruleName} no longer applies: ${why}` };
}

/** An error in a deny denies, so both lines refuse. */
const refuses = (line: TraceLine): boolean => line.result === "denies" || line.result === "error";

type Answer = { is: "true" } | { is: "false"; unmet: string } | { is: "error"; why: string };

const TRUE: Answer = { is: "true" };

function ask(condition: Condition, circumstances: Circumstances): Answer {
  if (condition === null) return TRUE;
  if ("broken" in condition) return { is: "error", why: `the condition cannot be used: ${condition.broken}` };
  try {
    const unmet = condition.expression.unmet(circumstances);
    return unmet === null ? TRUE : { is: "false", unmet };
  } catch (error) {
    return { is: "error", why: `the condition failed: ${reasonOf(error)}` };
  }
}

function unmetLinesOf(rule: string, condition: Condition): ReadonlyMap<string, UnmetLine> {
  const parts = condition === null || "broken" in condition ? [] : condition.expression.unmets;
  const lineOf = (part: string): UnmetLine => ({
    line: { rule, result: "does-not-apply", why: `not the case: ${oneLine(part)}` },
    looksAt: factsIn(part),
  });
  return new Map(parts.map((part) => [part, lineOf(part)]));
}

function unmetLine({ unmetLines }: Compiled<Rule>, unmet: string, circumstances: Circumstances): TraceLine {
  const { line, looksAt } = defined(unmetLines.get(unmet), "the line of a part that is not met");
  const seen = looksAt === null ? "" : whatWasSeen(looksAt, circumstances);
  return seen === "" ? line : { ...line, why: `${line.why}${seen}` };
}

function factsIn(text: string): FactsNamed | null {
  const [ticket, oncall] = [/\bticket\s*\./.test(text), /\boncall\s*\./.test(text)];
  return ticket || oncall ? { ticket, oncall } : null;
}

/** So that "not the case: ticket.open" tells what the ticket is. */
function whatWasSeen(looksAt: FactsNamed, { oncall, ticket, request }: Circumstances): string {
  const { source } = oncall;
  const seen = [
    ...(looksAt.ticket ? [ticketInWords(ticketFactFor(request.ticket, ticket))] : []),
    // What the file says stands there for everybody to read.
    ...(looksAt.oncall && source !== undefined && source !== "file" ? [onCallInWords({ ...oncall, source })] : []),
  ];
  return seen.length === 0 ? "" : ` (${oneLine(seen.join("; "))})`;
}

function askDeny(compiled: Compiled<DenyRule>, circumstances: Circumstances): TraceLine {
  const { rule, condition } = compiled;
  const answer = ask(condition, circumstances);
  if (answer.is === "true")
    return { rule: rule.name, result: "denies", why: `it is the case: ${oneLine(rule.condition)}` };
  if (answer.is === "false") return unmetLine(compiled, answer.unmet, circumstances);
  return { rule: rule.name, result: "error", why: `${answer.why}; an error in a deny rule denies` };
}

/** Why a rule that approves has no say here, by its `when`; null: it has. */
function notMetLine(compiled: CompiledApprove, circumstances: Circumstances): TraceLine | null {
  const answer = ask(compiled.condition, circumstances);
  if (answer.is === "true") return null;
  if (answer.is === "false") return unmetLine(compiled, answer.unmet, circumstances);
  return { rule: compiled.rule.name, result: "error", why: answer.why };
}

/** A rule whose `when` is met. */
function askMet(
  { rule, ifs }: CompiledApprove,
  circumstances: Circumstances,
  uses: Uses,
): { line: TraceLine; steps: readonly Step[] } {
  const needed = stepsOf(rule).filter((_, i) => ask(ifs[i] ?? null, circumstances).is !== "false");
  const unmet = unmetDemands(rule, circumstances, uses);
  const noSteps = needed.length === 0 && rule.approve !== "automatically";
  if (noSteps)
    unmet.push("none of its steps is for this request; only approve: automatically approves without anybody");
  if (unmet.length > 0) {
    const line: TraceLine = { rule: rule.name, result: "does-not-apply", why: unmet.join("; ") };
    return { line: noSteps ? line : { ...line, almost: true }, steps: [] };
  }
  const steps = needed.map((step) => decidedStep(step, circumstances));
  const spared = stepsOf(rule).filter((step) => !needed.includes(step));
  const why = `${inWords(rule, steps)}${spared.map((step) => `; not by ${step.by.join(", ")}: not the case: ${oneLine(step.if ?? "")}`).join("")}`;
  return { line: { rule: rule.name, result: "applies", why }, steps };
}

/** Its condition is answered, and the manager is a person now. */
function decidedStep(written: Step, asked: Circumstances): Step {
  const { if: _, ...step } = written;
  return {
    ...step,
    by: resolved(step.by, asked),
    ...(step.escalate === undefined ? {} : { escalate: { ...step.escalate, to: resolved(step.escalate.to, asked) } }),
    ...(step.fallback === undefined ? {} : { fallback: resolved(step.fallback, asked) }),
  };
}

/** Who has no manager cannot be approved by theirs. */
function resolved(sources: readonly Source[], { user: { manager = "" } }: Circumstances): Source[] {
  const people = sources.flatMap((source): Source[] =>
    source !== "manager" ? [source] : manager === "" ? [] : [`user:${manager}`],
  );
  return [...new Set(people)];
}

function inWords({ approve }: ApproveRule, steps: readonly Step[]): string {
  if (approve === "automatically") return "approves automatically";
  const each = steps.map(
    ({ by, count }) => `${count} of ${by.length === 0 ? "nobody (no manager is known)" : by.join(", ")}`,
  );
  return `needs approval by ${each.join(" and by ")}`;
}

const WHY_CHARS_MAX = 300;

/** A condition as it fits into one line of the trace. */
function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length <= WHY_CHARS_MAX ? line : `${line.slice(0, WHY_CHARS_MAX)}…`;
}

/** The library's messages carry the source with a marker under it; the first line says what happened. */
const reasonOf = (error: unknown): string =>
  oneLine((error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "").replaceAll(
    "google.protobuf.",
    "",
  );
