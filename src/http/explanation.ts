/** What policy would say to one request, rule by rule, with what would help: who could approve, what limits leave, when hours open. */
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { given } from "../base/given.ts";
import { grantId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { catalog as contract, Explanation } from "../contract/catalog.ts";
import type { Parsed } from "../contract/contract.ts";
import { approversAmong } from "../domain/approvers.ts";
import { soughtFor } from "../domain/candidates.ts";
import { countedUnder, type Uses } from "../domain/demands.ts";
import { evaluate, policyFor } from "../domain/evaluate.ts";
import type { Facts } from "../domain/facts.ts";
import type { Grant } from "../domain/grant.ts";
import { hoursInWords, opensMs } from "../domain/hours.ts";
import type { ApproveRule, Source, Step } from "../domain/policy.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import type { Resource } from "../domain/resource.ts";
import type { Context } from "../operations/context.ts";
import { NO_SUCH_GRANT } from "../operations/revoke-grant.ts";
import { asExtension, circumstancesOf, type Found, requireEntitlement } from "../operations/subject.ts";
import { databaseNowMs } from "../store/db.ts";
import { candidatesFor, findByHandle, findPrincipal } from "../store/principals.ts";
import { findRequest, reviewsOf } from "../store/requests.ts";
import { visibleGrants } from "../store/visible.ts";
import { sensibleDurationMs, whyDenied } from "./explain.ts";
import { toPerson } from "./people.ts";
import { describeSteps, toOnCallView } from "./request-views.ts";
import type { Scene } from "./scene.ts";
import { standingOf } from "./standing.ts";
import { toDemandsView } from "./step-up.ts";

type Asked = Parsed<typeof contract.explain>["body"];
/** Whom it is about, and the grant to be extended. */
export type About = { readonly user: Principal; readonly extended: Grant | null };

const PEOPLE_SHOWN_MAX = 100;
const START_LATE_MS_MAX = 60_000;

/** Oneself; or somebody else, for those who look after policy. Of a grant it is whoever has it. */
export async function aboutWhom({ db }: Context, { viewer }: Scene, body: Asked): Promise<About | Refusal> {
  const caller = viewer.principal;
  const extended = body.extend === null ? null : await grantMeant({ db }, viewer, body);
  if (isRefusal(extended)) return extended;
  const mine =
    extended === null ? body.user === null || body.user === caller.handle : extended.principalId === caller.id;
  if (mine) return { user: caller, extended };
  if (!hasRole(caller, "admin", "auditor", "operator"))
    return refuse("forbidden", "Only admins, auditors and operators may ask for somebody else.");
  const user =
    extended === null ? await findByHandle(db, body.user ?? "") : await findPrincipal(db, extended.principalId);
  return user === null
    ? refuse("not-found", `There is nobody called ${JSON.stringify(body.user)} here.`)
    : { user, extended };
}

async function grantMeant(
  { db }: Pick<Context, "db">,
  viewer: Scene["viewer"],
  { extend, entitlement, start }: Asked,
): Promise<Grant | Refusal> {
  const id = grantId.parse(extend ?? "");
  const [found] = id === null ? [] : await visibleGrants(db, viewer, { id, limit: 1 });
  if (found === undefined) return NO_SUCH_GRANT;
  const { grant } = found;
  if (grant.entitlement !== entitlement)
    return refuse("invalid-input", `Grant ${grant.id} is for ${grant.entitlement}; an extension is for the same.`);
  return start === null ? grant : refuse("invalid-input", "An extension has no start of its own.");
}

export async function explain(
  { db }: Context,
  { catalog }: Scene,
  { user, extended }: About,
  body: Asked,
  facts: Facts,
): Promise<Explanation | Refusal> {
  const found = requireEntitlement(catalog, body.entitlement);
  if (isRefusal(found)) return found;
  const { entitlement, resource } = found;
  const durationMs = body.duration ?? sensibleDurationMs(found);
  if (durationMs > entitlement.maxDurationMs) return tooLong(found, durationMs);
  const nowMs = await databaseNowMs(db);
  if (body.start !== null && body.start < nowMs - START_LATE_MS_MAX)
    return refuse("invalid-input", "The start lies in the past. Leave it out to start at once.");
  const { reason, ticket, emergency, start: startMs } = body;
  const reading = { findRequest: findRequest.bind(null, db), reviewsOf: reviewsOf.bind(null, db) };
  const more = extended === null ? {} : await asExtension(reading, extended, durationMs);
  const standing = await standingOf(db, catalog.policy, [user], nowMs);
  const known = standing.factsOf(user, resource.name, facts);
  const request = { durationMs, reason, ticket, emergency, startMs, ...more };
  const decision = evaluate(catalog.policy, circumstancesOf(user, found, request, known, nowMs), standing.uses);
  const principals = await candidatesFor(db, soughtFor(resource, [decision]));
  const rules = policyFor(catalog.policy, found)
    .approveRules.map(({ rule }) => rule)
    .filter((rule) => (rule.emergency !== undefined) === emergency);
  return {
    user: toPerson(user),
    entitlement: entitlement.ref,
    title: entitlement.title,
    duration: formatDuration(durationMs),
    maxDuration: formatDuration(entitlement.maxDurationMs),
    ...{ emergency, start: startMs === null ? null : toTimestamp(startMs), extends: extended?.id ?? null },
    outcome: decision.outcome,
    rule: decision.rule,
    steps: stepsAhead(decision.steps, resource, user, principals),
    limits: rules.flatMap((rule) => limitOf(rule, user, standing.uses)),
    hours: rules.flatMap((rule) => hoursOf(rule, startMs ?? nowMs)),
    trace: [...decision.trace],
    ...given({ authentication: toDemandsView(decision.authentication) }),
    why: whyDenied(decision, user, found, approversAmong(principals)),
    onCallTier: facts.oncall.tier,
    onCall: toOnCallView(facts.oncall),
    configVersion: catalog.id,
  };
}

function tooLong({ entitlement }: Found, durationMs: number): Refusal {
  const max = formatDuration(entitlement.maxDurationMs);
  const asked = formatDuration(durationMs);
  return refuse("invalid-duration", `${entitlement.ref} is for at most ${max}; you asked for ${asked}.`, { max });
}

function stepsAhead(
  steps: readonly Step[],
  resource: Resource,
  user: Principal,
  principals: readonly Principal[],
): Explanation["steps"] {
  const byHandle = new Map(principals.map((one) => [one.handle, one]));
  return describeSteps(steps, resource, user.id, principals, []).map((view, i) => {
    const { by = [], escalate, fallback } = steps[i] ?? {};
    const others = (sources: readonly Source[]): string => {
      const added = { by: sources.filter((source) => !by.includes(source)), count: 1 };
      const [who] = describeSteps([added], resource, user.id, principals, []);
      const handles = who?.canApprove.filter((handle) => !view.canApprove.includes(handle)) ?? [];
      const named = handles.slice(0, OTHERS_SHOWN_MAX).join(", ");
      const more = handles.length > OTHERS_SHOWN_MAX ? ` and ${handles.length - OTHERS_SHOWN_MAX} more` : "";
      return `${sources.join(", ")}: ${handles.length === 0 ? "nobody else" : named}${more}`;
    };
    return {
      ...view,
      people: view.canApprove
        .slice(0, PEOPLE_SHOWN_MAX)
        .flatMap((handle) => byHandle.get(handle) ?? [])
        .map(toPerson),
      also: [
        ...(escalate === undefined ? [] : [`after ${formatDuration(escalate.afterMs)} also ${others(escalate.to)}`]),
        ...(fallback === undefined ? [] : [`where there are too few also ${others(fallback)}`]),
      ],
    };
  });
}
const OTHERS_SHOWN_MAX = 10;

function limitOf(rule: ApproveRule, user: Principal, uses: Uses): Explanation["limits"] {
  const counted = countedUnder(rule, user);
  if (counted === null || rule.limit === undefined) return [];
  const { per, count, withinMs } = rule.limit;
  const used = uses(counted, withinMs);
  return [{ rule: rule.name, per, count, within: formatDuration(withinMs), used, left: Math.max(0, count - used) }];
}

function hoursOf({ name, hours }: ApproveRule, atMs: number): Explanation["hours"] {
  if (hours === undefined) return [];
  const opens = hours.map((one) => opensMs(one, atMs));
  const open = opens.includes(null);
  const soonest = Math.min(...opens.filter((ms) => ms !== null));
  return [
    {
      ...{ rule: name, hours: hours.map(hoursInWords), open },
      opensAt: open || !Number.isFinite(soonest) ? null : toTimestamp(soonest),
    },
  ];
}
