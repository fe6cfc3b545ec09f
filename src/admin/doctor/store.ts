/** The store as it is: reachable, of this version, its clock, and whether the keys that are here open what it holds. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock, toTimestamp } from "../../base/clock.ts";
import { type Finding, type FindingGroup, unknown, warns, well, wrong } from "../../base/finding.ts";
import type { InstallationId } from "../../base/ids.ts";
import { disagreement, readKeptHead } from "../../store/audit-head.ts";
import { databaseNowMs, type Store } from "../../store/db.ts";
import { findInstallation } from "../../store/installation.ts";
import { countOf, keyHolders, missingKeys, secretsThatDoNotOpen } from "../../store/keys/key-use.ts";
import { findKeyRing, sealingKeySource } from "../../store/keys/sealing-keys.ts";
import { findSigningKeyId } from "../../store/keys/signing-key.ts";
import { NoStoreYet, withStoreAsItIs } from "../../store/local-store.ts";
import { requireThisVersion } from "../../store/migrate.ts";
import { quarantineNow } from "../../store/quarantine.ts";
import type { KeyRing } from "../../store/sealed.ts";
import type { DoctorOptions } from "./doctor.ts";

/** Nothing is decided by the process's clock, but logs, tokens of others and people are confused by a wrong one. */
const CLOCK_APART_MS_MAX = 5_000;
const VERSION_MIN = 14;

export type StoreChecked = {
  readonly group: FindingGroup;
  readonly keys: FindingGroup;
  /** Null where the store could not be asked, or is empty. */
  readonly installation: InstallationId | null;
};

export async function checkStore(options: DoctorOptions): Promise<StoreChecked> {
  const group = (findings: Finding[]): FindingGroup => ({ title: "Store", findings });
  const keys = (findings: Finding[]): FindingGroup => ({ title: "Keys", findings });
  try {
    return await withStoreAsItIs(options, async (store) => {
      const findings = [await reach(store, options), await clock(store)];
      const schema = await schemaFinding(store);
      findings.push(schema);
      if (schema.ok !== true)
        return { group: group(findings), keys: keys(await keyFindings(options, null)), installation: null };
      const installation = await findInstallation(store.db);
      findings.push(await headFinding(store, installation, options.dataDir), await quarantineFinding(store));
      return { group: group(findings), keys: keys(await keyFindings(options, store)), installation };
    });
  } catch (error) {
    const findings = [error instanceof NoStoreYet ? await notStarted(options) : notReachable(error, options)];
    return { group: group(findings), keys: keys(await keyFindings(options, null)), installation: null };
  }
}

function notReachable(error: unknown, { databaseUrl }: DoctorOptions): Finding {
  const fix =
    databaseUrl === null
      ? "See what the message names. For a server elsewhere: tidegate doctor --url"
      : "See that the database of DATABASE_URL runs, that this machine may reach it, and that user and password are right.";
  return wrong("reachable", messageOf(error), fix);
}

/** Before the first start there is no store, and that is as it should be; where a server has been, a store is missing. */
async function notStarted({ dataDir, configPath }: DoctorOptions): Promise<Finding> {
  const check = "there";
  const kept = await keptOfServer(dataDir);
  if (kept === null)
    return unknown(
      check,
      `nothing has been started in ${dataDir} yet`,
      `"tidegate serve --config ${configPath} --data ${dataDir}" makes the store. If the server has another data folder, name it with --data; if it stores elsewhere, set DATABASE_URL as it does. For a server on another machine: tidegate doctor --url`,
    );
  return wrong(
    check,
    `there is no store in ${dataDir}, but ${kept} shows that a server has run here`,
    "If the store was lost, restore a backup (tidegate restore). If the server stores elsewhere, set DATABASE_URL as it does.",
  );
}

/** What only a server that ran on this folder leaves there. */
async function keptOfServer(dataDir: string): Promise<string | null> {
  for (const name of ["keys", "heads"]) {
    const left = await readdir(join(dataDir, name)).catch(() => []);
    if (left.length > 0) return join(dataDir, name);
  }
  return null;
}

async function reach({ pool }: Store, { databaseUrl, dataDir }: DoctorOptions): Promise<Finding> {
  const { rows } = await pool.query<{ number: number; version: string }>(
    "select current_setting('server_version_num')::int as number, current_setting('server_version') as version",
  );
  const [row] = rows;
  const major = Math.floor((row?.number ?? 0) / 10_000);
  const saw = `PostgreSQL ${row?.version ?? "?"}, ${databaseUrl === null ? `embedded in ${dataDir}` : "of DATABASE_URL"}`;
  return major >= VERSION_MIN
    ? well("reachable", saw)
    : wrong("reachable", saw, `The store needs PostgreSQL ${VERSION_MIN} or newer: upgrade it.`);
}

async function clock({ db }: Store): Promise<Finding> {
  const before = systemClock.nowMs();
  const databaseMs = await databaseNowMs(db);
  const apartMs = Math.round((before + systemClock.nowMs()) / 2 - databaseMs);
  return clockFinding("clock of this process against the database's", apartMs);
}

