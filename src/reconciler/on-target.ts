/** Signs in to the target that a lease names, and to no other: identity and position must be the recorded ones. */

import { assert, defined } from "../base/assert.ts";
import type { JsonObject } from "../base/canonical.ts";
import type { Chance } from "../base/chance.ts";
import type { Timers } from "../base/clock.ts";
import type { Secret } from "../base/secret.ts";
import { type Connector, type Order, type Target, TargetError } from "../connector/connector.ts";
import type { TargetIdentity } from "../domain/evidence.ts";
import type { Grant } from "../domain/grant.ts";
import type { Lease } from "../domain/lease.ts";
import type { LedgerContext } from "../operations/context.ts";
import { confirmClaim, holdRight, rememberDetails } from "../operations/provision-grant.ts";
import type { Claim } from "../store/grants.ts";
import { CannotUnseal } from "../store/sealed.ts";
import { type Connectors, withTarget } from "./host.ts";

export type Worker = {
  readonly context: LedgerContext;
  readonly connectors: Connectors;
  readonly claim: Claim;
  readonly claimLifetimeMs: number;
  /** Aborts when the claim is lost or the process stops; its reason is thrown then, `ClaimLost` or `Busy`. */
  readonly signal: AbortSignal;
  readonly watch: Watch;
  readonly clock: Timers;
  readonly chance: Chance;
};

/** Told of everything that is done, for figures. */
export type Watch = {
  performed(action: { resource: string; action: string; seconds: number; failure: string | null }): void;
  /** A grant was closed with proof. */
  closed(grant: Grant): void;
};

/** Somebody else works on the same right just now, or must go first, or we broke off: come back in a moment. Not trouble. */
export class Busy extends Error {
  override readonly name = "Busy";
}

/** What one step leaves: nothing is due for a while and the claim was let go, or somebody must look again. */
export type Done = "released" | "go on";

export type OnTarget = {
  readonly target: Target<unknown>;
  readonly connector: Connector;
  readonly identity: TargetIdentity;
  readonly order: Order<unknown>;
  /** The order with what was remembered since: it is in the ledger, and whoever acts next must know it. */
  latest(): Order<unknown>;
};

/** Takes the right for this claim: nobody else adds or removes it meanwhile. */
export async function takeRight({ context, claim, claimLifetimeMs }: Worker, rightKey: string): Promise<void> {
  if (!(await holdRight(context, claim, rightKey, claimLifetimeMs)))
    throw new Busy(`another grant of ${rightKey} is being worked on`);
}

export function connectorOf(worker: Worker, kind: string): Connector {
  const connector = worker.connectors.byKind.get(kind);
  if (connector === undefined)
    throw new TargetError("not-supported", `this Tidegate has no connector ${kind}`, { permanent: false });
  return connector;
}

export const actorOf = (worker: Worker) => ({
  installation: worker.context.installation,
  grant: worker.claim.grant,
  fence: worker.claim.fence,
});

export function orderOf(
  worker: Worker,
  grant: Pick<Grant, "id" | "scope" | "scopeHash">,
  lease: Pick<Lease, "account" | "names" | "details">,
): Order<unknown> {
  return {
    installation: worker.context.installation,
    grant: grant.id,
    scope: grant.scope,
    scopeHash: grant.scopeHash,
    principal: lease.account,
    names: lease.names,
    details: lease.details,
    remember: (details) => rememberDetails(worker.context, worker.claim, details),
  };
}

function ordersOf(worker: Worker, grant: Grant, lease: Lease): Pick<OnTarget, "order" | "latest"> {
  let { details } = lease;
  const first = orderOf(worker, grant, lease);
  const remember = async (more: JsonObject): Promise<void> => {
    await first.remember(more);
    details = { ...details, ...more };
  };
  return { order: { ...first, remember }, latest: () => ({ ...first, remember, details }) };
}

/** Runs `work` on the recorded target: by the connection as configured now, else by the one kept with the lease. */
export async function onTarget<T>(
  worker: Worker,
  grant: Grant,
  lease: Lease,
  work: (on: OnTarget) => Promise<T>,
): Promise<T> {
  const connector = connectorOf(worker, lease.connector.kind);
  let reached = false;
  let first: unknown = null;
  for (const way of ways(worker, lease)) {
    try {
      const connection = await way();
      if (connection === null) continue;
      return await withTarget(worker.clock, connector, connection, actorOf(worker), worker.signal, async (target) => {
        const identity = await target.identify();
        refuseOther(lease.target, identity);
        await confirmClaim(worker.context, worker.claim);
        reached = true;
        return work({ target, connector, identity, ...ordersOf(worker, grant, lease) });
      });
    } catch (error) {
      if (reached || !(error instanceof TargetError)) throw error;
      first ??= error;
    }
  }
  throw defined(first, "an error of a target that could not be reached");
}

/**
 * As configured now first: an admin credential that was rotated is there. The kept one serves when the resource was removed
 * or moved. Last the one that was written down with its references, for when the kept one cannot be opened.
 */
function ways(worker: Worker, lease: Lease): (() => Promise<JsonObject | null>)[] {
  const { context, connectors } = worker;
  const configured = async () => {
    const catalog = await context.catalog.active(context.ledger);
    const resource = catalog?.configuration.resources[lease.connector.resource];
    return resource?.connector === lease.connector.kind ? resolved(connectors, resource.connection) : null;
  };
  const kept = async () => {
    const secret = await opened(() =>
      context.ledger.unseal(context.sealing, "connection", lease.connector.sealedConnection),
    );
    return secret === null ? null : (JSON.parse(secret.reveal()) as JsonObject);
  };
  const written = async () => resolved(connectors, lease.connector.connection);
  return [configured, kept, written];
}

/** A secret that cannot be opened here is trouble of this one grant: told, tried again, and in nobody else's way. */
export async function opened(unsealing: () => Promise<Secret | null>): Promise<Secret | null> {
  try {
    return await unsealing();
  } catch (error) {
    if (!(error instanceof CannotUnseal)) throw error;
    throw new TargetError("cannot-sign-in", error.message);
  }
}

/** The connection with its secrets; a reference that leads nowhere is trouble with signing in. */
export function resolved(connectors: Connectors, connection: JsonObject): JsonObject {
  try {
    return connectors.resolve(connection);
  } catch (error) {
    throw new TargetError(
      "cannot-sign-in",
      error instanceof Error ? error.message : "the connection cannot be resolved",
    );
  }
}

/** Another server, or an older clone of the same one, says nothing about the access that was given on the recorded one. */
export function refuseOther(recorded: TargetIdentity, seen: TargetIdentity): void {
  assert(seen.identity !== "", "a target has an identity");
  if (seen.identity !== recorded.identity)
    throw new TargetError(
      "moved",
      `this address leads to another server now (${seen.identity}); the access was given on ${recorded.identity}. Lead it back there; after a planned move: tidegate target accept`,
    );
  if (recorded.position !== null && seen.position !== null && BigInt(seen.position) < BigInt(recorded.position))
    throw new TargetError(
      "moved",
      `this server is an older copy: it is at ${seen.position}, the access was given at ${recorded.position}. Lead the address back to the newer one; if there is none any more: tidegate target accept`,
    );
}
