/** What a sweep does about what it found. Each finding for itself: one that cannot be repaired keeps no other waiting. */
import { unreachable } from "../base/assert.ts";
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { failpoint } from "../base/failpoint.ts";
import type { GrantId } from "../base/ids.ts";
import { type Probe, type Target, TargetError } from "../connector/connector.ts";
import {
  type Drift,
  type DriftPolicy,
  driftKey,
  type Look,
  type Remedy,
  remedyFor,
  steadyWith,
} from "../domain/drift.ts";
import type { Recorded } from "../operations/record-drift.ts";
import { renewLost, reopenLeftOver } from "../operations/repair-grant.ts";
import { claimGrant, noteRemedy, scopesInUse } from "../store/drift.ts";
import { onTarget, takeRight } from "./on-target.ts";
import type { Sweeping } from "./sweep.ts";

/** Whom somebody put into a group goes before the group. */
const FIRST: readonly Drift["kind"][] = ["left-over", "more", "by-hand", "unknown-mark"];

/** True when anything was done, so that the target is worth another look. */
export async function repair(
  sweeping: Sweeping,
  target: Target<unknown>,
  policy: DriftPolicy,
  { look, drifts, recorded }: { look: Look; drifts: readonly Drift[]; recorded: Recorded },
): Promise<boolean> {
  const rank = ({ kind }: Drift): number => (FIRST.indexOf(kind) + FIRST.length + 1) % (FIRST.length + 1);
  /** What was mended serves every finding about the same grant. */
  const mended = new Map<GrantId, Promise<string | null>>();
  let done = false;
  for (const drift of drifts.toSorted((a, b) => rank(a) - rank(b))) {
    const remedy = remedyFor(drift.kind, policy);
    const finding = recorded.open.get(driftKey(drift));
    if (remedy === null || finding === undefined) continue;
    const problem = await attempt(sweeping, target, look, drift, remedy, policy, mended);
    await failpoint("sweep.between-remedies");
    await noteRemedy(sweeping.context.db, finding.id, { remedy: problem === null ? remedy : null, problem });
    done ||= problem === null;
  }
  return done;
}

/** Why it could not be done, or null when it was. */
async function attempt(
  sweeping: Sweeping,
  target: Target<unknown>,
  look: Look,
  drift: Drift,
  remedy: Remedy,
  policy: DriftPolicy,
  mended: Map<GrantId, Promise<string | null>>,
): Promise<string | null> {
  try {
    switch (remedy) {
      case "reopen":
        return await reopen(sweeping, look, drift);
      case "take":
      case "make": {
        const grant = drift.grant ?? steadyWith(look, drift.observed?.scopeHash ?? "");
        if (grant === null) return "no active grant is there whose order says how it must be";
        const mending = mended.get(grant) ?? mend(sweeping, grant, policy === "repair");
        mended.set(grant, mending);
        return await mending;
      }
      case "renew":
        return await renew(sweeping, drift);
      case "remove":
        return await remove(sweeping, target, drift);
      default:
        return unreachable(remedy);
    }
  } catch (error) {
    // A target that is gone ends the whole sweep; a thing that cannot be repaired does not.
    if (!(error instanceof TargetError) || error.code === "unreachable" || sweeping.signal.aborted) throw error;
    return error.message;
  }
}

async function reopen({ context }: Sweeping, look: Look, drift: Drift): Promise<string | null> {
  if (drift.grant === null) return null;
  const evidence: JsonObject = {
    observations: [{ check: "sweep", saw: drift.what }],
    seenAt: toTimestamp(look.endedMs),
  };
  const reopened = await reopenLeftOver(context, drift.grant, { beganMs: look.beganMs, evidence });
  return reopened ? null : "it was closed again meanwhile";
}

/** Under a claim on the grant, as everything that is done for one: whoever takes it over ends what we are at. */
async function mend(sweeping: Sweeping, id: GrantId, give: boolean): Promise<string | null> {
  const { context, sweep } = sweeping;
  const claim = await claimGrant(context.db, id, sweep.owner, sweeping.claimLifetimeMs);
  if (claim === null) return "its grant is being worked on; it is tried again";
  try {
    const [now, lease] = [await context.ledger.grantNow(id), await context.ledger.leaseOf(id)];
    if (now?.grant.state !== "active" || lease === null) return "its grant has ended meanwhile";
    const worker = { ...sweeping, claim };
    return await onTarget(worker, now.grant, lease, async ({ target, connector, order }) => {
      await takeRight(worker, lease.rightKey);
      const remainingMs = Math.max(0, now.grant.expiresMs - (await context.ledger.nowMs()));
      if (target.mend !== undefined) await target.mend(order, { remainingMs, give });
      else if (connector.credential === "none" && give) await target.provision(order, { secret: null, remainingMs });
      else return `the connector ${connector.kind} cannot mend what is there`;
      return null;
    });
  } catch (error) {
    if (error instanceof Error && (error.name === "Busy" || error.name === "ClaimLost"))
      return "its grant is being worked on; it is tried again";
    throw error;
  } finally {
    await context.ledger.releaseClaim(claim).catch(() => undefined);
  }
}

/** Without a secret it is made again here; with one, the reconciler makes it with a new one. */
async function renew(sweeping: Sweeping, { grant }: Drift): Promise<string | null> {
  if (grant === null) return null;
  const { resource } = sweeping.sweep;
  const catalog = await sweeping.context.catalog.active(sweeping.context.ledger);
  const kind = catalog?.configuration.resources[resource]?.connector ?? "";
  if (sweeping.connectors.byKind.get(kind)?.credential === "none") return mend(sweeping, grant, true);
  const refusal = await renewLost(sweeping.context, grant);
  return refusal === null ? null : refusal.detail;
}

async function remove({ context }: Sweeping, target: Target<unknown>, { observed }: Drift): Promise<string | null> {
  if (observed === null) return null;
  // Somebody may just have begun to use the scope again: its lease is there before anything is made.
  if (observed.as === "shared" && observed.scopeHash !== null) {
    const inUse = await scopesInUse(context.db, [observed.scopeHash]);
    if (inUse.has(observed.scopeHash)) return "a grant of this scope has begun meanwhile";
  }
  return unproven(await target.remove(observed));
}

function unproven({ own, right, remains, observations }: Probe): string | null {
  const saw = observations.map(({ check, saw: what }) => `${check}: ${what}`).join("; ");
  if (own !== "gone" || right !== "gone") return `it could not be proven gone (${saw})`;
  return remains.length === 0 ? null : `left to clean up: ${remains.join("; ")}`;
}