function clockFinding(check: string, apartMs: number): Finding {
  const ahead = apartMs >= 0 ? "ahead" : "behind";
  const saw = `${(Math.abs(apartMs) / 1_000).toFixed(3)} s ${ahead}`;
  if (Math.abs(apartMs) <= CLOCK_APART_MS_MAX) return well(check, saw);
  return warns(
    check,
    `${saw}; it is ${toTimestamp(systemClock.nowMs())} here`,
    "Let both machines take their time from NTP. Access still ends on time: the database's clock decides.",
  );
}

async function schemaFinding({ pool }: Store): Promise<Finding> {
  try {
    await requireThisVersion(pool);
    return well("schema", "is of this version of Tidegate");
  } catch (error) {
    return wrong(
      "schema",
      messageOf(error),
      "An older store: start the server, or run tidegate migrate. A newer one: use the newer Tidegate.",
    );
  }
}

async function headFinding({ db }: Store, installation: InstallationId | null, dataDir: string): Promise<Finding> {
  const check = "log goes on from its kept head";
  if (installation === null) return unknown(check, "the store is empty", "Start the server once.");
  try {
    const kept = await readKeptHead(dataDir);
    if (kept === null)
      return unknown(check, `no head was kept in ${dataDir} yet`, "A running server keeps one within a minute.");
    const why = await disagreement(db, installation, kept);
    if (why === null) return well(check, `position ${kept.size}, signed ${kept.at}`);
    return wrong(
      check,
      why,
      "Was an older store put in place? The server puts it into quarantine: tidegate recover says more.",
    );
  } catch (error) {
    return wrong(check, messageOf(error), "See docs/keys.md.");
  }
}

async function quarantineFinding({ db }: Store): Promise<Finding> {
  const quarantine = await quarantineNow(db);
  if (quarantine === null) return well("quarantine", "in none");
  const since = `since ${toTimestamp(quarantine.sinceMs)}: ${quarantine.why}`;
  return wrong("quarantine", since, "Nothing is given until somebody has looked: tidegate recover says more.");
}

/** Without a store only whether the keys can be read. */
async function keyFindings({ dataDir, env }: DoctorOptions, store: Store | null): Promise<Finding[]> {
  return [...(await sealingFindings(dataDir, env, store)), signingFinding(dataDir, env)];
}

const OPENS = "sealing key opens what the store holds";

async function sealingFindings(dataDir: string, env: DoctorOptions["env"], store: Store | null): Promise<Finding[]> {
  const source = sealingKeySource(dataDir, env);
  const from = source.kind === "file" ? source.path : "TIDEGATE_SEALING_KEY";
  let ring: KeyRing | null;
  try {
    ring = findKeyRing(dataDir, env);
  } catch (error) {
    return [wrong("sealing key", messageOf(error), `Put the keys back into ${from}; see docs/keys.md.`)];
  }
  if (store === null)
    return [ring === null ? unknown("sealing key", `none in ${from} yet`) : well("sealing key", `read from ${from}`)];
  const missing = await missingKeys(store.db, ring);
  if (missing.length > 0)
    return [
      wrong(
        OPENS,
        missing.map((use) => `key ${use.keyId} is not here, and seals ${countOf(use)}`).join("; "),
        `Put it into ${from}. If it is lost: ${missing.map(({ keyId }) => `tidegate keys abandon ${keyId}`).join(", ")}`,
      ),
    ];
  if (ring === null) return [unknown("sealing key", `none in ${from} yet; the first start makes one`)];
  const { tried, closed } = await secretsThatDoNotOpen(store.db, ring);
  const findings =
    closed.length === 0
      ? [well(OPENS, `${tried} of ${tried} secrets open`)]
      : [
          wrong(
            OPENS,
            `${closed.length} of ${tried} secrets do not open: ${closed.slice(0, 3).join("; ")}`,
            "Those rows are damaged: restore the store from a backup, or revoke the grants concerned.",
          ),
        ];
  const lacking = (await keyHolders(store.db)).filter(({ keys }) => !keys.includes(ring.current.id));
  if (lacking.length > 0)
    findings.push(
      warns(
        "every running server has the current key",
        `${lacking.map(({ process }) => process).join(", ")} do not have ${ring.current.id}`,
        `Bring ${from} to them.`,
      ),
    );
  return findings;
}

function signingFinding(dataDir: string, env: DoctorOptions["env"]): Finding {
  const check = "signing key";
  try {
    const id = findSigningKeyId(dataDir, env);
    return id === null ? unknown(check, "none yet; the first start makes one") : well(check, id);
  } catch (error) {
    return wrong(check, messageOf(error), "Put the key back; see docs/keys.md.");
  }
}

const messageOf = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error);
  // Several addresses that all refused come as one error without words.
  return message === "" && error instanceof AggregateError
    ? error.errors.map((one: unknown) => (one instanceof Error ? one.message : String(one))).join("; ")
    : message;
};
