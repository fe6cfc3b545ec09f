/** Grants as they are shown: with people, plain words, and the receipt in its place in the log. */
import { defined } from "../base/assert.ts";
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { EntryId } from "../base/ids.ts";
import type { GrantView } from "../contract/access.ts";
import type { Person } from "../contract/values.ts";
import { type Grant, isLive } from "../domain/grant.ts";
import { hasRole } from "../domain/principal.ts";
import { positionOf } from "../store/audit.ts";
import type { Db } from "../store/db.ts";
import type { Viewer, VisibleGrant } from "../store/visible.ts";
import { lessOf } from "./less.ts";
import { peopleOf } from "./people.ts";
import type { Scene } from "./scene.ts";
import type { Versions } from "./versions.ts";

/** All views of a page at once: a handful of queries, however long the page. */
export async function grantViews(
  db: Db,
  versions: Versions,
  scene: Scene,
  visible: readonly VisibleGrant[],
): Promise<GrantView[]> {
  if (visible.length === 0) return [];
  const people = await peopleOf(
    db,
    scene.viewer.principal,
    visible.flatMap(({ grant }) => [grant.principalId, endedBy(grant) ?? []].flat()),
  );
  const positions = await positionsOf(
    db,
    visible.flatMap(({ receiptEntry }) => receiptEntry ?? []),
  );
  const describe = await versions.load(
    visible.map(({ grant }) => grant.configVersion),
    scene.catalog.configuration,
  );
  return visible.map(({ grant, receiptEntry, approver, asked }) => ({
    ...plain(grant),
    less: lessOf(asked, grant),
    ...describe(grant.entitlement, grant.scopeHash, grant.configVersion),
    principal: people(grant.principalId),
    ended: ended(grant, people),
    ...closed(grant, receiptEntry === null ? null : (positions.get(receiptEntry) ?? null)),
    canRevoke: isLive(grant) && mayRevoke(grant, scene.viewer, approver),
  }));
}

/** Positions of entries; those that have none yet get theirs first. */
async function positionsOf(db: Db, ids: readonly EntryId[]): Promise<Map<EntryId, number>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom("audit_positions")
    .select(["entry_id", "seq"])
    .where("entry_id", "in", ids)
    .execute();
  const positions = new Map(rows.map((row) => [row.entry_id as EntryId, row.seq]));
  for (const id of ids) if (!positions.has(id)) positions.set(id, await positionOf(db, id));
  return positions;
}

const timeOrNull = (ms: number | null): string | null => (ms === null ? null : toTimestamp(ms));

const plain = (grant: Grant) => ({
  id: grant.id,
  requestId: grant.requestId,
  resource: grant.resource,
  state: grant.state,
  accessGone: accessGone(grant),
  duration: formatDuration(grant.durationMs),
  activation: grant.activation,
  createdAt: toTimestamp(grant.createdMs),
  startsAt: toTimestamp(grant.startsMs),
  activateBy: timeOrNull(grant.activateByMs),
  expiresAt: toTimestamp(grant.expiresMs),
  extensions: grant.extensions,
  credential: grant.state === "active" ? (grant.rotateCredential ? ("rotating" as const) : grant.credential) : null,
  trouble:
    grant.trouble === null
      ? null
      : {
          since: toTimestamp(grant.trouble.sinceMs),
          attempts: grant.trouble.attempts,
          lastError: { ...grant.trouble.lastError },
          retryAt: toTimestamp(grant.trouble.retryMs),
        },
});

const accessGone = (grant: Grant): boolean => (grant.state === "revoking" ? grant.accessGone : !isLive(grant));

const endedBy = (grant: Grant): string | null => ("ending" in grant ? grant.ending.by : null);

function ended(grant: Grant, people: (id: string) => Person): GrantView["ended"] {
  if (!("ending" in grant)) return null;
  const { cause, by, reason } = grant.ending;
  return { cause, by: by === null ? null : people(by), reason };
}

/** The receipt, and how late it came. `auditSeq` is the place of the entry that closed the grant. */
function closed(grant: Grant, auditSeq: number | null): Pick<GrantView, "revokedAt" | "receipt" | "lateMs"> {
  if (grant.state !== "revoked" && grant.state !== "failed") return { revokedAt: null, receipt: null, lateMs: null };
  const { verifiedMs, evidence } = grant.receipt;
  return {
    revokedAt: toTimestamp(grant.revokedMs),
    lateMs: grant.ending.cause === "expired" ? Math.max(0, verifiedMs - grant.expiresMs) : null,
    receipt: {
      verifiedAt: toTimestamp(verifiedMs),
      evidence: {
        kind: evidence.kind,
        target: { ...evidence.target },
        observations: evidence.observations.map((observation) => ({ ...observation })),
        coveredBy: [...evidence.coveredBy],
      },
      auditSeq: defined(auditSeq, `position of the receipt of grant ${grant.id}`),
    },
  };
}

const mayRevoke = (grant: Grant, { principal }: Viewer, approver: boolean): boolean =>
  grant.principalId === principal.id || approver || hasRole(principal, "operator", "admin");
