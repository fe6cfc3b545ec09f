/** `tidegate backup` and `tidegate restore`: everything the store holds, in one file, and back into an empty store. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { InstallationId } from "../base/ids.ts";
import { quarantineIn } from "../operations/enter-quarantine.ts";
import { workIn } from "../operations/transact.ts";
import { disagreement, readKeptHead } from "../store/audit-head.ts";
import { type BackupHeader, BadBackup, checkBackup } from "../store/backup/backup-file.ts";
import { loadBackup, requireEmpty, requireSameSchema, requireWholeLog } from "../store/backup/load-backup.ts";
import { writeBackup } from "../store/backup/write-backup.ts";
import { databaseNowMs, openStore, type Store } from "../store/db.ts";
import { hasCluster } from "../store/embedded/create-cluster.ts";
import { lockFolder } from "../store/embedded/folder-lock.ts";
import { serverFolder, writePrivateFile } from "../store/embedded/server-folder.ts";
import { type KeyEnvironment, makeKeyFolder } from "../store/keys/sealing-keys.ts";
import { onEmbedded, type StorePlace, withLocalStore } from "../store/local-store.ts";
import { migrate } from "../store/migrate.ts";
import { SqlTx } from "../store/sql-tx.ts";
import type { CommandResult } from "./check.ts";

export type BackupOptions = StorePlace & {
  readonly file: string;
  readonly includeKeys: boolean;
  readonly env: KeyEnvironment;
  readonly json: boolean;
};

const KEY_FILES = ["sealing.key", "signing.key"];
const KEY_VARIABLES = [
  "TIDEGATE_SEALING_KEY",
  "TIDEGATE_SEALING_KEY_FILE",
  "TIDEGATE_SIGNING_KEY",
  "TIDEGATE_SIGNING_KEY_FILE",
];

/** Works beside a running server, and without one. */
export async function backup(options: BackupOptions): Promise<CommandResult> {
  const { dataDir, includeKeys, json } = options;
  const file = resolve(options.file);
  if (existsSync(file)) throw new Error(`${file} exists. A backup never writes over a file: choose another name.`);
  const keys = includeKeys ? readKeyFiles(dataDir, options.env) : null;
  const { header, rows } = await withLocalStore(options, (store) => writeBackup(store, file, keys));
  const { installation, takenAt, audit } = header;
  if (json)
    return done(
      JSON.stringify({ file, installation, takenAt, rows, audit, keys: keys === null ? null : Object.keys(keys) }),
    );
  const secrecy =
    keys === null
      ? [
          "The keys are not in it. Keep a copy of them elsewhere: without the sealing key, credentials that were not delivered and",
          "kept connections do not open after a restore (docs/keys.md).",
        ]
      : [
          `ATTENTION: the keys are in it (${Object.keys(keys).join(", ")}). Whoever has this file can open every secret it holds, admin`,
          "credentials of your databases among them, and sign heads of the audit log. Encrypt it before it leaves this machine.",
        ];
  return done(
    [
      `${file}: ${rows} rows of installation ${installation} as of ${takenAt}, audit log up to position ${audit.position}.`,
      ...secrecy,
    ].join("\n"),
  );
}

function readKeyFiles(dataDir: string, env: KeyEnvironment): Record<string, string> {
  const given = KEY_VARIABLES.filter((name) => env[name] !== undefined);
  if (given.length > 0)
    throw new Error(
      `The keys are given by ${given.join(" and ")}, not by the data folder: a backup cannot take them along. Leave --include-keys out.`,
    );
  const found = KEY_FILES.filter((name) => existsSync(join(dataDir, "keys", name)));
  if (found.length === 0) throw new Error(`There are no keys in ${join(dataDir, "keys")}. Is --data right?`);
  return Object.fromEntries(found.map((name) => [name, readFileSync(join(dataDir, "keys", name), "utf8")]));
}

export type RestoreOptions = StorePlace & {
  readonly file: string;
  /** The caller knows that nothing happened after the backup was taken: grants go on. */
  readonly nothingSince: boolean;
  readonly json: boolean;
};

