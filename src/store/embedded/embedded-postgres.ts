/**
 * A real PostgreSQL of our own, for who has none to offer: the store of a single machine, and the demo's production.
 *
 * It is made to survive what happens to a process on a laptop or a small server:
 * - two starts on one folder: the second is refused (folder-lock);
 * - we are killed: the server lives on, and the next start takes it over with all its data (postmaster);
 * - the server is killed: PostgreSQL recovers from its log, which is written with fsync;
 * - a kill in the middle of initdb: the cluster is made beside its place and renamed (create-cluster);
 * - we are root, which PostgreSQL refuses: an account without privileges runs it (account), which must be able to reach
 *   the programs (binaries) and the data (server-folder).
 */
import type { ChildProcess } from "node:child_process";
import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "../../base/assert.ts";
import { serverAccount } from "./account.ts";
import { reachableBinaries } from "./binaries.ts";
import { adoptCluster, createCluster, hasCluster } from "./create-cluster.ts";
import { lockFolder } from "./folder-lock.ts";
import { type Launch, launchPostmaster, serverArguments } from "./launch-postmaster.ts";
import { disownPidFile, type PidFileOwner, pidFileOwner, stopPostmaster } from "./postmaster.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";
import type { Account } from "./run-program.ts";
import { prepareServerFolder, readIfThere, serverFolder, writePrivateFile } from "./server-folder.ts";
import { answers, superuserPassword, superuserUrl } from "./superuser.ts";
import { waitUntil } from "./wait-until.ts";

export type EmbeddedOptions = {
  /** The folder of this server, such as `DIR/store`; created when missing. */
  readonly dir: string;
  /** TCP port on 127.0.0.1. Default: a free one, the same at every start while it is free. */
  readonly port?: number;
  /** Folder with bin/, lib/ and share/ of PostgreSQL. Default: the npm package of this platform. */
  readonly native?: string;
  /** More server settings, as for `postgres -c`; they win over ours. */
  readonly settings?: Readonly<Record<string, string>>;
  /** What is going on, line by line; never a secret. */
  readonly log?: (line: string) => void;
  /** Where the programs are copied when they cannot be run in their place. Default: /var/lib/tidegate/runtime for root. */
  readonly runtime?: string;
  /** How long the server may take to start without showing progress. Default: 30 s. */
  readonly startTimeoutMs?: number;
};

export type EmbeddedPostgres = {
  /** `postgres://postgres:SECRET@127.0.0.1:PORT/postgres` */
  readonly superuserUrl: string;
  readonly port: number;
  /** The postmaster. */
  readonly pid: number;
  /** Whether the server had been left running by a process that was killed. */
  readonly takenOver: boolean;
  /** Cuts the clients, writes everything, and returns when the server is really gone. May be called again. */
  stop(): Promise<void>;
};

const START_TIMEOUT_MS = 30_000;
const LARGEST_PORT = 65_535;

const DEFAULT_SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "200",
  shared_buffers: "64MB",
  logging_collector: "off",
  // Two lines every five minutes would be most of the log.
  log_checkpoints: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  // The launcher reads some of what the server says.
  lc_messages: "C",
};

/** Shows in the log that a recovery goes on, which keeps the deadline of the start from passing. It exists from 15 on. */
const PROGRESS_SETTING = { log_startup_progress_interval: "5s" };

