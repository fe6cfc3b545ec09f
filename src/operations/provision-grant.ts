/** What the reconciler records while it makes access. Every write is fenced: who lost the claim writes nothing. */
import { defined } from "../base/assert.ts";
import { canonicalJson, type JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { failpoint } from "../base/failpoint.ts";
import { type GrantId, leaseId } from "../base/ids.ts";
import type { Secret } from "../base/secret.ts";
import type { EntryDraft } from "../domain/audit.ts";
import type { Delivery } from "../domain/credential.ts";
import type { TargetIdentity } from "../domain/evidence.ts";
import { extendedOnTarget, provisioned, rotated, withTrouble } from "../domain/grant.ts";
import type { Lease } from "../domain/lease.ts";
import { type Claim, ClaimLost } from "../store/grants.ts";
import type { LedgerTx } from "../store/ledger.ts";
import type { LedgerContext } from "./context.ts";
import { endGrant, endLocked } from "./revoke-grant.ts";
import { transact } from "./transact.ts";

const acting = (operation: string, claim: Claim) => ({
  operation,
  actor: { system: "reconciler" as const },
  refs: { grant: claim.grant },
});

/** Holds the right for this claim, before anybody looks at whether it stands already. False: somebody else works on it. */
export function holdRight(
  context: LedgerContext,
  claim: Claim,
  rightKey: string,
  lifetimeMs: number,
): Promise<boolean> {
  return context.ledger.claimRight(rightKey, claim, lifetimeMs);
}

export type NewLease = {
  readonly rightKey: string;
  readonly names: JsonObject;
  /** Whether the right was seen standing on the target. Ours, under another grant, is not taken for found. */
  readonly standing: boolean;
  readonly connector: Omit<Lease["connector"], "sealedConnection">;
  /** The connection with secrets resolved, as JSON; sealed here. */
  readonly connectionSecret: Secret;
  readonly target: TargetIdentity;
  /** The secret that the person will get; sealed here. Null where access needs none. */
  readonly credential: Secret | null;
};

/** Writes down what will be made, before it is. Null: the grant is no longer to be provisioned. Repeated: the lease that is there. */
export async function writeLease(context: LedgerContext, claim: Claim, wanted: NewLease): Promise<Lease | null> {
  const result = await transact<Lease | null>(context, acting("write-lease", claim), async ({ tx, apply }) => {
    const locked = await tx.lockGrant(claim.grant, claim);
    if (locked?.grant.state !== "provisioning") return null;
    const existing = await tx.leaseOf(claim.grant);
    if (existing !== null) return existing;
    const { grant, nowMs } = locked;
    const holders = await tx.holdersOf(wanted.rightKey);
    const foundBefore = holders.filter(({ lease }) => lease.origin === "found");
    const found = wanted.standing && (holders.length === 0 || foundBefore.length > 0);
    // What an earlier grant found standing stands no more: from now on it is there by our doing, for that grant as well.
    if (!found) for (const { grant: other } of foundBefore) if (other !== null) await takeAsMade(tx, other.id);
    const person = defined(await tx.findPrincipal(grant.principalId), "principal of the grant");
    const lease: Lease = {
      id: leaseId.make(),
      grantId: grant.id,
      rightKey: wanted.rightKey,
      names: wanted.names,
      origin: found ? "found" : "made",
      scope: grant.scope,
      scopeHash: grant.scopeHash,
      account: { handle: person.handle, email: person.email },
      connector: {
        ...wanted.connector,
        sealedConnection: await tx.seal(context.sealing, "connection", wanted.connectionSecret, nowMs),
      },
      target: wanted.target,
      state: "intended",
      details: {},
      delivery: null,
      secretId:
        wanted.credential === null ? null : await tx.seal(context.sealing, "credential", wanted.credential, nowMs),
      fence: claim.fence,
      createdMs: nowMs,
    };
    const data = { origin: lease.origin, target: { ...lease.target }, fence: claim.fence };
    const entry: EntryDraft = {
      kind: "lease.written",
      actor: { system: "reconciler" },
      refs: { grant: grant.id, lease: lease.id, principal: person.id },
      data,
      // Names on a target may be those of the person.
      personal: { rightKey: lease.rightKey, names: canonicalJson(lease.names) },
    };
    await apply({ leases: [lease], entries: [entry] }, nowMs);
    return lease;
  });
  return result as Lease | null;
}

async function takeAsMade(tx: LedgerTx, id: GrantId): Promise<void> {
  await tx.lockGrant(id, null);
  const lease = await tx.leaseOf(id);
  if (lease !== null && lease.state !== "released") await tx.putLease({ ...lease, origin: "made" });
}

/** Keeps what a connector must know later. Throws ClaimLost when the claim is no longer ours. */
export async function rememberDetails(context: LedgerContext, claim: Claim, details: JsonObject): Promise<void> {
  if (!(await context.ledger.mergeDetails(claim, details))) await confirmClaim(context, claim);
}

/** Whether the claim is still ours: asked after signing in to a target and before doing anything there. */
export async function confirmClaim(context: LedgerContext, claim: Claim): Promise<void> {
  if (!(await context.ledger.isClaimed(claim))) throw new ClaimLost(`the claim on grant ${claim.grant} was taken over`);
}

/** The access is there: active. False: it is no longer wanted, and will be undone. */
export async function recordProvisioned(
  context: LedgerContext,
  claim: Claim,
  made: { details: JsonObject; delivery: Delivery },
  target: TargetIdentity,
): Promise<boolean> {
  const result = await transact<boolean>(context, acting("record-provisioned", claim), async ({ tx, apply }) => {
    const locked = await tx.lockGrant(claim.grant, claim);
    const lease = await tx.leaseOf(claim.grant);
    if (locked === null || lease === null) return false;
    const { grant, nowMs } = locked;
    await tx.putLease({
      ...lease,
      state: "made",
      details: { ...lease.details, ...made.details },
      delivery: made.delivery,
      target,
      fence: claim.fence,
    });
    if (grant.state !== "provisioning" || nowMs >= grant.expiresMs) return false;
    await apply({ grants: [provisioned(grant, lease.secretId === null ? "none" : "ready", nowMs)] }, nowMs);
    return true;
  });
  return result as boolean;
}

/** The target knows the new end. `expiresMs` is what it was told: if the grant was extended again meanwhile, it is told again. */
export async function recordExtended(context: LedgerContext, claim: Claim, expiresMs: number): Promise<void> {
  await transact(context, acting("record-extended", claim), async ({ tx, apply }) => {
    const locked = await tx.lockGrant(claim.grant, claim);
    if (locked?.grant.state !== "active" || locked.grant.expiresMs !== expiresMs) return null;
    await apply({ grants: [extendedOnTarget(locked.grant)] }, locked.nowMs);
    return null;
  });
}

/** Seals the new secret before the target learns it, so that a crash between leaves one that works. */
export async function prepareRotation(context: LedgerContext, claim: Claim, secret: Secret): Promise<void> {
  await context.ledger.transaction(async (tx) => {
    const locked = await tx.lockGrant(claim.grant, claim);
    const lease = await tx.leaseOf(claim.grant);
    if (locked === null || lease === null) return;
    const secretId = await tx.seal(context.sealing, "credential", secret, locked.nowMs);
    await tx.putLease({ ...lease, secretId, fence: claim.fence });
    if (lease.secretId !== null) await tx.discard(lease.secretId);
  });
}

export async function recordRotated(context: LedgerContext, claim: Claim): Promise<void> {
  await transact(context, acting("record-rotated", claim), async ({ tx, apply }) => {
    const locked = await tx.lockGrant(claim.grant, claim);
    if (locked?.grant.state === "active" && locked.grant.rotateCredential)
      await apply({ grants: [rotated(locked.grant)] }, locked.nowMs);
    return null;
  });
}

/** It can never be made, or not in time: what was made of it is undone. */
export async function giveUp(context: LedgerContext, claim: Claim, reason: string): Promise<void> {
  await transact(context, acting("give-up", claim), async (work) => {
    await endGrant(
      work,
      claim.grant,
      { cause: "provisioning-failed", by: null, reason },
      { system: "reconciler" },
      claim,
    );
    return null;
  });
}

/** The end has come. */
export async function expireGrant(context: LedgerContext, claim: Claim): Promise<void> {
  await transact(context, acting("expire-grant", claim), async (work) => {
    const locked = await work.tx.lockGrant(claim.grant, claim);
    if (locked === null || locked.nowMs < locked.grant.expiresMs) return null;
    const reason = `ended at ${toTimestamp(locked.grant.expiresMs)}`;
    await endLocked(work, locked, { cause: "expired", by: null, reason }, { system: "reconciler" });
    return null;
  });
  await failpoint("expire.after-record");
}

/** Something went wrong; it is tried again after a while, for ever. */
export async function noteTrouble(
  context: LedgerContext,
  claim: Claim,
  error: { code: string; message: string },
  backoffMs: number,
): Promise<void> {
  await transact(context, acting("note-trouble", claim), async ({ tx, apply }) => {
    const locked = await tx.lockGrant(claim.grant, claim);
    if (locked === null || locked.grant.state === "cancelled") return null;
    const { grant, entry } = withTrouble(locked.grant, error, locked.nowMs, locked.nowMs + backoffMs);
    if (entry !== null) await apply({ grants: [{ grant, entry }] }, locked.nowMs);
    else await tx.putGrant(grant, null);
    return null;
  });
}