/** Restores into a store that must be empty. The file is read to its end and found whole before anything is touched. */
export async function restore(options: RestoreOptions): Promise<CommandResult> {
  const file = resolve(options.file);
  const { header, rows } = await checkBackup(file);
  requireSameSchema(header, file);
  requireFreeKeys(header, options.dataDir);
  const ended = await onEmptyStore(options, (store) => load(store, header, { ...options, file }));
  const written = await writeKeyFiles(header, options.dataDir);
  if (options.json)
    return done(JSON.stringify({ file, installation: header.installation, rows, ended, keys: written }));
  return done(
    [
      `Restored ${rows} rows of installation ${header.installation} as of ${header.takenAt}; the audit log is whole up to position ${header.audit.position}.`,
      ...(options.nothingSince
        ? ["Grants go on where they were."]
        : [
            `${ended} grant${ended === 1 ? " that was live then is" : "s that were live then are"} ended: what happened since is not known.`,
            "The store is in quarantine: start the server, which proves the ends and removes what it made after the backup; then: tidegate recover",
          ]),
      ...(written.length > 0 ? [`Keys written: ${written.join(", ")}.`] : []),
    ].join("\n"),
  );
}

async function load(
  store: Store,
  header: BackupHeader,
  { dataDir, file, nothingSince }: RestoreOptions,
): Promise<number> {
  return store.db.transaction().execute(async (tx) => {
    await requireEmpty(tx, header.tables);
    await loadBackup(tx, header, file);
    await requireWholeLog(tx, header, file);
    const installation = header.installation as InstallationId;
    const kept = await readKeptHead(dataDir);
    const why = kept === null ? null : await disagreement(tx, installation, kept);
    if (nothingSince && why !== null)
      throw new Error(
        `Something did happen after this backup: the signed head that was kept in ${dataDir} says so (${why}). Leave --nothing-since out.`,
      );
    const work = workIn(new SqlTx(tx), installation);
    const { takenAt, audit } = header;
    const data = { takenAt, position: audit.position, root: audit.root, nothingSince };
    const entry = { kind: "store.restored" as const, actor: { system: "local-command" as const }, refs: {}, data };
    await work.apply({ entries: [entry] }, await databaseNowMs(tx));
    if (nothingSince) return 0;
    const facts = { position: audit.position, takenAt };
    const because = `it was restored from a backup of ${takenAt}, and what happened since is not known`;
    return (await quarantineIn(work, { why: because, facts })) ?? 0;
  });
}

/** A database of DATABASE_URL, or an embedded store that is made for this; one that fails leaves the folder as it was. */
async function onEmptyStore<T>({ dataDir, databaseUrl }: StorePlace, work: (store: Store) => Promise<T>): Promise<T> {
  if (databaseUrl !== null) {
    const store = openStore(databaseUrl, { connections: 2 });
    try {
      await migrate(store.pool);
      return await work(store);
    } finally {
      await store.close();
    }
  }
  const lock = await lockFolder(dataDir);
  try {
    const folder = serverFolder(join(dataDir, "store"));
    if (await hasCluster(folder))
      throw new Error(
        `There is a store in ${dataDir} already. Nothing was changed. Restore into another folder, or move ${folder.dir} away first (not keys, not heads).`,
      );
    const stood = existsSync(folder.dir);
    try {
      return await onEmbedded(dataDir, work);
    } catch (error) {
      rmSync(stood ? folder.cluster : folder.dir, { recursive: true, force: true });
      throw error;
    }
  } finally {
    lock.release();
  }
}

/** Keys of a backup never replace others. */
function requireFreeKeys({ keys }: BackupHeader, dataDir: string): void {
  for (const [name, text] of Object.entries(keys ?? {})) {
    if (!KEY_FILES.includes(name)) throw new BadBackup(`The backup holds a key file of another name: ${name}.`);
    const path = join(dataDir, "keys", name);
    if (existsSync(path) && readFileSync(path, "utf8") !== text)
      throw new Error(`${path} is another key than the one in the backup. Nothing was changed. Move it away first.`);
  }
}

async function writeKeyFiles({ keys }: BackupHeader, dataDir: string): Promise<string[]> {
  if (keys === null) return [];
  const folder = join(dataDir, "keys");
  mkdirSync(dataDir, { recursive: true });
  makeKeyFolder(folder);
  for (const [name, text] of Object.entries(keys)) await writePrivateFile(join(folder, name), text);
  return Object.keys(keys).map((name) => join(folder, name));
}

const done = (text: string): CommandResult => ({ exitCode: 0, text });
