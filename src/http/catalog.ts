import { setImmediate as turn } from "node:timers/promises";
import { formatDuration } from "../base/duration.ts";
import { isRefusal } from "../base/problem.ts";
import type { catalog as contract, ResourceView } from "../contract/catalog.ts";
import type { Parsed } from "../contract/contract.ts";
import { approversAmong } from "../domain/approvers.ts";
import { anyOf, soughtByRules } from "../domain/candidates.ts";
import { policyFor } from "../domain/evaluate.ts";
import type { Facts } from "../domain/facts.ts";
import type { Principal } from "../domain/principal.ts";
import type { Resource } from "../domain/resource.ts";
import type { Catalog, Context } from "../operations/context.ts";
import { databaseNowMs } from "../store/db.ts";
import { candidatesFor } from "../store/principals.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { forMe } from "./explain.ts";
import { aboutWhom, explain } from "./explanation.ts";
import { inScene, sceneFor } from "./scene.ts";
import { standingOf } from "./standing.ts";

type Query = Parsed<typeof contract.resources>["query"];

/** What there is to ask for, and what would come of it. */
export function catalogHandlers({ context, facts: desk }: ServerDeps): Handlers<"catalog"> {
  return {
    async resources({ query }, { principal }) {
      const facts = await desk.gather(principal, "");
      return inScene(context, principal, async ({ catalog }) => ({
        status: 200 as const,
        body: {
          ...(await resourcesFor(context, catalog, principal, facts, query)),
          bundles: Object.values(catalog.configuration.bundles ?? {}).map((kit) => ({
            ...kit,
            entitlements: [...kit.entitlements],
          })),
        },
      }));
    },

    async explain({ body }, { principal }) {
      const scene = await sceneFor(context, principal);
      if (isRefusal(scene)) return scene;
      const about = await aboutWhom(context, scene, body);
      if (isRefusal(about)) return about;
      const facts = await desk.gather(about.user, body.ticket);
      const explained = await explain(context, scene, about, body, facts);
      return isRefusal(explained) ? explained : { status: 200, body: explained };
    },
  };
}

/** Others are served after each so many resources. */
const AT_ONCE = 10;

async function resourcesFor(
  { db }: Context,
  catalog: Catalog,
  principal: Principal,
  facts: Facts,
  { resource: only, search, cursor, limit }: Query,
): Promise<{ resources: ResourceView[]; next: string | null }> {
  const all = Object.values(catalog.configuration.resources)
    .filter(({ name }) => (only === undefined || name === only) && (cursor === undefined || name > cursor))
    .map((resource) => ({ resource, entitlements: entitlementsOf(resource, search) }))
    .filter(({ entitlements }) => search === undefined || entitlements.length > 0)
    .sort((a, b) => (a.resource.name < b.resource.name ? -1 : 1));
  const page = all.slice(0, limit);
  const nowMs = await databaseNowMs(db);
  const sought = page.flatMap(({ resource, entitlements }) =>
    entitlements.map((entitlement) => {
      const { approveRules } = policyFor(catalog.policy, { resource, entitlement });
      return soughtByRules(
        approveRules.map(({ rule }) => rule),
        resource,
        principal,
      );
    }),
  );
  const among = approversAmong(await candidatesFor(db, anyOf(sought)));
  const standing = await standingOf(db, catalog.policy, [principal], nowMs);
  const asker = { ...{ catalog, facts, standing, nowMs }, user: principal };
  const resources: ResourceView[] = [];
  for (const [at, { resource, entitlements }] of page.entries()) {
    if (at % AT_ONCE === AT_ONCE - 1) await turn();
    resources.push({
      name: resource.name,
      title: resource.title,
      connector: resource.connector,
      labels: { ...resource.labels },
      owners: [...resource.owners],
      entitlements: entitlements.map((entitlement) => ({
        ref: entitlement.ref,
        name: entitlement.name,
        title: entitlement.title,
        risk: entitlement.risk,
        maxDuration: formatDuration(entitlement.maxDurationMs),
        describe: [...entitlement.describe],
        narrower: entitlement.narrower.flatMap((name) => resource.entitlements[name]?.ref ?? []),
        forMe: forMe(asker, { resource, entitlement }, among),
      })),
    });
  }
  return { resources, next: page.length < all.length ? (page.at(-1)?.resource.name ?? null) : null };
}

function entitlementsOf({ entitlements }: Resource, search: string | undefined) {
  const wanted = search?.toLowerCase() ?? "";
  return Object.values(entitlements).filter(({ ref, title }) => `${ref} ${title}`.toLowerCase().includes(wanted));
}
