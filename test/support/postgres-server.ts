/** Real PostgreSQL servers for tests, one fresh folder each, from 14 (the oldest that is supported) to 18 (ours). */
import { rmSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { startEmbeddedPostgres } from "../../src/store/embedded/embedded-postgres.ts";

const POSTGRES_VERSIONS = [14, 15, 16, 17, 18] as const;
export type PostgresVersion = (typeof POSTGRES_VERSIONS)[number];

export type TestPostgres = {
  readonly version: PostgresVersion;
  /** `postgres://postgres:SECRET@127.0.0.1:PORT/postgres` */
  readonly superuserUrl: string;
  readonly port: number;
  /** Of the postmaster: stopped (SIGSTOP), it takes connections and never answers. */
  readonly pid: number;
  /** Ends the server and removes all it had. May be called again. */
  stop(): Promise<void>;
};

/** Those whose programs are installed: the older ones are optional packages of `test/servers`. */
export function availablePostgresVersions(): PostgresVersion[] {
  return POSTGRES_VERSIONS.filter((version) => nativeFolder(version) !== null);
}

/**
 * Starts a server in a folder of its own. `settings` are as for `postgres -c`; with `{ fsync: "off" }` it is faster, which
 * is fine for a target, never for a store whose durability is tested.
 */
export async function startTestPostgres(
  version: PostgresVersion,
  settings: Readonly<Record<string, string>> = {},
): Promise<TestPostgres> {
  const native = nativeFolder(version);
  if (native === null) throw new Error(`PostgreSQL ${version} is not installed: run npm ci without --omit=optional`);
  const folder = await mkdtemp(join(tmpdir(), `tidegate-postgres-${version}-`));
  // The account that runs the server must be able to pass through.
  await chmod(folder, 0o711);
  try {
    const server = await startEmbeddedPostgres({
      dir: join(folder, "server"),
      native,
      settings,
      // Where the checkout cannot be reached by the account, the copy goes with the folder.
      runtime: join(folder, "runtime"),
    });
    const leaveNothing = () => removeAtExit(server.pid, folder);
    process.once("exit", leaveNothing);
    const stop = async (): Promise<void> => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
      process.off("exit", leaveNothing);
    };
    let stopping: Promise<void> | null = null;
    return {
      version,
      superuserUrl: server.superuserUrl,
      port: server.port,
      pid: server.pid,
      stop: () => {
        stopping ??= stop();
        return stopping;
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Where a version's programs are, or null. */
export function nativeFolder(version: PostgresVersion): string | null {
  const name = version === 18 ? `@embedded-postgres/${process.platform}-${process.arch}` : `postgres-${version}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), "..", "native");
  } catch {
    return null;
  }
}

/** For a test that ended without stop(). A postmaster that is killed takes its processes with it. */
function removeAtExit(pid: number, folder: string): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It had ended already.
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
