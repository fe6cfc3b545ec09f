/**
 * Holds the store against the signed head that was kept outside it. A store that does not go on from there is older than
 * what has happened, or another one, or its log was changed: it goes into quarantine, at the start and at any later moment.
 */
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import type { Context } from "../operations/context.ts";
import { enterQuarantine } from "../operations/enter-quarantine.ts";
import { transact } from "../operations/transact.ts";
import { sequenceAll } from "../store/audit.ts";
import {
  checkpointFile,
  disagreement,
  type Head,
  headNow,
  type KeptHead,
  putHeadAside,
  readKeptHead,
  recoveredHead,
} from "../store/audit-head.ts";
import { BrokenTree } from "../store/audit-tree.ts";
import { databaseNowMs } from "../store/db.ts";
import { lastRecovery } from "../store/quarantine.ts";

export type HeadLog = (level: "warn" | "error", what: string, more: Record<string, unknown>) => void;

export type Held = {
  /** The kept head that the log goes on from; null where none was kept. */
  readonly kept: KeptHead | null;
  readonly now: Head;
};

/** Null when the log does not go on from the kept head: then the store is in quarantine, and the head stays as it is. */
export async function holdAgainstHead(context: Context, dataDir: string, log: HeadLog): Promise<Held | null> {
  const { db, installation } = context;
  await sequenceAll(db);
  const now = await headNow(db, installation).catch(orBroken);
  if (now instanceof BrokenTree) return quarantined(context, log, `the audit log is not whole: ${now.message}`, {});
  const read = await readKeptHead(dataDir).catch((error: unknown) => (error instanceof Error ? error : null));
  if (read instanceof Error)
    return quarantined(context, log, `${read.message} It shows whether this store is the newest`, {
      position: now.size,
    });
  const why = read === null ? null : await disagreement(db, installation, read, now);
  if (read === null || why === null) return { kept: read, now };
  if (await wasLookedInto(context, dataDir, read, now)) {
    // Another replica's folder: the quarantine was left beside another server.
    const aside = await putHeadAside(dataDir, await databaseNowMs(db));
    log("warn", "a head from before the last recovery was put aside", { aside });
    return { kept: null, now };
  }
  const kept = { installation: read.installation, position: read.size, at: read.at };
  return quarantined(
    context,
    log,
    `the store does not agree with the signed head of its audit log that was kept in ${checkpointFile(dataDir)}: ${why}. An older backup was restored, or another store was put in its place, or the log was changed`,
    { position: now.size, kept },
  );
}

/** Whether somebody who has the signing key has said so since, and the log goes on from there. That a row says so is nothing. */
async function wasLookedInto(
  { db, installation }: Context,
  dataDir: string,
  kept: KeptHead,
  now: Head,
): Promise<boolean> {
  const note = await lastRecovery(db);
  const head = note === null ? null : await recoveredHead(note, dataDir);
  if (head === null || Date.parse(head.at) < Date.parse(kept.at)) return false;
  return (await disagreement(db, installation, head, now)) === null;
}

function orBroken(error: unknown): BrokenTree {
  if (error instanceof BrokenTree) return error;
  throw error;
}

async function quarantined(context: Context, log: HeadLog, why: string, facts: JsonObject): Promise<null> {
  const ended = await enterQuarantine(context, { why, facts });
  if (ended !== null) log("error", "quarantine: every grant that the store took for live is ended", { why, ended });
  return null;
}

/** At the start. A head that is not there although the log is no fresh one is an alarm, and an entry that stays. */
export async function holdAtStart(context: Context, dataDir: string, log: HeadLog): Promise<void> {
  const held = await holdAgainstHead(context, dataDir, log);
  // A fresh store has but the entry of its making.
  if (held === null || held.kept !== null || held.now.size <= 1) return;
  const position = held.now.size;
  const file = checkpointFile(dataDir);
  log(
    "error",
    `no head of the audit log in ${file}: whether this store is the newest cannot be told. On a new replica that is as it must be. If the store was restored from a backup by other means than "tidegate restore", or the file was removed, look into it: tidegate doctor`,
    { position },
  );
  const actor = { system: "installation" as const };
  await transact(context, { operation: "note-missing-head", actor }, async (work) => {
    const nowMs = await work.tx.nowMs();
    const data = { position, at: toTimestamp(nowMs) };
    await work.apply({ entries: [{ kind: "store.head-missing", actor, refs: {}, data }] }, nowMs);
    return null;
  });
}
