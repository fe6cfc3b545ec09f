/**
 * What rules would have said to requests that were really made. Two sets of rules are asked the same things, so what
 * differs is theirs. Pure: the circumstances are those of the record, and nothing is looked up.
 */
import { defined } from "../base/assert.ts";
import { canonicalJson, type Json, type JsonObject } from "../base/canonical.ts";
import { parseTimestamp } from "../base/clock.ts";
import { formatDuration, parseDuration } from "../base/duration.ts";
import type { PrincipalId } from "../base/ids.ts";
import type { Demands } from "./authentication.ts";
import type { Circumstances } from "./circumstances.ts";
import type { Configuration } from "./configuration.ts";
import { compilePolicy, evaluate } from "./evaluate.ts";
import { seenByPolicy, storedFacts } from "./facts.ts";
import { denialOf, type Outcome, type Step } from "./policy.ts";
import type { RecordedRequest } from "./recorded-request.ts";
import type { Activation } from "./request.ts";

/** Rules, and the resources that they may look at. */
export type Ruleset = Pick<Configuration, "resources" | "policies">;

export type Replayed = {
  readonly outcome: Outcome;
  readonly rule: string | null;
  readonly steps: readonly Step[];
  /** How the rule wants the time of the grant to start; null: as it was asked for. */
  readonly activation: Activation | null;
  /** What the rule demands of who asks and of who reviews. */
  readonly authentication: Demands | null;
  /** A sentence where the answer is no; else empty. */
  readonly why: string;
};

export type PolicyChange = {
  readonly request: RecordedRequest;
  readonly old: Replayed;
  readonly new: Replayed;
};

export type PolicyDiff = {
  /** How many were replayed. */
  readonly requests: number;
  /** How many of them with something as it is now, since it was not kept. */
  readonly asOfNow: number;
  /** How many the old rules answer otherwise than was answered at the time: then other rules were in force, or other facts. */
  readonly unlikeThen: number;
  /** In the order of the requests. */
  readonly changes: readonly PolicyChange[];
  /** How many changes there are from one outcome to another, or to another rule or other steps of the same outcome. */
  readonly counts: readonly { readonly from: Outcome; readonly to: Outcome; readonly count: number }[];
};

/** `requests` in any order; what limits count is counted among them, by their times. */
export function diffPolicies(before: Ruleset, after: Ruleset, requests: readonly RecordedRequest[]): PolicyDiff {
  const [askOld, askNew] = [replayer(before), replayer(after)];
  const asked = requests
    .toSorted((a, b) => (a.at === b.at ? (a.id < b.id ? -1 : 1) : a.at < b.at ? -1 : 1))
    .map((request) => [request, { request, old: askOld(request), new: askNew(request) }] as const);
  const answers = new Map<RecordedRequest, PolicyChange>(asked);
  const both = requests.map((request) => defined(answers.get(request), "the answer to a request"));
  const changes = both.filter((one) => !saysTheSame(one.old, one.new));
  const counts = OUTCOMES.flatMap((from) =>
    OUTCOMES.map((to) => ({
      ...{ from, to },
      count: changes.filter((one) => one.old.outcome === from && one.new.outcome === to).length,
    })),
  );
  return {
    requests: requests.length,
    asOfNow: requests.filter(({ asOf }) => asOf === "now").length,
    unlikeThen: both.filter(({ request: { decision }, old }) => decision.outcome !== old.outcome).length,
    changes,
    counts: counts.filter(({ count }) => count > 0),
  };
}
const OUTCOMES: readonly Outcome[] = ["automatic", "needs-approval", "denied"];

/** What is approved, by which rule and by whom; why something is refused may be said in other words. */
const saysTheSame = (a: Replayed, b: Replayed): boolean => essence(a) === essence(b);
const essence = ({ outcome, rule, steps, activation, authentication }: Replayed): string =>
  canonicalJson([outcome, rule, steps, activation, authentication] as unknown as Json);

function replayer(rules: Ruleset): (request: RecordedRequest) => Replayed {
  const policy = compilePolicy(rules);
  const uses = new Map<string, number[]>();
  return (request) => {
    const found = findIn(rules, request.entitlement);
    if (found === null) return refused(`there is no ${request.entitlement}`);
    const circumstances = circumstancesOf(request, found);
    const { maxDurationMs } = found.entitlement;
    if (circumstances.request.durationMs > maxDurationMs)
      return refused(`${request.entitlement} is for at most ${formatDuration(maxDurationMs)}`);
    const { nowMs } = circumstances;
    const used = (counted: string, withinMs: number): number =>
      (uses.get(counted) ?? []).filter((ms) => ms > nowMs - withinMs).length;
    const decision = evaluate(policy, circumstances, used);
    const { outcome, rule, steps, counted } = decision;
    if (counted !== undefined && !wasGivenUp(request)) uses.set(counted, [...(uses.get(counted) ?? []), nowMs]);
    return {
      outcome,
      rule,
      steps,
      activation: decision.activation ?? null,
      authentication: decision.authentication ?? null,
      why: outcome === "denied" ? denialOf(decision) : "",
    };
  };
}

/** What people denied, took back or let expire counts towards no limit. */
const wasGivenUp = ({ state, decision }: RecordedRequest): boolean =>
  state === "cancelled" || state === "expired" || (state === "denied" && decision.outcome !== "denied");

/** Before policy is asked. */
const refused = (why: string): Replayed => ({
  outcome: "denied",
  rule: null,
  steps: [],
  activation: null,
  authentication: null,
  why,
});

type Found = Pick<Circumstances, "resource" | "entitlement">;

function findIn({ resources }: Ruleset, ref: string): Found | null {
  const [resourceName = "", name = ""] = ref.split(":");
  const resource = Object.hasOwn(resources, resourceName) ? resources[resourceName] : undefined;
  const entitlement =
    resource !== undefined && Object.hasOwn(resource.entitlements, name) ? resource.entitlements[name] : undefined;
  return resource === undefined || entitlement === undefined ? null : { resource, entitlement };
}

function circumstancesOf(recorded: RecordedRequest, found: Found): Circumstances {
  const { user, duration, extension, reason, ticket, start, emergency } = recorded;
  return {
    ...found,
    user: { ...user, id: user.id as PrincipalId, manager: user.manager ?? "" },
    request: {
      ...{ reason, ticket, emergency },
      durationMs: msOf(duration),
      startMs: start === null ? null : parseTimestamp(start),
      ...(extension === null
        ? {}
        : { extension: { count: extension.count, totalMs: msOf(extension.total), addMs: msOf(extension.add) } }),
    },
    ...seenByPolicy(storedFacts(recorded.facts as JsonObject, 0)),
    nowMs: parseTimestamp(recorded.at) ?? Number.NaN,
  };
}

/** What cannot be read meets no limit. */
function msOf(duration: string): number {
  if (duration === "0s") return 0;
  const parsed = parseDuration(duration);
  return parsed.ok ? parsed.value : Number.NaN;
}
