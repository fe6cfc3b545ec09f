/**
 * `tidegate recover`: what a quarantine is about and what has come of it; with a reason, the way out of it. On the machine
 * of the server, beside it: who may say that the past is as it should be must be somebody who can look into it.
 */
import { toTimestamp } from "../base/clock.ts";
import type { InstallationId } from "../base/ids.ts";
import type { DriftFinding } from "../domain/drift.ts";
import { leaveQuarantine } from "../operations/leave-quarantine.ts";
import { sequenceAll } from "../store/audit.ts";
import { disagreement, headNow, putHeadAside, readKeptHead, signRecovery } from "../store/audit-head.ts";
import { BrokenTree } from "../store/audit-tree.ts";
import { activeConfig } from "../store/catalog.ts";
import { type Db, databaseNowMs } from "../store/db.ts";
import { askSweeps, listFindings, type SweepState, sweepStates } from "../store/drift.ts";
import { findInstallation } from "../store/installation.ts";
import type { KeyEnvironment } from "../store/keys/sealing-keys.ts";
import { findSigningKeyId, loadSigningKeys } from "../store/keys/signing-key.ts";
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
  readonly env: KeyEnvironment;
};

const REASON_CHARS_MIN = 10;

type Found = {
  readonly quarantine: Quarantine;
  readonly grants: readonly EndedGrant[];
  readonly sweeps: readonly SweepState[];
  readonly marks: readonly DriftFinding[];
};

export const recover = (options: RecoverOptions): Promise<CommandResult> =>
  withLocalStore(options, async ({ db }) => {
    const installation = await findInstallation(db);
    const quarantine = await quarantineNow(db);
    if (installation === null || quarantine === null) return said(options, null, "The store is not in quarantine.");
    const found = await look(db, quarantine);
    const refused = refusal(options, found);
    if (refused !== null) return said(options, { ...found, left: false }, refused);
    await sequenceAll(db);
    const signed = await signedHere(db, installation, options);
    const context = { ledger: new SqlLedger(db), installation, wake: () => undefined };
    await leaveQuarantine(context, options.reason ?? "", signed);
    const aside = await putOldHeadAside(db, installation, options.dataDir);
    const kept = aside === null ? "" : ` The head of before is kept as ${aside}.`;
    const others = signed === null ? UNSIGNED : "";
    return said(options, { ...found, left: true }, `Out of quarantine. People may ask again.${kept}${others}`);
  });

const UNSIGNED =
  " It is not signed: there is no signing key here, or the log is not whole. Other replicas hold it against their own heads: leave beside each.";

/** What other replicas believe. Null without the key that signs heads, or where there is no head to sign. */
async function signedHere(
  db: Db,
  installation: InstallationId,
  { dataDir, env }: RecoverOptions,
): Promise<string | null> {
  if (findSigningKeyId(dataDir, env) === null) return null;
  try {
    return signRecovery(await headNow(db, installation), loadSigningKeys(dataDir, env)[0]);
  } catch (error) {
    if (error instanceof BrokenTree) return null;
    throw error;
  }
}

const MARKS_MAX = 200;
const BEFORE_ALL_ELSE_MS = 60 * 60_000;

/** What was ended since, which targets were looked at since, and what carries our mark there and is in no ledger. */
async function look(db: Db, quarantine: Quarantine): Promise<Found> {
  const { sinceMs } = quarantine;
  const resources = Object.keys((await activeConfig(db))?.configuration.resources ?? {});
  const states = await sweepStates(db, resources);
  const never = { sweptMs: null, beganMs: null, failingSinceMs: null, error: null };
  const findings = await listFindings(db, resources, { resolvedSinceMs: sinceMs, limit: MARKS_MAX });
  const marks = findings.filter(({ kind }) => kind === "unknown-mark");
  // What a sweep could not remove yet, such as a group that a grant was just leaving, goes with the next: not in minutes.
  const unclean = new Set(marks.flatMap(({ resource, resolvedMs }) => (resolvedMs === null ? [resource] : [])));
  if (unclean.size > 0) await askSweeps(db, [...unclean], BEFORE_ALL_ELSE_MS);
  return {
    quarantine,
    grants: await grantsSince(db, sinceMs),
    sweeps: resources.map((resource) => states.find((one) => one.resource === resource) ?? { resource, ...never }),
    marks,
  };
}

