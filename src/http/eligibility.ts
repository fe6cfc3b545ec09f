/** Who could get what: policy asked about many people, or about many entitlements, a page at a time. */
import { setImmediate as turn } from "node:timers/promises";
import { formatDuration } from "../base/duration.ts";
import { principalId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { AccessOf, EligiblePeople, WayView } from "../contract/eligibility.ts";
import { approversAmong, describeStep, isEligible } from "../domain/approvers.ts";
import { soughtByRules } from "../domain/candidates.ts";
import { policyFor } from "../domain/evaluate.ts";
import type { Facts } from "../domain/facts.ts";
import { longestMs, needsOf, triesOf, type Way } from "../domain/foresee.ts";
import { offeredBy } from "../domain/partial-condition.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { type Found, requireEntitlement } from "../operations/subject.ts";
import { databaseNowMs } from "../store/db.ts";
import { activePrincipals, candidatesFor, findByHandle, findPrincipal } from "../store/principals.ts";
import { visibleGrants } from "../store/visible.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { type Among, type Asker, waysFor, whyDenied } from "./explain.ts";
import { grantViews } from "./grant-views.ts";
import { toPerson } from "./people.ts";
import { inScene, type Scene } from "./scene.ts";
import { standingOf } from "./standing.ts";
import type { Versions } from "./versions.ts";

/** What one page may cost at most: so many people or entitlements are looked at, whether they are on it or not. */
const LOOKED_AT_MAX = 2_000;
/** Others are served after each so many. */
const AT_ONCE = 50;
const GRANTS_MAX = 200;
const BEYOND = { emergencies: true, callsToDuty: true };

const ASSUMES = [
  "It is told for now: for a request that starts at once, for 15m or as long as the entitlement allows where that is less.",
  "A ticket, where one is needed, would be open and their own; on call is the first line.",
  "Limits and history are as they are now; no panic button and no quarantine is looked at.",
];

type Page = { readonly cursor?: string | undefined; readonly limit: number };

export function eligibilityHandlers({ context, facts: desk }: ServerDeps, versions: Versions): Handlers<"eligibility"> {
  const { db } = context;

  return {
    people: ({ params, query }, { principal }) =>
      inScene(context, principal, async ({ catalog }) => {
        const found = requireEntitlement(catalog, params.id);
        if (isRefusal(found)) return found;
        if (!mayAskAbout(principal, found))
          return refuse(
            "forbidden",
            "Only admins, auditors, operators and the owners of the resource see who could get it.",
          );
        const body = await peopleWho({ context, catalog }, found, query);
        return { status: 200 as const, body };
      }),

    async access({ params, query }, { principal }) {
      const user = await personMeant(params.id, principal);
      if (isRefusal(user)) return user;
      const facts = await desk.gather(user, "");
      return inScene(context, principal, async (scene) => ({
        status: 200 as const,
        body: await accessFor(scene, user, facts, query),
      }));
    },
  };

  async function personMeant(named: string, caller: Principal): Promise<Principal | Refusal> {
    if (named === "me" || named === caller.handle || named === caller.id) return caller;
    if (!hasRole(caller, "admin", "auditor", "operator"))
      return refuse("forbidden", "Only admins, auditors and operators see what somebody else could get.");
    const id = principalId.parse(named);
    const found = id === null ? await findByHandle(db, named) : await findPrincipal(db, id);
    return found?.active ? found : refuse("not-found", `There is nobody called ${JSON.stringify(named)} here.`);
  }

  async function accessFor(scene: Scene, user: Principal, facts: Facts, { cursor, limit }: Page): Promise<AccessOf> {
    const { catalog, viewer } = scene;
    const nowMs = await databaseNowMs(db);
    const resources = Object.values(catalog.configuration.resources);
    const owners = resources.flatMap((resource) => resource.owners);
    const rules = catalog.policy.approveRules.map(({ rule }) => rule);
    const among = approversAmong(await candidatesFor(db, soughtByRules(rules, { owners }, user)));
    const standing = await standingOf(db, catalog.policy, [user], nowMs);
    const asker: Asker = { catalog, user, facts, standing, nowMs };
    const all = offeredBy(catalog.configuration.resources).sort((a, b) =>
      inOrder(a.entitlement.ref, b.entitlement.ref),
    );
    const { seen, next } = await looked(
      all.filter(({ entitlement }) => cursor === undefined || entitlement.ref > cursor),
      limit,
      ({ entitlement }) => entitlement.ref,
      async (batch) =>
        batch.flatMap((found) => {
          const ways = wayViews(asker, found, among);
          const { ref, title, risk } = found.entitlement;
          return ways.length === 0 ? [] : [{ ref: ref as string, title, risk, ways }];
        }),
      ({ ref }) => ref,
    );
    const live = { principalIds: [user.id], states: HELD, limit: GRANTS_MAX };
    const grants = cursor === undefined ? await visibleGrants(db, viewer, live) : [];
    return {
      ...{ person: toPerson(user), assumes: ASSUMES, entitlements: seen, next },
      grants: await grantViews(db, versions, scene, grants),
    };
  }
}

const HELD = ["scheduled", "provisioning", "active", "revoking"] as const;

const mayAskAbout = (principal: Principal, { resource }: Found): boolean =>
  hasRole(principal, "admin", "auditor", "operator") ||
  isEligible(principal, { by: ["owners"] }, resource, "" as Principal["id"]);

async function peopleWho(
  { context, catalog }: Pick<ServerDeps, "context"> & Pick<Scene, "catalog">,
  found: Found,
  { cursor, limit }: Page,
): Promise<EligiblePeople> {
  const { db } = context;
  const nowMs = await databaseNowMs(db);
  const everybody = await activePrincipals(db);
  const among = approversAmong(everybody);
  const policy = policyFor(catalog.policy, found);
  const all = everybody.toSorted((a, b) => inOrder(a.handle, b.handle));
  const { seen, next } = await looked(
    all.filter(({ handle }) => cursor === undefined || handle > cursor),
    limit,
    ({ handle }) => handle,
    async (batch) => {
      const standing = await standingOf(db, policy, batch, nowMs);
      return batch.flatMap((user) => {
        // Services are not asked about each of them: who is on call only now shows as who could be.
        const facts: Facts = { oncall: { tier: user.onCallTier, source: "file", ageMs: 0 } };
        const ways = wayViews({ catalog, user, facts, standing, nowMs }, found, among);
        return ways.length === 0 ? [] : [{ person: toPerson(user), type: user.type, ways }];
      });
    },
    ({ person }) => person.handle,
  );
  const { ref, title } = found.entitlement;
  return { entitlement: ref, title, assumes: ASSUMES, people: seen, next };
}

/** A page of what is found while looking along a list: it ends when it is full, or when enough was looked at. */
async function looked<Item, Found>(
  items: readonly Item[],
  limit: number,
  nameOf: (item: Item) => string,
  look: (batch: readonly Item[]) => Promise<Found[]>,
  foundOf: (found: Found) => string,
): Promise<{ seen: Found[]; next: string | null }> {
  const seen: Found[] = [];
  const bound = items.slice(0, LOOKED_AT_MAX);
  for (let at = 0; at < bound.length && seen.length <= limit; at += AT_ONCE) {
    seen.push(...(await look(bound.slice(at, at + AT_ONCE))));
    await turn();
  }
  if (seen.length > limit) {
    const shown = seen.slice(0, limit);
    const last = shown.at(-1);
    return { seen: shown, next: last === undefined ? null : foundOf(last) };
  }
  const last = bound.at(-1);
  return { seen, next: bound.length < items.length && last !== undefined ? nameOf(last) : null };
}

const inOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function wayViews(asker: Asker, found: Found, among: Among): WayView[] {
  const tries = triesOf(policyFor(asker.catalog.policy, found), BEYOND);
  return [...waysFor(asker, found, tries)].map((way) => wayView(way, found, asker.user, among));
}

function wayView(way: Way, found: Found, user: Principal, among: Among): WayView {
  const { decision, rule, bringing } = way;
  const { steps } = decision;
  const automatic = decision.outcome === "automatic";
  return {
    outcome: automatic ? "automatic" : "needs-approval",
    rule: rule.name,
    needs: [...needsOf(way), ...steps.map((step) => `approval by ${describeStep(step, found.resource)}`)],
    onlyWhen: [
      ...(bringing.emergency ? (["in an emergency"] as const) : []),
      ...(bringing.onCall ? (["on call"] as const) : []),
    ],
    maxDuration: formatDuration(longestMs(found, rule)),
    stuck: whyDenied(decision, user, found, among),
  };
}
