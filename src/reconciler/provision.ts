import { defined } from "../base/assert.ts";
import { failpoint } from "../base/failpoint.ts";
import { Secret } from "../base/secret.ts";
import type { Connector, Target } from "../connector/connector.ts";
import type { Grant } from "../domain/grant.ts";
import type { Lease } from "../domain/lease.ts";
import {
  confirmClaim,
  giveUp,
  prepareRotation,
  recordExtended,
  recordProvisioned,
  recordRotated,
  writeLease,
} from "../operations/provision-grant.ts";
import { connectionSecret, withTarget } from "./host.ts";
import { actorOf, connectorOf, onTarget, opened, orderOf, resolved, takeRight, type Worker } from "./on-target.ts";

/** 192 bits as text that needs no quoting anywhere. */
const newPassword = ({ chance }: Worker): Secret => new Secret(Buffer.from(chance.bytes(24)).toString("base64url"));

/** Makes the access: the lease first, committed; then the target. */
export async function provision(worker: Worker, grant: Grant): Promise<void> {
  const lease = await worker.context.ledger.leaseOf(grant.id);
  if (lease !== null) {
    // An earlier attempt came this far. It used the names that are in the lease, so the same call makes it whole.
    await onTarget(worker, grant, lease, async ({ target, connector }) => {
      await takeRight(worker, lease.rightKey);
      await make(worker, grant, lease, connector, target);
    });
    return;
  }
  const catalog = await worker.context.catalog.active(worker.context.ledger);
  const resource = catalog?.configuration.resources[grant.resource];
  if (resource === undefined)
    return giveUp(worker.context, worker.claim, `${grant.resource} was removed from the configuration`);
  const connector = connectorOf(worker, resource.connector);
  const connection = resolved(worker.connectors, resource.connection);
  await withTarget(worker.clock, connector, connection, actorOf(worker), worker.signal, async (target) => {
    const identity = await target.identify();
    await confirmClaim(worker.context, worker.claim);
    const person = defined(await worker.context.ledger.findPrincipal(grant.principalId), "principal of the grant");
    const account = { handle: person.handle, email: person.email };
    const { right, names } = connector.intend({ ...orderOf(worker, grant, { account, names: {}, details: {} }) });
    const rightKey = `${identity.identity}/${right}`;
    await takeRight(worker, rightKey);
    await failpoint("provision.after-right");
    const standing = await target.standing(orderOf(worker, grant, { account, names, details: {} }));
    const written = await writeLease(worker.context, worker.claim, {
      rightKey,
      names,
      standing,
      connector: { kind: connector.kind, resource: grant.resource, connection: resource.connection },
      connectionSecret: connectionSecret(connection),
      target: identity,
      credential: connector.credential === "none" ? null : newPassword(worker),
    });
    await failpoint("provision.after-lease");
    if (written !== null) await make(worker, grant, written, connector, target);
  });
}

async function make(
  worker: Worker,
  grant: Grant,
  lease: Lease,
  connector: Connector,
  target: Target<unknown>,
): Promise<void> {
  const { context, claim } = worker;
  const secret = connector.credential === "none" ? null : await secretOf(worker, lease);
  const remainingMs = grant.expiresMs - (await context.ledger.nowMs());
  if (remainingMs <= 0) return;
  const made = await target.provision(orderOf(worker, grant, lease), { secret, remainingMs });
  // How far the target is now: a copy of it from before this moment lacks the access, and must not be taken for it.
  const position = await target.identify();
  await failpoint("provision.after-target");
  await recordProvisioned(context, claim, made, position);
  await failpoint("provision.after-record");
}

/** The sealed secret; a new one in its place where it was lost with its key: nobody has had it yet. */
async function secretOf(worker: Worker, lease: Lease): Promise<Secret> {
  const { context, claim } = worker;
  const { secretId } = lease;
  const kept =
    secretId === null ? null : await opened(() => context.ledger.unseal(context.sealing, "credential", secretId));
  if (kept !== null) return kept;
  const secret = newPassword(worker);
  await prepareRotation(context, claim, secret);
  return secret;
}

/** Tells the target of a later end. Sessions go on. */
export async function extend(worker: Worker, grant: Grant): Promise<void> {
  const lease = defined(await worker.context.ledger.leaseOf(grant.id), "lease of an active grant");
  await onTarget(worker, grant, lease, async ({ target, order }) => {
    const remainingMs = grant.expiresMs - (await worker.context.ledger.nowMs());
    if (remainingMs <= 0) return;
    await target.extend(order, { remainingMs });
    await failpoint("extend.after-target");
    await recordExtended(worker.context, worker.claim, grant.expiresMs);
    await failpoint("extend.after-record");
  });
}

/** Gives the access a new secret. The old one is dead once the target knows the new. */
export async function rotate(worker: Worker, grant: Grant): Promise<void> {
  const lease = defined(await worker.context.ledger.leaseOf(grant.id), "lease of an active grant");
  const secret = newPassword(worker);
  await onTarget(worker, grant, lease, async ({ target, order }) => {
    const remainingMs = grant.expiresMs - (await worker.context.ledger.nowMs());
    if (remainingMs <= 0) return;
    await prepareRotation(worker.context, worker.claim, secret);
    await failpoint("rotate.after-seal");
    await target.provision(order, { secret, remainingMs });
    await failpoint("rotate.after-target");
    await recordRotated(worker.context, worker.claim);
    await failpoint("rotate.after-record");
  });
}