const isSwept = ({ quarantine }: Found, { sweptMs }: SweepState): boolean =>
  sweptMs !== null && sweptMs >= quarantine.sinceMs;

function refusal({ reason, althoughOpen }: RecoverOptions, found: Found): string | null {
  if (reason === null)
    return 'Nothing was changed. Once you know how this came about: tidegate recover --reason "what you found"';
  if (reason.trim().length < REASON_CHARS_MIN)
    return `Nothing was changed. The reason goes into the audit log: write at least ${REASON_CHARS_MIN} characters.`;
  const open = [
    ...found.grants.filter(({ proven }) => !proven).map(({ id }) => `${id} is not proven gone`),
    ...found.sweeps.filter((sweep) => !isSwept(found, sweep)).map(({ resource }) => `${resource} was not looked at`),
    ...found.marks.filter(({ resolvedMs }) => resolvedMs === null).map(({ subject }) => `${subject} is still there`),
  ];
  if (open.length === 0 || althoughOpen) return null;
  return `Nothing was changed: ${open.slice(0, OPEN_SHOWN).join("; ")}${open.length > OPEN_SHOWN ? `; and ${open.length - OPEN_SHOWN} more` : ""}. Let the server run until that is done, or leave with --although-open: it goes on, and stays an alarm.`;
}

const OPEN_SHOWN = 5;

/** A head that the log does not go on from; the next one is of the log as it is now. One that fits stays. */
async function putOldHeadAside(db: Db, installation: InstallationId, dataDir: string): Promise<string | null> {
  await sequenceAll(db);
  const kept = await readKeptHead(dataDir).catch(() => "unreadable" as const);
  const fits = kept === null || (kept !== "unreadable" && (await disagreement(db, installation, kept)) === null);
  return fits ? null : putHeadAside(dataDir, await databaseNowMs(db));
}

type Shown = Found & { readonly left: boolean };

function said({ json, reason }: RecoverOptions, shown: Shown | null, last: string): CommandResult {
  const stillIn = shown !== null && !shown.left;
  // Only looking is no failure of the command; but a script must see that there is something to do.
  const exitCode = stillIn ? 1 : 0;
  if (json) {
    const body = shown === null ? null : { ...shown.quarantine, since: toTimestamp(shown.quarantine.sinceMs) };
    const { grants = [], sweeps = [], marks = [], left = false } = shown ?? {};
    return {
      exitCode,
      text: JSON.stringify({ quarantine: stillIn ? body : null, left, grants, sweeps, marks, reason, said: last }),
    };
  }
  return { exitCode, text: [...(shown === null ? [] : lines(shown)), last].join("\n") };
}

function lines(found: Found): string[] {
  const { quarantine, grants, sweeps, marks } = found;
  const proven = grants.filter((grant) => grant.proven);
  const open = grants.filter((grant) => !grant.proven);
  const why = ({ error }: SweepState): string => (error === null ? "" : `: ${error.message}`);
  return [
    `In quarantine since ${toTimestamp(quarantine.sinceMs)}: ${quarantine.why}.`,
    `Ended since then: ${proven.length} with proof that the access is gone, ${open.length} still live as far as anybody knows.`,
    ...open.map(
      ({ id, entitlement, handle, trouble }) =>
        `  ${id}  ${entitlement}  ${handle}  revoking, still live${trouble === null ? "" : `: ${trouble}`}`,
    ),
    "Targets, searched for what carries our mark and is not in this store:",
    ...sweeps.map((sweep) => `  ${sweep.resource}  ${isSwept(found, sweep) ? "searched" : `not yet${why(sweep)}`}`),
    ...marks.map(
      ({ resource, subject, what, resolvedMs, problem }) =>
        `  ${resource}  ${subject}  ${resolvedMs !== null ? "was removed" : `still there${problem === null ? "" : `: ${problem}`}`} (${what})`,
    ),
  ];
}
