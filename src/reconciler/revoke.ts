import { defined } from "../base/assert.ts";
import { failpoint } from "../base/failpoint.ts";
import { type Probe, TargetError } from "../connector/connector.ts";
import type { TargetIdentity } from "../domain/evidence.ts";
import type { Grant } from "../domain/grant.ts";
import type { Lease } from "../domain/lease.ts";
import type { SharedRight } from "../domain/plan.ts";
import { type Proof, recordConfirmation, recordProof, shared } from "../operations/close-grant.ts";
import { Busy, type OnTarget, onTarget, orderOf, takeRight, type Worker } from "./on-target.ts";

/** For this long after its end, a grant of a shared right waits for one that takes it over at the same moment. */
const HANDOVER_MS = 2_000;
/** One that starts this soon after takes over as well; also one that was busy just now. */
const HANDOVER_AHEAD_MS = 250;

/** Takes access away and proves it. Whatever revoke says, only the probe closes the grant. */
export async function revoke(worker: Worker, grant: Grant): Promise<void> {
  const { context, claim } = worker;
  const lease = defined(await context.ledger.leaseOf(grant.id), "lease of a grant that is being revoked");
  await onTarget(worker, grant, lease, async (on) => {
    const sharing = await holdShared(worker, grant, lease, on);
    const failure = await attempt(() => on.target.revoke(on.order, { keep: keeps(sharing) }));
    await failpoint("revoke.after-target");
    // What revoke remembered is in the ledger, and the probe must know it.
    const remembered = defined(await context.ledger.leaseOf(grant.id), "lease");
    const probe = await on.target.probe(orderOf(worker, grant, remembered));
    const proof = proofOf(probe, keeps(sharing), sharing, on.identity);
    await failpoint("revoke.after-probe");
    const after = await recordProof(context, claim, proof, worker.claimLifetimeMs);
    await failpoint("revoke.after-record");
    if (after?.state !== "revoking") return;
    throw failure ?? unproven(probe, sharing);
  });
}

/** The second look, after the time in which a paused worker could have come back. */
export async function confirm(worker: Worker, grant: Grant): Promise<void> {
  const lease = defined(await worker.context.ledger.leaseOf(grant.id), "lease of an ended grant");
  await onTarget(worker, grant, lease, async (on) => {
    const sharing = await holdShared(worker, grant, lease, on);
    // A right that another grant still holds while it is being revoked is that one's to take away, and its alarm.
    const heldElsewhere = keeps(sharing) || sharing.leaving.length > 0;
    const look = async (): Promise<{ probe: Probe; proof: Proof }> => {
      const probe = await on.target.probe(on.order);
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
    await recordConfirmation(worker.context, worker.claim, proof);
    await failpoint("confirm.after-record");
  });
}

const keeps = (sharing: SharedRight): boolean => sharing.standing || sharing.coveredBy.length > 0;

/** Takes the right for this claim, then looks at who else needs it: nobody can change that meanwhile. */
async function holdShared(worker: Worker, grant: Grant, lease: Lease, on: OnTarget): Promise<SharedRight> {
  await letSuccessorGoFirst(worker, grant, lease, on);
  await takeRight(worker, lease.rightKey);
  return shared(worker.context, lease);
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
