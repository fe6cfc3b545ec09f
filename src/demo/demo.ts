/**
 * The demo: a real store, a real production database, a server, people with tokens, and a story that plays the whole way
 * of a request. Started again with the same folder it goes on where it was, also after it was killed.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { chmod, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { hashToken, newToken } from "../base/token.ts";
import { lockFolder } from "../store/embedded/folder-lock.ts";
import { ADMIN_URL_FILE, addressesIn, CLIENT_SECRET_FILE, demoConfiguration, withAddresses } from "./configuration.ts";
import { freePort } from "./free-port.ts";
import { type IdentityProvider, openIdentityProvider } from "./identity-provider.ts";
import { NEWCOMER, PEOPLE } from "./people.ts";
import { startProduction } from "./production.ts";
import type { DemoState } from "./state.ts";
import { playStory } from "./story.ts";

export type DemoOptions = {
  /** Null: the default place; with `exit` a temporary one that is removed. */
  readonly dir: string | null;
  readonly defaultDir: string;
  readonly port: number | null;
  readonly story: boolean;
  readonly exit: boolean;
  /** The `tidegate` program, for the commands of the story. */
  readonly program: string;
};

export type DemoServer = { readonly url: string; readonly storeSuperuserUrl: string | null; stop(): Promise<void> };

/** How the composition root starts a server for the demo. */
export type StartServer = (settings: {
  configFile: string;
  dataDir: string;
  port: number;
  logFile: string;
}) => Promise<DemoServer>;

const DEFAULT_PORT = 7788;
/** The account that runs the databases must be able to pass through; nobody else may list what lies here. */
const PASSABLE = 0o711;

/** Runs the demo. Answers the exit code when it ends by itself; otherwise lives until a signal. */
export async function runDemo(
  options: DemoOptions,
  startServer: StartServer,
  say: (line: string) => void,
): Promise<number> {
  const temporary = options.dir === null && options.exit;
  const dir = temporary ? await temporaryFolder() : resolve(options.dir ?? options.defaultDir);
  const stops: (() => unknown)[] = [];
  let stopping: Promise<void> | null = null;
  const stopAll = (): Promise<void> => {
    stopping ??= (async () => {
      for (const stop of stops.reverse()) await stop();
      if (temporary) rmSync(dir, { recursive: true, force: true });
    })();
    return stopping;
  };
  let interrupted = false;
  const signalled = untilSignal().then((signal) => {
    interrupted = true;
    return signal;
  });
  try {
    say(`Starting the demo in ${dir} (a store and a production database, both real PostgreSQL) …`);
    const state = await boot(dir, options, startServer, stops);
    if (options.story) {
      const told = await Promise.race([
        playStory({
          ...{ dir, state, tokens: tokensOf(dir), program: options.program },
          atEnd: (stop) => stops.push(stop),
          // A step that Ctrl-C broke off was not seen to fail.
          say: (line) => {
            if (!interrupted) say(line);
          },
        }),
        signalled,
      ]);
      if (told === "signal") {
        say("\nBroken off; stopping what was started.");
        return 130;
      }
      if (options.exit) return told ? 0 : 1;
    } else if (options.exit) return 0;
    explain(dir, state, shownProgram(options.program), say);
    await signalled;
    say("\nStopping; started again with the same folder, the demo goes on where it was.");
    return 0;
  } catch (error) {
    // Ctrl-C reaches what is just being started as well, which then fails: that is what was asked for, and no mistake.
    if (!interrupted) throw error;
    say("Stopped while it was starting.");
    return 130;
  } finally {
    await stopAll();
  }
}

async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tidegate-demo-"));
  await chmod(dir, PASSABLE);
  return dir;
}

