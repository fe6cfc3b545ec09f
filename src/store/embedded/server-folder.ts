import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chmod, chown, lchown, mkdir, open, readdir, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { type Account, accountCan, type ServiceAccount } from "./run-program.ts";

/**
 * What lies in the folder of one server. Only `cluster` belongs to the account that runs PostgreSQL: the rest stays ours,
 * so that nobody who gets hold of the server can read the password or plant a link where we write.
 */
export type ServerFolder = {
  readonly dir: string;
  /** PostgreSQL's own data folder. */
  readonly cluster: string;
  readonly password: string;
  readonly port: string;
  readonly log: string;
};

export function serverFolder(dir: string): ServerFolder {
  return {
    dir,
    cluster: join(dir, "data"),
    password: join(dir, "superuser-password"),
    port: join(dir, "port"),
    log: join(dir, "server.log"),
  };
}

/** Others may pass through a folder of root's (the server's account must), but not list it. */
const folderMode = (): number => (process.getuid?.() === 0 ? 0o711 : 0o700);

/** Makes the folder and its missing parents with exactly the mode, whatever the umask; existing ones are left as they are. */
export async function makeFolder(path: string, mode = folderMode()): Promise<void> {
  const missing: string[] = [];
  for (let at = path; !(await exists(at)); at = dirname(at)) missing.unshift(at);
  for (const folder of missing) {
    // Another process may make it at the same time.
    if ((await mkdir(folder, { recursive: true, mode })) !== undefined) await chmod(folder, mode);
  }
}

/** Makes the server's folder and sees to it that the account can reach it; returns its real path. */
export async function prepareServerFolder(dir: string, account: Account): Promise<string> {
  const wanted = resolve(dir);
  // Looked at before anything is made, so that a refusal leaves nothing behind.
  await refuseUnreachable(await nearestExisting(wanted), wanted, account);
  await makeFolder(wanted);
  const real = await realpath(wanted);
  await refuseUnreachable(real, real, account);
  return real;
}

async function refuseUnreachable(path: string, dataFolder: string, account: Account): Promise<void> {
  if (account === null || (await accountCan(account, "enter", path))) return;
  let blocking = path;
  for (let at = path; at !== dirname(at); at = dirname(at))
    if (!(await accountCan(account, "enter", at))) blocking = at;
  const { mode } = await stat(blocking);
  const shown = (mode & 0o7777).toString(8).padStart(4, "0");
  throw new EmbeddedPostgresError(
    `PostgreSQL runs as the account ${account.name}, which cannot enter ${blocking} (mode ${shown}) and so cannot reach the data folder ${dataFolder}. Choose a folder elsewhere with --data DIR, or let every account pass through that one (chmod o+x ${blocking}) if it is nobody's home.`,
  );
}

async function nearestExisting(path: string): Promise<string> {
  let at = path;
  while (!(await exists(at))) at = dirname(at);
  return at;
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** Null when there is no such file. */
export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Writes a file that only its owner can read from its first moment on, and that after a power cut is whole or not there. */
export async function writePrivateFile(path: string, content: string, owner: Account = null): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(aside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      await file.writeFile(content);
      if (owner !== null) await file.chown(owner.uid, owner.gid);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
    await syncFolder(dirname(path));
  } finally {
    await rm(aside, { force: true });
  }
}

/** Makes the names in a folder durable: a rename is only safe from a power cut after this. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Gives a folder and all in it to the account, the inner things first, so that an interrupted change is seen and redone. */
export async function giveTo(account: ServiceAccount, folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true }))
    await lchown(join(folder, entry), account.uid, account.gid);
  await chown(folder, account.uid, account.gid);
}
