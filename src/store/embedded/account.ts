import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";

/** The OS account that runs the server where we are root, which PostgreSQL refuses to run as. Null: we run it ourselves. */
export type Account = ServiceAccount | null;

export type ServiceAccount = { readonly name: string; readonly uid: number; readonly gid: number };

const ACCOUNT_NAME = "tidegate";
/** In the order of preference; the last is macOS's. */
const SUITABLE_ACCOUNTS = [ACCOUNT_NAME, "postgres", "_postgres"] as const;
const COMMAND_TIMEOUT_MS = 120_000;
const COMMAND_OUTPUT_MAX_BYTES = 1024 * 1024;
/** useradd fails while another process holds the lock of /etc/passwd. */
const ACCOUNT_ATTEMPTS_MAX = 5;

/** The programs see none of our environment: it holds secrets, and PG* variables would change what they do. */
export const PROGRAM_ENVIRONMENT = { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", LC_ALL: "C", TZ: "UTC" };

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

/** What spawn() needs to run a program as the account. The folder is one that every account can enter. */
export function asAccount(account: Account) {
  const who = account === null ? {} : { uid: account.uid, gid: account.gid };
  return { ...who, cwd: "/", env: PROGRAM_ENVIRONMENT };
}

export type ProgramResult = { readonly ok: boolean; readonly output: string };

/** Runs a program to its end as the account. A failure is a result: `output` holds what it said, or why it did not run. */
export function runProgram(account: Account, file: string, args: readonly string[]): Promise<ProgramResult> {
  const options = { ...asAccount(account), timeout: COMMAND_TIMEOUT_MS, maxBuffer: COMMAND_OUTPUT_MAX_BYTES };
  return new Promise((done) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      const said = `${stdout}${stderr}`.trim();
      done({ ok: error === null, output: said === "" && error !== null ? error.message : said });
    });
  });
}

/** Tries it rather than computes it from modes, so that access control lists and network file systems count too. */
export async function accountCan(account: Account, what: "enter" | "read", path: string): Promise<boolean> {
  const flag = what === "enter" ? "-x" : "-r";
  return (await runProgram(account, "/bin/sh", ["-c", `test ${flag} "$1"`, "sh", path])).ok;
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

async function createAccount(): Promise<ServiceAccount> {
  const args = ["--system", "--no-create-home", "-s", "/usr/sbin/nologin", ACCOUNT_NAME];
  let reason = "";
  for (let attempt = 0; attempt < ACCOUNT_ATTEMPTS_MAX; attempt += 1) {
    const made = await runProgram(null, "useradd", args);
    // Another process may have made it a moment before us.
    const account = await findAccount(ACCOUNT_NAME);
    if (account !== null) return account;
    reason = made.output;
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root, and the account ${ACCOUNT_NAME} could not be created (${reason}). Create it with: useradd ${args.join(" ")}, or run Tidegate as another user.`,
  );
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