async function boot(
  dir: string,
  options: DemoOptions,
  startServer: StartServer,
  stops: (() => unknown)[],
): Promise<DemoState> {
  mkdirSync(dir, { recursive: true, mode: PASSABLE });
  const lock = await lockFolder(dir, "demo.pid");
  stops.push(() => lock.release());
  const configFile = join(dir, "tidegate.yaml");
  const written = existsSync(configFile) ? readFileSync(configFile, "utf8") : null;
  const former = written === null ? null : addressesIn(written);
  // Where the file says nothing of it, whoever changed it does not want it.
  const opening =
    written === null || former !== null
      ? openIdentityProvider(former && portOf(former.issuer))
      : Promise.resolve<IdentityProvider | null>(null);
  stops.push(() => opening.then((it) => it?.stop()).catch(() => undefined));
  const production = await startProduction(dir);
  stops.push(() => production.server.stop());
  const provider = await opening;
  writePrivate(join(dir, ADMIN_URL_FILE), `${production.adminUrl}\n`);
  const tokens = existsSync(join(dir, "tokens.json")) ? tokensOf(dir) : newTokens(dir);
  const hashes = Object.fromEntries(Object.entries(tokens).map(([who, token]) => [who, hashToken(token)]));
  const clientSecret = newToken();
  writePrivate(join(dir, CLIENT_SECRET_FILE), `${clientSecret}\n`);
  const settings = { configFile, dataDir: join(dir, "tidegate"), logFile: join(dir, "tidegate.log") };
  const server = await startOnSomePort(options.port, former && portOf(former.url), (port) => {
    const addresses = provider && { url: `http://127.0.0.1:${port}`, issuer: provider.issuer };
    const text = addresses && written !== null ? withAddresses(written, addresses) : written;
    if (text === null || text !== written) writePrivate(configFile, text ?? demoConfiguration(hashes, addresses));
    return startServer({ ...settings, port });
  });
  stops.push(() => server.stop());
  provider?.serve(server.url, clientSecret);
  const state: DemoState = {
    url: server.url,
    signInUrl: provider && `${server.url}/auth/sign-in`,
    productionAdminUrl: production.adminUrl,
    storeUrl: server.storeSuperuserUrl,
    configFile,
    pid: process.pid,
  };
  writePrivate(join(dir, "demo.json"), `${JSON.stringify(state, null, 2)}\n`);
  writeShellFiles(dir, server.url, tokens);
  return state;
}

const portOf = (url: string): number => Number(new URL(url).port);

/**
 * The wanted port; else the one it had before, else the usual one, else any: two demos may run side by side. It is known
 * before the start, because the configuration says where browsers find the server.
 */
async function startOnSomePort(
  wanted: number | null,
  former: number | null,
  start: (port: number) => Promise<DemoServer>,
): Promise<DemoServer> {
  if (wanted !== null && wanted !== 0) return start(wanted);
  try {
    return await start(await freePort(former ?? wanted ?? DEFAULT_PORT));
  } catch (error) {
    // Somebody took it in the meantime.
    if (error instanceof Error && error.message.includes("EADDRINUSE")) return start(await freePort(0));
    throw error;
  }
}

function newTokens(dir: string): Record<string, string> {
  const tokens = Object.fromEntries(PEOPLE.map(({ handle }) => [handle, newToken()]));
  writePrivate(join(dir, "tokens.json"), `${JSON.stringify(tokens, null, 2)}\n`);
  return tokens;
}

const tokensOf = (dir: string): Record<string, string> =>
  JSON.parse(readFileSync(join(dir, "tokens.json"), "utf8")) as Record<string, string>;

/** Whole or not at all, and for nobody else's eyes. */
function writePrivate(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

function untilSignal(): Promise<"signal"> {
  const { promise, resolve } = Promise.withResolvers<"signal">();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve("signal"));
  return promise;
}

/** One small file per person, to be read into a shell: who they are, and where the server is. */
function writeShellFiles(dir: string, url: string, tokens: Readonly<Record<string, string>>): void {
  mkdirSync(join(dir, "as"), { recursive: true, mode: 0o700 });
  for (const [who, token] of Object.entries(tokens))
    writePrivate(join(dir, "as", who), `export TIDEGATE_URL=${url} TIDEGATE_TOKEN=${token}\n`);
}

/** As it can be typed where the demo was started: `bin/tidegate` in a checkout, the whole path of one that lies elsewhere. */
function shownProgram(program: string): string {
  const near = relative(process.cwd(), program);
  return near.startsWith("..") ? program : near;
}

const NO_PROVIDER = `
Nobody signs in with a browser here: the package oidc-provider is not installed, or this folder is of an earlier demo.
`;

const browsers = ({ url, signInUrl }: DemoState, tidegate: string): string => `
Sign in with a browser at ${signInUrl}, or here with "${tidegate} login --url ${url}", through the demo's own identity
provider, which asks for no password, as
${[...PEOPLE, NEWCOMER].map(({ name, about }) => `  ${name}: ${about}`).join("\n")}
`;

function explain(dir: string, state: DemoState, tidegate: string, say: (line: string) => void): void {
  say(`
The demo is up at ${state.url}. Everything it has lies in ${dir}.
${state.signInUrl === null ? NO_PROVIDER : browsers(state, tidegate)}
In a second terminal, be Erin, who is on call:
  . ${dir}/as/erin
  ${tidegate} psql orders-db:read --for 5m --ticket INC-42 --reason "checkouts fail"

Or be Alice, who needs a lead:
  . ${dir}/as/alice
  ${tidegate} psql orders-db:read --for 5m --reason "checking slow checkouts"

and in a third be Bob, who is one:
  . ${dir}/as/bob
  ${tidegate} requests --to-review
  ${tidegate} approve <id>

Carol (security, admin) may read everything: ${tidegate} audit list. Dave is a contractor: policy denies him.
The policy is ${state.configFile}. Ctrl-C stops the demo.`);
}
