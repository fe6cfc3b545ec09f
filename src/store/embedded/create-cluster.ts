import { randomBytes } from "node:crypto";
import { chown, mkdir, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Binaries } from "./binaries.ts";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { type Account, runProgram } from "./run-program.ts";
import { exists, giveTo, readIfThere, type ServerFolder, syncFolder, writePrivateFile } from "./server-folder.ts";

const WORKSHOP_PREFIX = "initdb-";

type NewCluster = {
  readonly account: Account;
  readonly binaries: Binaries;
  readonly password: string;
  /** False only for servers of tests: then a power cut may lose the new cluster. */
  readonly durable: boolean;
};

/** Whether there is a cluster. A folder with something else in it is refused rather than cleared: it may be anyone's data. */
export async function hasCluster({ cluster }: ServerFolder): Promise<boolean> {
  if (await exists(join(cluster, "PG_VERSION"))) return true;
  const found = (await exists(cluster)) ? await readdir(cluster) : [];
  if (found.length === 0) return false;
  throw new EmbeddedPostgresError(
    `${cluster} is not empty, but it is no PostgreSQL data folder (PG_VERSION is missing). Nothing was changed. Restore it from a backup, or choose another folder with --data DIR.`,
  );
}

/** The existing cluster must fit the programs, and the account must own it. */
export async function adoptCluster(folder: ServerFolder, account: Account, binaries: Binaries): Promise<void> {
  const version = (await readIfThere(join(folder.cluster, "PG_VERSION")))?.trim();
  if (version !== String(binaries.major)) {
    throw new EmbeddedPostgresError(
      `${folder.cluster} was made by PostgreSQL ${version}, but the programs are PostgreSQL ${binaries.major}. Start it with the version of Tidegate that made it, dump the data and load it into a new folder.`,
    );
  }
  // Root owns what was restored from a backup with a plain copy.
  if (account !== null && (await stat(folder.cluster)).uid !== account.uid) await giveTo(account, folder.cluster);
}

/**
 * Makes the cluster in a workshop beside its place and moves it there when it is complete, so that a process killed
 * half-way leaves only a workshop, which never held data and which the next start clears away.
 */
export async function createCluster(folder: ServerFolder, options: NewCluster): Promise<void> {
  await clearWorkshops(folder.dir);
  const workshop = join(folder.dir, `${WORKSHOP_PREFIX}${randomBytes(6).toString("hex")}`);
  const { account } = options;
  await mkdir(workshop, { mode: 0o700 });
  try {
    if (account !== null) await chown(workshop, account.uid, account.gid);
    await runInitdb(workshop, options);
    await rename(join(workshop, "data"), folder.cluster);
    await rmdir(workshop);
    await syncFolder(folder.dir);
  } catch (error) {
    await rm(workshop, { recursive: true, force: true });
    throw error;
  }
}

async function runInitdb(workshop: string, { account, binaries, password, durable }: NewCluster): Promise<void> {
  const passwordFile = join(workshop, "password");
  // Neither the process list nor anybody but the account shows the password.
  await writePrivateFile(passwordFile, `${password}\n`, account);
  const flags = ["--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", ...localeFlags(binaries.major)];
  if (!durable) flags.push("--no-sync");
  const data = join(workshop, "data");
  try {
    const args = ["-D", data, "--username=postgres", `--pwfile=${passwordFile}`, ...flags];
    const made = await runProgram(account, binaries.initdb, args);
    if (!made.ok) throw new EmbeddedPostgresError(`initdb could not make a cluster in ${data}: ${made.output}`);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** The builtin provider sorts alike on every machine, so that a moved folder keeps its indexes; it exists from 17 on. */
function localeFlags(major: number): string[] {
  const locale = process.platform === "darwin" ? "C" : "C.UTF-8";
  if (major < 17) return [`--locale=${locale}`];
  return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", `--locale=${locale}`];
}

async function clearWorkshops(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.startsWith(WORKSHOP_PREFIX)) continue;
    // An initdb whose parent was killed may still write there; what it makes now is cleared by the start after this one.
    await rm(join(dir, name), { recursive: true, force: true }).catch(() => undefined);
  }
}
