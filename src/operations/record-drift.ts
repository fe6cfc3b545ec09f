/** What a sweep records: new findings and those that are no more, one entry each. Seen again, nothing is written. */
import type { JsonObject } from "../base/canonical.ts";
import { findingId } from "../base/ids.ts";
import { isRefusal } from "../base/problem.ts";
import type { EntryDraft } from "../domain/audit.ts";
import { type Drift, type DriftKind, driftKey } from "../domain/drift.ts";
import {
  holdTarget,
  lockSweep,
  openFindings,
  putFinding,
  type StoredFinding,
  type SweepClaim,
} from "../store/drift.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { transact } from "./transact.ts";

/** Open findings of one target; beyond them the first thing to do is the same, and the sweep says that there are more. */
const OPEN_MAX = 1_000;

/** Seen by whoever looks at the target, from whichever resource; the others only by the resource that they are about. */
const ANYBODYS: readonly DriftKind[] = ["unknown-mark", "left-over", "by-hand", "made"];

export type Recorded = {
  readonly found: readonly StoredFinding[];
  readonly resolved: readonly StoredFinding[];
  /** What is open now, by the key of its drift. */
  readonly open: ReadonlyMap<string, StoredFinding>;
};

/** Throws `ClaimLost` when somebody else sweeps the resource now: then nothing was written. */
export async function recordDrift(
  context: Context,
  claim: SweepClaim,
  sweep: { target: string; beganMs: number; drifts: readonly Drift[] },
): Promise<Recorded> {
  const acting = { operation: "record-drift", actor: { system: "reconciler" as const } };
  const result = await transact<Recorded, SqlTx>(context, acting, async ({ tx, apply }) => {
    const sweptMs = await lockSweep(tx.sql, claim);
    await holdTarget(tx.sql, sweep.target);
    const before = await openFindings(tx.sql, sweep.target);
    const open = new Map(before.map((finding) => [driftKey(finding), finding]));
    const seen = new Set(sweep.drifts.map(driftKey));
    const resolved = before
      .filter((one) => !seen.has(driftKey(one)) && (one.resource === claim.resource || ANYBODYS.includes(one.kind)))
      .map(
        (one): StoredFinding => ({
          ...one,
          lastSeenMs: Math.max(one.firstSeenMs, sweptMs ?? 0),
          resolvedMs: sweep.beganMs,
        }),
      );
    const found = sweep.drifts
      .filter((drift) => !open.has(driftKey(drift)))
      .slice(0, Math.max(0, OPEN_MAX - open.size))
      .map((drift) => toFinding(drift, claim.resource, sweep));
    for (const finding of [...resolved, ...found]) await putFinding(tx.sql, finding);
    await apply({ entries: [...found.map(foundEntry), ...resolved.map(resolvedEntry)] }, await tx.nowMs());
    for (const finding of found) open.set(driftKey(finding), finding);
    for (const finding of resolved) open.delete(driftKey(finding));
    return { found, resolved, open };
  });
  if (isRefusal(result)) throw new Error(result.detail);
  return result;
}

const toFinding = (
  { kind, subject, what, grant, since, by }: Drift,
  resource: string,
  { target, beganMs }: { target: string; beganMs: number },
): StoredFinding => ({
  ...{ kind, subject, what, grant, since, by },
  id: findingId.make(),
  resource,
  target,
  firstSeenMs: beganMs,
  lastSeenMs: beganMs,
  resolvedMs: null,
  remedy: null,
  problem: null,
});

const foundEntry = (finding: StoredFinding): EntryDraft => entryOf("drift.found", finding, {});

const resolvedEntry = (finding: StoredFinding): EntryDraft =>
  entryOf("drift.resolved", finding, { remedy: finding.remedy });

/** What things and people are called on a target is personal; what kind of drift it is, is not. */
const entryOf = (
  kind: "drift.found" | "drift.resolved",
  { id, resource, target, kind: drift, grant, subject, what, by }: StoredFinding,
  more: JsonObject,
): EntryDraft => ({
  kind,
  actor: { system: "reconciler" },
  refs: grant === null ? {} : { grant },
  data: { finding: id, resource, target, drift, ...more },
  personal: { subject, what, ...(by === null ? {} : { by }) },
});
