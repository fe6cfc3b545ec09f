import { defined } from "../base/assert.ts";
import { failpoint } from "../base/failpoint.ts";
import type { GrantId } from "../base/ids.ts";
import { type Probe, TargetError } from "../connector/connector.ts";
import type { TargetIdentity } from "../domain/evidence.ts";
import type { Grant } from "../domain/grant.ts";
import type { Lease } from "../domain/lease.ts";
import { type SharedRight, sharedRight } from "../domain/plan.ts";
import { type Proof, recordConfirmation, recordProof, shared } from "../operations/close-grant.ts";
import { Busy, type Done, type OnTarget, onTarget, takeRight, type Worker } from "./on-target.ts";

/** For this long after its end, a grant of a shared right waits for one that takes it over at the same moment. */
const HANDOVER_MS = 10_000;
/** One that starts this soon after takes over as well; also one that was busy just now. */
const HANDOVER_AHEAD_MS = 250;

/** Takes access away and proves it. Whatever revoke says, only the probe closes the grant. */
export async function revoke(worker: Worker, grant: Grant): Promise<Done> {
  const { context, claim } = worker;
  const lease = defined(await context.ledger.leaseOf(grant.id), "lease of a grant that is being revoked");
  return onTarget<Done>(worker, grant, lease, async (on) => {
    const sharing = await holdShared(worker, grant, lease, on);
    const failure = await attempt(() => on.target.revoke(on.order, { keep: keeps(sharing) }));
    await failpoint("revoke.after-target");
    // With what revoke remembered: it is in the ledger, and the probe must know it.
    const probe = await on.target.probe(on.latest());
    const proof = proofOf(probe, keeps(sharing), sharing, on.identity);
    await failpoint("revoke.after-probe");
    const after = await recordProof(context, claim, proof, worker.claimLifetimeMs);
    await failpoint("revoke.after-record");
    if (after?.state === "revoked" || after?.state === "failed") {
      worker.watch.closed(after);
      return "released";
    }
    if (after?.state !== "revoking") return "go on";
    throw failure ?? unproven(probe, sharing);
  });
}

/** The second look, after the time in which a paused worker could have come back. */
export async function confirm(worker: Worker, grant: Grant): Promise<Done> {
  const lease = defined(await worker.context.ledger.leaseOf(grant.id), "lease of an ended grant");
  return onTarget<Done>(worker, grant, lease, async (on) => {
    const sharing = await holdShared(worker, grant, lease, on);
    // A right that another grant still holds while it is being revoked is that one's to take away, and its alarm.
    const heldElsewhere = keeps(sharing) || sharing.leaving.length > 0;
    const look = async (): Promise<{ probe: Probe; proof: Proof }> => {
      const probe = await on.target.probe(on.latest());
      // Not knowing is no reason to raise the alarm, nor to confirm: look again later.
      if (probe.own === "unknown" || (probe.right === "unknown" && !heldElsewhere)) throw unproven(probe, sharing);
      return { probe, proof: proofOf(probe, heldElsewhere, sharing, on.identity) };
    };
    let { probe, proof } = await look();
    if (proof.accessGone && !proof.clean) {
      // Left by somebody since, such as what a grant that is just ending shared with this one. It gives nobody access, so
      // nothing is live again: it is cleaned up once more.
      await on.target.revoke(on.order, { keep: keeps(sharing) });
      ({ probe, proof } = await look());
      if (proof.accessGone && !proof.clean) throw unproven(probe, sharing);
    }
    await failpoint("confirm.after-probe");
    const confirmed = await recordConfirmation(worker.context, worker.claim, proof);
    await failpoint("confirm.after-record");
    return confirmed ? "released" : "go on";
  });
}

const keeps = (sharing: SharedRight): boolean => sharing.standing || sharing.coveredBy.length > 0;

/** Takes the right for this claim, then looks at who else needs it: nobody can change that meanwhile. */
async function holdShared(worker: Worker, grant: Grant, lease: Lease, on: OnTarget): Promise<SharedRight> {
  // Nobody to wait for, to go first or to leave it to: the claim on the grant is all that is needed.
  if (isOwn(lease, on)) return sharedRight(lease, []);
  await letSuccessorGoFirst(worker, grant, lease, on);
  await takeRight(worker, lease.rightKey);
  return shared(worker.context, lease);
}

/** No grant has these ids; at least one of them is not the grant's own. */
const STRANGERS = ["gr_0000000000000000", "gr_zzzzzzzzzzzzzzzz"] as const;

/**
 * Whether no other grant can have this right: the connector names it after the grant, and would name that of any other grant
 * of the same person and scope differently. It must still name this grant's as it is in the lease.
 */
function isOwn(lease: Lease, { connector, identity, order }: OnTarget): boolean {
  const keyOf = (grant: GrantId): string => `${identity.identity}/${connector.intend({ ...order, grant }).right}`;
  const stranger = STRANGERS.find((id) => id !== order.grant) as GrantId;
  return keyOf(order.grant) === lease.rightKey && keyOf(stranger) !== lease.rightKey;
}

/** A grant of the same right that starts as this one ends is made first, so that there is no gap between them. */
async function letSuccessorGoFirst({ context }: Worker, grant: Grant, lease: Lease, on: OnTarget): Promise<void> {
  const nowMs = await context.ledger.nowMs();
  if (grant.state !== "revoking" || grant.ending.cause !== "expired" || nowMs > grant.expiresMs + HANDOVER_MS) return;
  for (const next of await context.ledger.dueToStart(grant.resource, grant.principalId, nowMs + HANDOVER_AHEAD_MS)) {
    const { installation, principal } = on.order;
    const { right } = on.connector.intend({
      installation,
      principal,
      grant: next.id,
      scope: next.scope,
      scopeHash: next.scopeHash,
    });
    if (`${on.identity.identity}/${right}` === lease.rightKey)
      throw new Busy(`${next.id} takes over ${lease.rightKey}`);
  }
}

function proofOf(probe: Probe, heldElsewhere: boolean, sharing: SharedRight, target: TargetIdentity): Proof {
  return {
    accessGone: probe.own === "gone" && (heldElsewhere || probe.right === "gone"),
    live: probe.own === "live" || (probe.right === "live" && !heldElsewhere),
    rightGone: probe.right === "gone",
    clean: probe.remains.length === 0,
    observations: probe.observations,
    target,
    shared: sharing,
  };
}

async function attempt(verb: () => Promise<void>): Promise<TargetError | null> {
  try {
    await verb();
    return null;
  } catch (error) {
    if (error instanceof TargetError) return error;
    throw error;
  }
}

function unproven(probe: Probe, sharing: SharedRight): TargetError {
  const saw = probe.observations.map((o) => `${o.check}: ${o.saw}`).join("; ");
  if (probe.own === "live" || (probe.right === "live" && !keeps(sharing)))
    return new TargetError("failed", `the probe still sees access (${saw})`);
  if (probe.remains.length > 0 && probe.own === "gone")
    return new TargetError("conflict", `access is gone, left to clean up: ${probe.remains.join("; ")}`);
  return new TargetError("failed", `the probe could not prove that access is gone (${saw})`);
}
