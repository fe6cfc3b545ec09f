import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { defined } from "../../base/assert.ts";
import type { Binaries } from "./binaries.ts";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { pidFileOwner, readPidFile, stopPostmaster } from "./postmaster.ts";
import { identifyProcess, type ProcessIdentity } from "./process-identity.ts";
import { type Account, asAccount } from "./run-program.ts";
import type { ServerFolder } from "./server-folder.ts";
import { openServerLog, type ServerLog } from "./server-log.ts";
import { freePort, isFree, portTaken, rememberedPort } from "./server-port.ts";
import { answers, superuserUrl } from "./superuser.ts";
import { waitUntil } from "./wait-until.ts";

/** How long a server that fails to start may take to end before it is cut. */
const FAILED_START_SHUTDOWN_MS = 5_000;

export type Launch = {
  readonly folder: ServerFolder;
  readonly account: Account;
  readonly binaries: Binaries;
  readonly password: string;
  readonly settings: Readonly<Record<string, string>>;
  /** The port that was asked for; null: any. */
  readonly port: number | null;
  /** For a start that shows no progress: recovery after a crash takes as long as it takes, and says so in the log. */
  readonly timeoutMs: number;
  readonly log: (line: string) => void;
};

export type Launched = {
  readonly child: ChildProcess;
  readonly identity: ProcessIdentity;
  readonly port: number;
};

/** Starts the server of an existing cluster that no server serves, and waits until it answers. */
export async function launchPostmaster(launch: Launch): Promise<Launched> {
  let obstacle = "";
  const launched = await waitUntil(async () => {
    const attempt = await attemptLaunch(launch);
    if (typeof attempt !== "string") return attempt;
    obstacle = attempt;
    return null;
  }, launch.timeoutMs);
  if (launched !== null) return launched;
  throw new EmbeddedPostgresError(`PostgreSQL did not start within ${launch.timeoutMs} ms: ${obstacle}`);
}

/** What the server is started with. A port among the settings would be one nobody looked at. */
export function serverArguments(cluster: string, port: number, settings: Readonly<Record<string, string>>): string[] {
  const all = { ...settings, port: String(port) };
  return ["-D", cluster, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}

/** The running server, or in words an obstacle that goes away by itself. */
async function attemptLaunch(launch: Launch): Promise<Launched | string> {
  const port = await choosePort(launch);
  const output = await openServerLog(launch.folder.log);
  try {
    const launched = await spawnPostmaster(launch, port, output);
    const outcome = await awaitReady(launch, launched, output);
    if (outcome === "ready") return launched;
    if (outcome === "ended") return await explainEnd(launch, port, output);
    await stopPostmaster(launched.identity, FAILED_START_SHUTDOWN_MS);
    const what = outcome === "foreign" ? "does not accept its password" : `is not ready after ${launch.timeoutMs} ms`;
    throw startFailed(`it ${what}`, output);
  } finally {
    output.close();
  }
}

async function choosePort({ port, folder }: Launch): Promise<number> {
  if (port === null) return await freePort(await rememberedPort(folder.port));
  if (await isFree(port)) return port;
  throw portTaken(port);
}

async function spawnPostmaster(launch: Launch, port: number, output: ServerLog): Promise<Launched> {
  const { account, binaries, folder, settings } = launch;
  const child = spawn(binaries.postgres, serverArguments(folder.cluster, port, settings), {
    ...asAccount(account),
    // In a session of its own, so that Ctrl-C reaches us alone and we end things in order.
    detached: true,
    stdio: ["ignore", output.descriptor, output.descriptor],
  });
  await once(child, "spawn");
  // The server outlives us when we are killed, and must not keep us alive when we are done.
  child.unref();
  const pid = defined(child.pid, "the number of a spawned process");
  return { child, identity: identifyProcess(pid) ?? { pid, start: "ended at once" }, port };
}

type Outcome = "ready" | "ended" | "foreign" | "late";

async function awaitReady({ folder, password, timeoutMs }: Launch, launched: Launched, output: ServerLog) {
  const { child, port } = launched;
  const url = superuserUrl(password, port);
  const look = async (): Promise<Outcome | null> => {
    if (child.exitCode !== null || child.signalCode !== null) return "ended";
    const file = await readPidFile(folder.cluster);
    if (file?.pid !== child.pid || !file?.ready) return null;
    const answer = await answers(url, folder.cluster);
    if (answer === "yes") return "ready";
    return answer === "no" ? "foreign" : null;
  };
  return (await waitUntil(look, timeoutMs, () => output.size())) ?? "late";
}

async function explainEnd(launch: Launch, port: number, output: ServerLog): Promise<string> {
  // We hold the folder, so a server in it has lost who started it: killed so early that there was no postmaster.pid yet
  // when we looked for what had been left behind.
  const owner = await pidFileOwner(launch.folder.cluster);
  if (owner.kind === "postmaster") {
    await stopPostmaster(owner.identity);
    return "a process that was killed had just started another server here";
  }
  // Sessions of a server that was killed notice its end by themselves, each after its current step.
  if (output.tail().includes("pre-existing shared memory block")) {
    return `sessions of an earlier server that crashed are still there.\n${output.tail()}`;
  }
  if (!(await isFree(port))) {
    // Somebody took it between our look and PostgreSQL's.
    if (launch.port !== null) throw portTaken(port);
    return `port ${port} was taken by another program`;
  }
  throw startFailed("it ended while starting", output);
}

function startFailed(reason: string, output: ServerLog): EmbeddedPostgresError {
  const said = output.tail();
  const shown = said === "" ? `It wrote nothing to ${output.path}.` : `The end of ${output.path}:\n${said}`;
  return new EmbeddedPostgresError(`PostgreSQL did not start: ${reason}. ${shown}`);
}
