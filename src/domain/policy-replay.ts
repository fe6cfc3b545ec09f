/**
 * What rules would have said to requests that were really made. Two sets of rules are asked the same things, so what
 * differs is theirs. Pure: the circumstances are those of the record, and nothing is looked up.
 */
import { canonicalJson } from "../base/canonical.ts";
import { parseTimestamp } from "../base/clock.ts";
import { formatDuration, parseDuration } from "../base/duration.ts";
import type { PrincipalId } from "../base/ids.ts";
import type { Configuration } from "./configuration.ts";
import { type Circumstances, compilePolicy, evaluate } from "./evaluate.ts";
import type { Facts } from "./facts.ts";
import { denialOf, type Outcome, type Step } from "./policy.ts";
import type { RecordedRequest } from "./recorded-request.ts";

/** Rules, and the resources that they may look at. */
export type Ruleset = Pick<Configuration, "resources" | "policies">;

export type Replayed = {
  readonly outcome: Outcome;
  readonly rule: string | null;
  readonly steps: readonly Step[];
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

export function diffPolicies(before: Ruleset, after: Ruleset, requests: readonly RecordedRequest[]): PolicyDiff {
  const [askOld, askNew] = [replayer(before), replayer(after)];
  const both = requests.map((request): PolicyChange => ({ request, old: askOld(request), new: askNew(request) }));
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
const saysTheSame = (a: Replayed, b: Replayed): boolean =>
  canonicalJson([a.outcome, a.rule, a.steps]) === canonicalJson([b.outcome, b.rule, b.steps]);

function replayer(rules: Ruleset): (request: RecordedRequest) => Replayed {
  const policy = compilePolicy(rules);
  return (request) => {
    const found = findIn(rules, request.entitlement);
    if (found === null) return refused(`there is no ${request.entitlement}`);
    const circumstances = circumstancesOf(request, found);
    const { maxDurationMs } = found.entitlement;
    if (circumstances.request.durationMs > maxDurationMs)
      return refused(`${request.entitlement} is for at most ${formatDuration(maxDurationMs)}`);
    const decision = evaluate(policy, circumstances);
    const { outcome, rule, steps } = decision;
    return { outcome, rule, steps, why: outcome === "denied" ? denialOf(decision) : "" };
  };
}

/** Before policy is asked. */
const refused = (why: string): Replayed => ({ outcome: "denied", rule: null, steps: [], why });

type Found = Pick<Circumstances, "resource" | "entitlement">;

function findIn({ resources }: Ruleset, ref: string): Found | null {
  const [resourceName = "", name = ""] = ref.split(":");
  const resource = Object.hasOwn(resources, resourceName) ? resources[resourceName] : undefined;
  const entitlement =
    resource !== undefined && Object.hasOwn(resource.entitlements, name) ? resource.entitlements[name] : undefined;
  return resource === undefined || entitlement === undefined ? null : { resource, entitlement };
}

function circumstancesOf(recorded: RecordedRequest, found: Found): Circumstances {
  const { user, duration, reason, ticket, start, emergency, facts } = recorded;
  const parsed = parseDuration(duration);
  return {
    ...found,
    user: { ...user, id: user.id as PrincipalId },
    request: {
      ...{ reason, ticket, emergency },
      // What cannot be read meets no limit.
      durationMs: parsed.ok ? parsed.value : Number.NaN,
      startMs: start === null ? null : parseTimestamp(start),
    },
    oncall: { tier: (facts as Partial<Facts>).oncall?.tier ?? 0 },
    nowMs: parseTimestamp(recorded.at) ?? Number.NaN,
  };
}
