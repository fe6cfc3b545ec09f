/**
 * `tidegate recover`: what a quarantine is about and what has come of it; with a reason, the way out of it. On the machine
 * of the server, beside it: who may say that the past is as it should be must be somebody who can look into it.
 */
import { toTimestamp } from "../base/clock.ts";
import type { InstallationId } from "../base/ids.ts";
import { leaveQuarantine } from "../operations/leave-quarantine.ts";
import { sequenceAll } from "../store/audit.ts";
import { disagreement, putHeadAside, readKeptHead } from "../store/audit-head.ts";
import { type Db, databaseNowMs } from "../store/db.ts";
import { findInstallation } from "../store/installation.ts";
import { type StorePlace, withLocalStore } from "../store/local-store.ts";
import { type EndedGrant, grantsSince, type Quarantine, quarantineNow } from "../store/quarantine.ts";
import { SqlLedger } from "../store/sql-ledger.ts";
import type { CommandResult } from "./check.ts";

export type RecoverOptions = StorePlace & {
  /** Why it may go on; without one it is only shown. */
  readonly reason: string | null;
  /** Leave it although access is not proven gone yet; it goes on being revoked, and stays an alarm. */
  readonly althoughOpen: boolean;
  readonly json: boolean;
};

const REASON_CHARS_MIN = 10;

export const recover = (options: RecoverOptions): Promise<CommandResult> =>
  withLocalStore(options, async ({ db }) => {
    const installation = await findInstallation(db);
    const quarantine = await quarantineNow(db);
    if (installation === null || quarantine === null) return said(options, null, "The store is not in quarantine.");
    const found = { quarantine, grants: await grantsSince(db, quarantine.sinceMs) };
    const open = found.grants.filter(({ proven }) => !proven);
    const refused = refusal(options, open);
    if (refused !== null) return said(options, { ...found, left: false }, refused);
    await leaveQuarantine({ ledger: new SqlLedger(db), installation, wake: () => undefined }, options.reason ?? "");
    const aside = await putOldHeadAside(db, installation, options.dataDir);
    const kept = aside === null ? "" : ` The head of before is kept as ${aside}.`;
    return said(options, { ...found, left: true }, `Out of quarantine. People may ask again.${kept}`);
  });

function refusal({ reason, althoughOpen }: RecoverOptions, open: readonly EndedGrant[]): string | null {
  if (reason === null)
    return 'Nothing was changed. Once you know how this came about: tidegate recover --reason "what you found"';
  if (reason.trim().length < REASON_CHARS_MIN)
    return `Nothing was changed. The reason goes into the audit log: write at least ${REASON_CHARS_MIN} characters.`;
  if (open.length === 0 || althoughOpen) return null;
  return `Nothing was changed: of ${open.length} of them nobody has proven that the access is gone. Let the server run until it has, or leave with --although-open: they go on being revoked.`;
}

/** A head that the log does not go on from; the next one is of the log as it is now. One that fits stays. */
async function putOldHeadAside(db: Db, installation: InstallationId, dataDir: string): Promise<string | null> {
  await sequenceAll(db);
  const kept = await readKeptHead(dataDir).catch(() => "unreadable" as const);
  const fits = kept === null || (kept !== "unreadable" && (await disagreement(db, installation, kept)) === null);
  return fits ? null : putHeadAside(dataDir, await databaseNowMs(db));
}

type Shown = { readonly quarantine: Quarantine; readonly grants: readonly EndedGrant[]; readonly left: boolean };

function said({ json, reason }: RecoverOptions, shown: Shown | null, last: string): CommandResult {
  const stillIn = shown !== null && !shown.left;
  // Only looking is no failure of the command; but a script must see that there is something to do.
  const exitCode = stillIn ? 1 : 0;
  if (json) {
    const body = shown === null ? null : { ...shown.quarantine, since: toTimestamp(shown.quarantine.sinceMs) };
    return {
      exitCode,
      text: JSON.stringify({
        quarantine: stillIn ? body : null,
        left: shown?.left ?? false,
        grants: shown?.grants ?? [],
        reason,
        said: last,
      }),
    };
  }
  return { exitCode, text: [...(shown === null ? [] : lines(shown)), last].join("\n") };
}

function lines({ quarantine, grants }: Shown): string[] {
  const proven = grants.filter((grant) => grant.proven);
  const open = grants.filter((grant) => !grant.proven);
  return [
    `In quarantine since ${toTimestamp(quarantine.sinceMs)}: ${quarantine.why}.`,
    `Ended since then: ${proven.length} with proof that the access is gone, ${open.length} still live as far as anybody knows.`,
    ...open.map(
      ({ id, entitlement, handle, trouble }) =>
        `  ${id}  ${entitlement}  ${handle}  revoking, still live${trouble === null ? "" : `: ${trouble}`}`,
    ),
  ];
}