/**
 * Starts the server of this folder, or takes over the one that a killed process left running. Throws an
 * `EmbeddedPostgresError` that says what to do when another process uses the folder, the port is taken, or the server
 * does not come up.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { port } = options;
  assert(port === undefined || (Number.isInteger(port) && port > 0 && port <= LARGEST_PORT), `no port: ${port}`);
  const account = await serverAccount(serverFolder(options.dir).cluster);
  const dir = await prepareServerFolder(options.dir, account);
  // The whole data folder may have a lock of its own in the same place, hence another name.
  const lock = await lockFolder(dir, "launcher.pid");
  try {
    return await startLocked(options, dir, account, () => lock.release());
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function startLocked(
  options: EmbeddedOptions,
  dir: string,
  account: Account,
  release: () => void,
): Promise<EmbeddedPostgres> {
  const folder = serverFolder(dir);
  const binaries = await reachableBinaries(account, options.native, options.runtime);
  const clusterExists = await hasCluster(folder);
  const password = await superuserPassword(folder, clusterExists);
  const progress = binaries.major >= 15 ? PROGRESS_SETTING : {};
  const launch: Launch = {
    folder,
    account,
    binaries,
    password,
    settings: { ...DEFAULT_SETTINGS, ...progress, ...options.settings },
    port: options.port ?? null,
    timeoutMs: options.startTimeoutMs ?? START_TIMEOUT_MS,
    log: options.log ?? (() => undefined),
  };

  if (clusterExists) {
    const leftOver = await settleLeftOver(launch);
    if (leftOver !== null) return handle(launch, { ...leftOver, child: null }, release);
    await adoptCluster(folder, account, binaries);
  } else {
    launch.log(`creating a PostgreSQL ${binaries.major} data folder in ${folder.cluster}`);
    await createCluster(folder, { account, binaries, password, durable: launch.settings["fsync"] !== "off" });
  }
  const launched = await launchPostmaster(launch);
  await writePrivateFile(folder.port, `${launched.port}\n`);
  launch.log(`PostgreSQL ${binaries.major} is ready on port ${launched.port} (process ${launched.identity.pid})`);
  return handle(launch, launched, release);
}

/** `child` is null where the server is not our child, but was left behind by an earlier process. */
type Running = { readonly identity: ProcessIdentity; readonly port: number; readonly child: ChildProcess | null };

function handle(launch: Launch, { identity, port, child }: Running, release: () => void): EmbeddedPostgres {
  const { password, folder, log } = launch;
  let stopping: Promise<void> | null = null;
  child?.once("exit", (code, signal) => {
    if (stopping !== null) return;
    log(`PostgreSQL (process ${identity.pid}) ended by itself (${signal ?? `exit code ${code}`}): see ${folder.log}`);
  });
  const stop = async (): Promise<void> => {
    await stopPostmaster(identity);
    release();
  };
  return {
    superuserUrl: superuserUrl(password, port),
    port,
    pid: identity.pid,
    takenOver: child === null,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** The server that an earlier process left behind, if it can be used as it is. Otherwise it is stopped, and null. */
async function settleLeftOver(launch: Launch): Promise<{ identity: ProcessIdentity; port: number } | null> {
  const { folder, account, log } = launch;
  const owner = await pidFileOwner(folder.cluster);
  switch (owner.kind) {
    // PostgreSQL judges these two itself: it puts the file aside, or refuses to start and says why.
    case "nobody":
    case "unclear":
      return null;
    case "stranger":
      await disownPidFile(folder.cluster, account);
      return null;
    case "postmaster": {
      const { identity, port } = owner;
      if (port !== null && (await isUsable(launch, owner))) {
        log(`took over the running PostgreSQL on port ${port} (process ${identity.pid})`);
        return { identity, port };
      }
      log(`stopping the PostgreSQL that was left running (process ${identity.pid})`);
      await stopPostmaster(identity);
      return null;
    }
  }
}

type Postmaster = Extract<PidFileOwner, { kind: "postmaster" }>;

/** Whether it is what we would start now, and answers. It may still be recovering. */
async function isUsable(launch: Launch, { identity, port }: Postmaster): Promise<boolean> {
  const { folder, binaries, settings, password, timeoutMs } = launch;
  if (port === null || (launch.port !== null && launch.port !== port)) return false;
  const version = (await readFile(join(folder.cluster, "PG_VERSION"), "utf8")).trim();
  if (version !== String(binaries.major)) return false;
  // PostgreSQL notes here how it was started. With other settings it would not be the server that was asked for.
  const startedWith = (await readIfThere(join(folder.cluster, "postmaster.opts"))) ?? "";
  const wanted = serverArguments(folder.cluster, port, settings).map((argument) => ` "${argument}"`);
  if (!startedWith.trimEnd().endsWith(wanted.join(""))) return false;

  const look = async () => {
    if (!isAlive(identity)) return "no";
    const now = await answers(superuserUrl(password, port), folder.cluster);
    return now === "starting" ? null : now;
  };
  const logSize = (): number => statSync(folder.log, { throwIfNoEntry: false })?.size ?? 0;
  const answer = await waitUntil(look, timeoutMs, logSize);
  return answer === "yes";
}
