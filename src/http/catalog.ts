import { formatDuration } from "../base/duration.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { catalog as contract, Explanation, ResourceView } from "../contract/catalog.ts";
import type { Parsed } from "../contract/contract.ts";
import { evaluate } from "../domain/evaluate.ts";
import type { Facts } from "../domain/facts.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import type { Catalog, Context } from "../operations/context.ts";
import { circumstancesOf, type Found, requireEntitlement } from "../operations/subject.ts";
import { databaseNowMs } from "../store/db.ts";
import { activePrincipals, findByHandle } from "../store/principals.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { forMe, sensibleDurationMs, whyDenied } from "./explain.ts";
import { toPerson } from "./people.ts";
import { describeSteps } from "./request-views.ts";
import { inScene } from "./scene.ts";
import { standingOf } from "./standing.ts";

type Explain = Parsed<typeof contract.explain>["body"];

/** What there is to ask for, and what would come of it. */
export function catalogHandlers({ context, facts: desk }: ServerDeps): Handlers<"catalog"> {
  return {
    async resources(_input, { principal }) {
      const facts = await desk.gather(principal, "");
      return inScene(context, principal, async ({ catalog }) => ({
        status: 200 as const,
        body: {
          resources: await resourcesFor(context, catalog, principal, facts),
          bundles: Object.values(catalog.configuration.bundles ?? {}).map((kit) => ({
            ...kit,
            entitlements: [...kit.entitlements],
          })),
        },
      }));
    },

    async explain({ body }, { principal }) {
      const user = await personMeant(context, principal, body.user);
      if (isRefusal(user)) return user;
      const facts = await desk.gather(user, body.ticket);
      const explained = await inScene(context, principal, ({ catalog }) =>
        explain(context, catalog, user, body, facts),
      );
      return isRefusal(explained) ? explained : { status: 200, body: explained };
    },
  };
}

async function resourcesFor(
  context: Context,
  catalog: Catalog,
  principal: Principal,
  facts: Facts,
): Promise<ResourceView[]> {
  const nowMs = await databaseNowMs(context.db);
  const principals = await activePrincipals(context.db);
  const standing = await standingOf(context.db, catalog.policy, [principal], nowMs);
  const asker = { ...{ catalog, facts, standing, nowMs }, user: principal };
  return Object.values(catalog.configuration.resources).map((resource) => ({
    name: resource.name,
    title: resource.title,
    connector: resource.connector,
    labels: { ...resource.labels },
    owners: [...resource.owners],
    entitlements: Object.values(resource.entitlements).map((entitlement) => ({
      ref: entitlement.ref,
      name: entitlement.name,
      title: entitlement.title,
      risk: entitlement.risk,
      maxDuration: formatDuration(entitlement.maxDurationMs),
      describe: [...entitlement.describe],
      narrower: entitlement.narrower.flatMap((name) => resource.entitlements[name]?.ref ?? []),
      forMe: forMe(asker, { resource, entitlement }, principals),
    })),
  }));
}

/** Oneself; or somebody else, for those who look after policy. */
async function personMeant(context: Context, caller: Principal, handle: string | null): Promise<Principal | Refusal> {
  if (handle === null || handle === caller.handle) return caller;
  if (!hasRole(caller, "admin", "auditor", "operator"))
    return refuse("forbidden", "Only admins, auditors and operators may ask for somebody else.");
  const found = await findByHandle(context.db, handle);
  return found ?? refuse("not-found", `There is nobody called ${JSON.stringify(handle)} here.`);
}

async function explain(
  context: Context,
  catalog: Catalog,
  user: Principal,
  body: Explain,
  facts: Facts,
): Promise<Explanation | Refusal> {
  const found = requireEntitlement(catalog, body.entitlement);
  if (isRefusal(found)) return found;
  const { entitlement, resource } = found;
  const durationMs = body.duration ?? sensibleDurationMs(found);
  if (durationMs > entitlement.maxDurationMs) return tooLong(found, durationMs);
  const principals = await activePrincipals(context.db);
  const request = { durationMs, reason: body.reason, ticket: body.ticket, emergency: false, startMs: null };
  const nowMs = await databaseNowMs(context.db);
  const standing = await standingOf(context.db, catalog.policy, [user], nowMs);
  const known = standing.factsOf(user, resource.name, facts);
  const decision = evaluate(catalog.policy, circumstancesOf(user, found, request, known, nowMs), standing.uses);
  return {
    user: toPerson(user),
    entitlement: entitlement.ref,
    title: entitlement.title,
    duration: formatDuration(durationMs),
    maxDuration: formatDuration(entitlement.maxDurationMs),
    outcome: decision.outcome,
    rule: decision.rule,
    steps: describeSteps(decision.steps, resource, user.id, principals, []),
    trace: [...decision.trace],
    why: whyDenied(decision, user, found, principals),
    onCallTier: facts.oncall.tier,
    configVersion: catalog.id,
  };
}

function tooLong({ entitlement }: Found, durationMs: number): Refusal {
  const max = formatDuration(entitlement.maxDurationMs);
  const asked = formatDuration(durationMs);
  return refuse("invalid-duration", `${entitlement.ref} is for at most ${max}; you asked for ${asked}.`, { max });
}
