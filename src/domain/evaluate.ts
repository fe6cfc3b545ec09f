/**
 * Policy semantics, pure. Any deny that matches wins; otherwise the first rule that applies, in the order of the file;
 * otherwise denied. Errors fail closed: an error in a deny denies, an error in a `when` is no match. Nothing here
 * throws because of who asks for what.
 */
import { assert } from "../base/assert.ts";
import { formatDuration } from "../base/duration.ts";
import type { Configuration } from "./configuration.ts";
import { type Circumstances, type Expression, type ExpressionCompiler, expressionCompiler } from "./expression.ts";
import { onCallInWords, ticketFactFor, ticketInWords } from "./facts.ts";
import type { ApproveRule, Decision, DenyRule, Rule, Step, TraceLine } from "./policy.ts";

export type { Circumstances } from "./expression.ts";

/** A condition, or what is wrong with one that no longer compiles: then every evaluation of it is an error. */
type Condition = { readonly expression: Expression } | { readonly broken: string } | null;

type Compiled<R extends Rule> = { readonly rule: R; readonly condition: Condition };

/** The rules of one configuration, ready to be asked. */
export type Policy = {
  readonly denyRules: readonly Compiled<DenyRule>[];
  readonly approveRules: readonly Compiled<ApproveRule>[];
};

/**
 * The policy of a configuration that the loader accepted. A condition that does not compile any more, because a later
 * version of Tidegate understands the language differently, fails closed like any other error: the process must start
 * whatever the store holds, since it has access to take back.
 */
export function compilePolicy(configuration: Pick<Configuration, "resources" | "policies">): Policy {
  const compile = expressionCompiler(labelsOf(configuration.resources));
  const compiled = <R extends Rule>(rule: R): Compiled<R> => ({
    rule,
    condition: conditionOf(compile, rule.kind === "deny" ? rule.condition : rule.when),
  });
  return {
    denyRules: configuration.policies.filter((rule) => rule.kind === "deny").map(compiled),
    approveRules: configuration.policies.filter((rule) => rule.kind === "approve").map(compiled),
  };
}

/** Every label that some resource has: conditions may name these and no others. */
export const labelsOf = (resources: Configuration["resources"]): string[] =>
  Object.values(resources).flatMap((resource) => Object.keys(resource.labels));

function conditionOf(compile: ExpressionCompiler, text: string | null): Condition {
  if (text === null) return null;
  const result = compile(text);
  return result.ok ? { expression: result.expression } : { broken: result.mistake.what };
}

/** What policy says about an ordinary request. The longest duration of the entitlement itself is the caller's to enforce. */
export function evaluate(policy: Policy, circumstances: Circumstances): Decision {
  assert(!circumstances.request.emergency, "emergency requests are refused before policy is asked");
  const trace = policy.denyRules.map((compiled) => askDeny(compiled, circumstances));
  const refusal = trace.find(refuses);
  if (refusal !== undefined) return { outcome: "denied", rule: refusal.rule, steps: [], trace };
  for (const compiled of policy.approveRules) {
    const line = askApprove(compiled, circumstances);
    trace.push(line);
    if (line.result !== "applies") continue;
    const { name, approve } = compiled.rule;
    if (approve === "automatically") return { outcome: "automatic", rule: name, steps: [], trace };
    return { outcome: "needs-approval", rule: name, steps: approve, trace };
  }
  return { outcome: "denied", rule: null, steps: [], trace };
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
  const answer = ask(compiled.condition, circumstances);
  if (answer.is === "true") return { applies: true, why: `${ruleName} still applies` };
  return { applies: false, why: `${ruleName} no longer applies: ${answer.why}` };
}

/** An error in a deny denies, so both lines refuse. */
const refuses = (line: TraceLine): boolean => line.result === "denies" || line.result === "error";

type Answer = { is: "true" } | { is: "false" | "error"; why: string };

function ask(condition: Condition, circumstances: Circumstances): Answer {
  if (condition === null) return { is: "true" };
  if ("broken" in condition) return { is: "error", why: `the condition cannot be used: ${condition.broken}` };
  try {
    if (condition.expression.test(circumstances)) return { is: "true" };
    const unmet = condition.expression.firstUnmet(circumstances);
    return { is: "false", why: `not the case: ${oneLine(unmet)}${whatWasSeen(unmet, circumstances)}` };
  } catch (error) {
    return { is: "error", why: `the condition failed: ${reasonOf(error)}` };
  }
}

/** The facts that a part of a condition looks at, so that "not the case: ticket.open" tells what the ticket is. */
function whatWasSeen(text: string, { oncall, ticket, request }: Circumstances): string {
  const { source } = oncall;
  const seen = [
    ...(/\bticket\s*\./.test(text) ? [ticketInWords(ticketFactFor(request.ticket, ticket))] : []),
    // What the file says stands there for everybody to read.
    ...(/\boncall\s*\./.test(text) && source !== undefined && source !== "file"
      ? [onCallInWords({ ...oncall, source })]
      : []),
  ];
  return seen.length === 0 ? "" : ` (${oneLine(seen.join("; "))})`;
}

function askDeny({ rule, condition }: Compiled<DenyRule>, circumstances: Circumstances): TraceLine {
  const answer = ask(condition, circumstances);
  if (answer.is === "true")
    return { rule: rule.name, result: "denies", why: `it is the case: ${oneLine(rule.condition)}` };
  if (answer.is === "false") return { rule: rule.name, result: "does-not-apply", why: answer.why };
  return { rule: rule.name, result: "error", why: `${answer.why}; an error in a deny rule denies` };
}

function askApprove({ rule, condition }: Compiled<ApproveRule>, circumstances: Circumstances): TraceLine {
  const answer = ask(condition, circumstances);
  if (answer.is === "error") return { rule: rule.name, result: "error", why: answer.why };
  if (answer.is === "false") return { rule: rule.name, result: "does-not-apply", why: answer.why };
  const unmet = unmetLimits(rule, circumstances.request);
  if (unmet.length > 0) return { rule: rule.name, result: "does-not-apply", why: unmet.join("; ") };
  return { rule: rule.name, result: "applies", why: inWords(rule.approve) };
}

/** What of the rule's own demands is not met, each with what would help. Written so that NaN never meets a limit. */
function unmetLimits(rule: ApproveRule, request: Circumstances["request"]): string[] {
  const unmet: string[] = [];
  if (rule.maxDurationMs !== null && !(request.durationMs <= rule.maxDurationMs)) {
    unmet.push(
      `asks for at most ${formatDuration(rule.maxDurationMs)}; you asked for ${formatDuration(request.durationMs)}`,
    );
  }
  if (rule.ticketRequired && !hasText(request.ticket)) unmet.push("asks for a ticket; you gave none");
  if (rule.reasonMinLength !== null && !(lengthOf(request.reason) >= rule.reasonMinLength)) {
    unmet.push(
      `asks for a reason of at least ${rule.reasonMinLength} characters; yours has ${lengthOf(request.reason)}`,
    );
  }
  return unmet;
}

const hasText = (text: string): boolean => typeof text === "string" && text.trim() !== "";
const lengthOf = (text: string): number => (typeof text === "string" ? Array.from(text.trim()).length : 0);

function inWords(approve: ApproveRule["approve"]): string {
  if (approve === "automatically") return "approves automatically";
  return `needs approval by ${approve.map((step: Step) => `${step.count} of ${step.by.join(", ")}`).join(" and by ")}`;
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
