/**
 * Retention: what the log need not keep any more goes. First an entry says what will be dropped. A day later, when that is
 * under a signed head and has come to every sink and anchor, the entries go, some blocks in each transaction, each with an
 * entry that says so. After a crash it goes on where it was: what is announced and still there is no harm.
 */
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { AuditOutlets } from "../domain/sink.ts";
import { signingKeyChanges } from "../store/audit.ts";
import { CHILDREN, rootAt } from "../store/audit-tree.ts";
import { quarantineNow } from "../store/quarantine.ts";
import {
  dropEntries,
  droppableTo,
  droppedPart,
  lastAnnounced,
  notYetAt,
  takeRetention,
  writtenUntil,
} from "../store/retention.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { transact, type Work } from "./transact.ts";

/** The store holds to it, too. */
const NOTICE_MS = 86_400_000;
const BATCH = 64 * CHILDREN;

export type Keeping = {
  readonly entriesMs: number;
  /** Up to where the log is under a signed head. */
  readonly signed: number;
  readonly outlets: AuditOutlets;
};

/** Says which entries will go, where some may and none are announced. Whether it did. */
export const announceDrop = (context: Context, { entriesMs, signed }: Keeping): Promise<boolean> =>
  alone(context, "announce-drop", async ({ tx, apply }) => {
    const [dropped, last] = [await droppedPart(tx.sql), await lastAnnounced(tx.sql)];
    const from = dropped?.to ?? 0;
    if (last !== null && last.to > from) return false;
    const nowMs = await tx.nowMs();
    const to = await droppableTo(tx.sql, { from, to: signed }, nowMs - entriesMs);
    if (to === from) return false;
    const data = {
      ...{ from: from + 1, to, before: await writtenUntil(tx.sql, { from, to }) },
      root: Buffer.from(await rootAt(tx.sql, to)).toString("base64"),
      ...{ kept: formatDuration(entriesMs), notBefore: toTimestamp(nowMs + NOTICE_MS) },
      // Whoever verifies what is left needs them: they go from one announcement into the next.
      keys: (await signingKeyChanges(tx.sql, to)).map((change) => ({ ...change })),
    };
    await apply({ entries: [{ kind: "audit.drop-announced", actor: JOBS, refs: {}, data }] }, nowMs);
    return true;
  });

/** Drops some of what was announced. Whether it did: then there may be more. */
export const dropAnnounced = (context: Context, { entriesMs, signed, outlets }: Keeping): Promise<boolean> =>
  alone(context, "drop-entries", async ({ tx, apply }) => {
    const [dropped, announced] = [await droppedPart(tx.sql), await lastAnnounced(tx.sql)];
    const from = dropped?.to ?? 0;
    const nowMs = await tx.nowMs();
    const seq = announced?.seq ?? null;
    if (announced === null || seq === null || seq > signed || announced.to <= from) return false;
    if (nowMs < announced.atMs + NOTICE_MS || (await notYetAt(tx.sql, outlets, seq)).length > 0) return false;
    // Asked anew: the configuration may keep more by now, and what was over may be open again.
    const within = { from, to: Math.min(announced.to, from + BATCH) };
    const to = await droppableTo(tx.sql, within, nowMs - entriesMs);
    if (to === from) return false;
    const before = await writtenUntil(tx.sql, { from, to });
    await dropEntries(tx.sql, { from, to }, before, seq);
    const data = { from: from + 1, to, before, announced: seq, kept: formatDuration(entriesMs) };
    await apply({ entries: [{ kind: "audit.dropped", actor: JOBS, refs: {}, data }] }, nowMs);
    return true;
  });

export const JOBS = { system: "jobs" } as const;

/** One replica at a time, and never in quarantine: what may be another log is looked into first. */
export async function alone(
  context: Context,
  operation: string,
  body: (work: Work<SqlTx>) => Promise<boolean>,
): Promise<boolean> {
  const done = await transact<boolean, SqlTx>(context, { operation, actor: JOBS }, async (work) =>
    (await takeRetention(work.tx.sql)) && (await quarantineNow(work.tx.sql)) === null ? body(work) : false,
  );
  return done === true;
}
