import { stat } from "node:fs/promises";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { type FolderLock, lockFolder } from "./folder-lock.ts";
import { type Account, runProgram, type ServiceAccount } from "./run-program.ts";
import { waitUntil } from "./wait-until.ts";

const ACCOUNT_NAME = "tidegate";
/** In the order of preference; the last is macOS's. */
const SUITABLE_ACCOUNTS = [ACCOUNT_NAME, "postgres", "_postgres"] as const;
/** For another start that creates the account at the same time. */
const CREATION_TIMEOUT_MS = 30_000;

/**
 * Who runs the server whose cluster is (or will be) in `clusterFolder`. An existing cluster stays with the account that
 * owns it; one that belongs to somebody else is never taken over silently, since they could not open it again.
 */
export async function serverAccount(clusterFolder: string): Promise<Account> {
  const owner = await ownerOf(clusterFolder);
  const self = process.getuid?.() ?? 0;
  if (self !== 0) {
    if (owner === null || owner === self) return null;
    throw new EmbeddedPostgresError(
      `The data folder ${clusterFolder} belongs to uid ${owner}, and we are uid ${self}. Run Tidegate as that account or as root, or choose another folder with --data DIR.`,
    );
  }
  const existing = (await Promise.all(SUITABLE_ACCOUNTS.map(findAccount))).filter((account) => account !== null);
  // Root owns what was restored from a backup with a plain copy; that we may give to the account.
  if (owner === null || owner === 0) return await usable(existing[0] ?? (await createAccount()));
  const account = existing.find(({ uid }) => uid === owner);
  if (account !== undefined) return await usable(account);
  const wanted = existing[0]?.name ?? ACCOUNT_NAME;
  throw new EmbeddedPostgresError(
    `The data folder ${clusterFolder} belongs to uid ${owner}, which is not an account that Tidegate runs PostgreSQL as. Run Tidegate as that account instead of root, or hand the data over: chown -R ${wanted} ${clusterFolder}`,
  );
}

/** Refuses early where root has been denied what makes it root, as in some containers: later errors would mislead. */
async function usable(account: ServiceAccount): Promise<ServiceAccount> {
  const { ok, output } = await runProgram(account, "/bin/sh", ["-c", ":"]);
  if (ok) return account;
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root, and this process may not run programs as the account ${account.name} (${output}). Run Tidegate as another user than root, or let it change users (CAP_SETUID and CAP_SETGID in a container).`,
  );
}

async function findAccount(name: string): Promise<Account> {
  // `id` asks the system's name service, which /etc/passwd alone does not cover.
  const [uid, gid] = await Promise.all([runProgram(null, "id", ["-u", name]), runProgram(null, "id", ["-g", name])]);
  return uid.ok && gid.ok ? { name, uid: Number(uid.output), gid: Number(gid.output) } : null;
}

/**
 * One at a time: useradd looks for the name before it takes the lock of /etc/passwd, so of two at once the second would
 * give the account another uid under the feet of the first.
 */
async function createAccount(): Promise<ServiceAccount> {
  const lock = await waitUntil(lockCreation, CREATION_TIMEOUT_MS);
  try {
    const existing = await findAccount(ACCOUNT_NAME);
    if (existing !== null) return existing;
    const args = ["--system", "--no-create-home", "-s", "/usr/sbin/nologin", ACCOUNT_NAME];
    const made = await runProgram(null, "useradd", args);
    const account = await findAccount(ACCOUNT_NAME);
    if (account !== null) return account;
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and the account ${ACCOUNT_NAME} could not be created (${made.output}). Create it with: useradd ${args.join(" ")}, or run Tidegate as another user.`,
    );
  } finally {
    lock?.release();
  }
}

async function lockCreation(): Promise<FolderLock | null> {
  try {
    return await lockFolder("/run", "tidegate-account.pid");
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) return null;
    throw error;
  }
}

async function ownerOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).uid;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    if (code === "EACCES") throw new EmbeddedPostgresError(`The data folder ${path} cannot be read by this user.`);
    throw error;
  }
}
