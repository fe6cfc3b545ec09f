/**
 * One sweep of one resource: look at the target, compare with the ledger, record what differs, do about it what policy says,
 * and look again. It may die anywhere: findings are committed before anything is done about them, everything that is done
 * may be repeated, and the next sweep begins from the top.
 */
import { failpoint } from "../base/failpoint.ts";
import type { GrantId } from "../base/ids.ts";
import { type Connector, type Order, type Target, TargetError } from "../connector/connector.ts";
import { type Drift, type DriftPolicy, findDrift, type Look } from "../domain/drift.ts";
import type { TargetIdentity } from "../domain/evidence.ts";
import type { Resource } from "../domain/resource.ts";
import type { Context } from "../operations/context.ts";
import { type Recorded, recordDrift } from "../operations/record-drift.ts";
import {
  foundRights,
  liveOnResource,
  type SweepClaim,
  type SweepGrant,
  scopesInUse,
  sweepGrants,
} from "../store/drift.ts";
import { withTarget } from "./host.ts";
import { refuseOther, resolved, type Worker } from "./on-target.ts";
import { repair } from "./repair.ts";

/** A sweep of a large target takes longer than anything done for one grant; what hangs is given up all the same. */
export const SWEEP_DEADLINE_MS = 60_000;
/** Rights that stood before us, asked about one by one. */
const STANDING_MAX = 200;

export type Sweeping = Omit<Worker, "claim" | "context"> & {
  readonly context: Context;
  readonly sweep: SweepClaim;
};

export type Swept = {
  readonly target: string;
  readonly beganMs: number;
  /** What each look recorded, in order. */
  readonly recorded: readonly Recorded[];
};

/** Throws a `TargetError` where the target could not be seen whole: then nothing is concluded from what was seen. */
export async function sweep(sweeping: Sweeping, policy?: DriftPolicy): Promise<Swept> {
  const { context, sweep: claim } = sweeping;
  const { resource, connector, connection } = await configured(sweeping, claim.resource);
  const actor = { installation: context.installation, grant: null, fence: claim.fence };
  return withTarget(
    sweeping.clock,
    connector,
    connection,
    actor,
    sweeping.signal,
    async (target) => {
      const first = await lookAndRecord(sweeping, target);
      const done = await repair(sweeping, target, policy ?? resource.drift ?? "report", first);
      // What was done is seen, and not believed.
      const again = done ? [await lookAndRecord(sweeping, target)] : [];
      const last = again[0] ?? first;
      return {
        target: first.target,
        beganMs: last.look.beganMs,
        recorded: [first, ...again].map(({ recorded }) => recorded),
      };
    },
    SWEEP_DEADLINE_MS,
  );
}

/** How a resource is reached now. */
export async function configured(
  { context, connectors }: Pick<Sweeping, "context" | "connectors">,
  name: string,
): Promise<{ resource: Resource; connector: Connector; connection: ReturnType<typeof resolved> }> {
  const catalog = await context.catalog.active(context.ledger);
  const resource = catalog?.configuration.resources[name];
  if (resource === undefined) throw new TargetError("not-supported", `${name} is not configured any more`);
  const connector = connectors.byKind.get(resource.connector);
  if (connector === undefined)
    throw new TargetError("not-supported", `this Tidegate has no connector ${resource.connector}`);
  return { resource, connector, connection: resolved(connectors, resource.connection) };
}

async function lookAndRecord(
  sweeping: Sweeping,
  target: Target<unknown>,
): Promise<{ look: Look; drifts: readonly Drift[]; target: string; recorded: Recorded }> {
  const { context, sweep: claim } = sweeping;
  const { look, identity } = await lookAt(sweeping, target);
  await failpoint("sweep.after-look");
  const drifts = findDrift(look);
  const recorded = await recordDrift(context, claim, { target: identity.identity, beganMs: look.beganMs, drifts });
  await failpoint("sweep.after-record");
  return { look, drifts, target: identity.identity, recorded };
}

async function lookAt(
  { context, sweep: claim }: Sweeping,
  target: Target<unknown>,
): Promise<{ look: Look; identity: TargetIdentity }> {
  const { db, ledger, installation } = context;
  const beganMs = await ledger.nowMs();
  const identity = await target.identify();
  const live = await liveOnResource(db, claim.resource);
  // Another server, or an older copy of this one, says nothing about what was made on the recorded one.
  for (const grant of live) refuseOther(grant.target, identity);
  const orders = live.filter(({ state }) => state === "active").map((grant) => orderFor(context, grant));
  const seen = await target.observe(installation, orders);
  const standing = await standingRights(context, target, claim.resource, identity.identity);
  const endedMs = await ledger.nowMs();
  const known = [...live.map(({ id }) => id), ...seen.flatMap(({ grant }) => grant ?? [])];
  const after = await sweepGrants(db, [...new Set(known)]);
  const hashes = seen.flatMap(({ scopeHash }) => scopeHash ?? []);
  const inUse = await scopesInUse(db, [...new Set(hashes)]);
  const look: Look = {
    resource: claim.resource,
    beganMs,
    endedMs,
    before: byId(live),
    seen,
    after: byId(after),
    scopes: new Set([...inUse, ...live.map(({ scopeHash }) => scopeHash)]),
    standing,
  };
  return { look, identity };
}

const byId = (grants: readonly SweepGrant[]): ReadonlyMap<GrantId, SweepGrant> =>
  new Map(grants.map((grant) => [grant.id, grant]));

/** What a connector is asked about a grant with. It only looks: nothing is remembered of it. */
export const orderFor = ({ installation }: Pick<Context, "installation">, grant: SweepGrant): Order<unknown> => ({
  installation,
  grant: grant.id,
  scope: grant.scope,
  scopeHash: grant.scopeHash,
  principal: grant.account,
  names: grant.names,
  details: grant.details,
  remember: async () => {},
});

async function standingRights(
  context: Context,
  target: Target<unknown>,
  resource: string,
  identity: string,
): Promise<Look["standing"]> {
  const found = await foundRights(context.db, resource, identity, STANDING_MAX);
  const standing: Look["standing"][number][] = [];
  for (const grant of found) {
    if (!(await target.standing(orderFor(context, grant)))) continue;
    // The right as the connector calls it; the key before it is the target's.
    const subject = grant.rightKey.slice(identity.length + 1);
    standing.push({ grant: grant.id, subject, what: "stood there before a grant gave it, and stands" });
  }
  return standing;
}
