import { readFile, stat } from "node:fs/promises";
import { tidegateVersion, understandEachOther, VERSION_HEADER } from "../base/version.ts";
import type { Client } from "../contract/client.ts";
import { EXIT } from "./exit-code.ts";
import { CommandFailure, providersIn, usage } from "./failure.ts";
import { currentToken } from "./login/current-token.ts";
import { Output } from "./output.ts";
import { showAgain } from "./step-up.ts";
import { cleanText } from "./words/clean.ts";

export const DEFAULT_URL = "http://127.0.0.1:7788";

/** What every command that talks to a server takes. */
export type ServerOptions = { readonly json?: true; readonly url?: string; readonly tokenFile?: string };

export type Context = { readonly client: Client; readonly output: Output };

/** How one command talks, where that is not the usual way. */
export type Manner = {
  /** How long an answer may take. */
  readonly timeoutMs?: number;
  /** Sees every answer before it is read. */
  readonly hear?: (response: Response) => void;
  /** Nobody is there to read what is said beside the answer. */
  readonly quiet?: boolean;
};

/** The client of the server that options and environment name. Options win over the environment. */
export async function connect(
  options: ServerOptions,
  env: NodeJS.ProcessEnv = process.env,
  manner: Manner = {},
): Promise<Context> {
  const output = new Output(options.json === true);
  const url = addressOf(options, env);
  const say = (line: string): void => (manner.quiet === true ? undefined : output.note(line));
  const given = await givenToken(options, env, say);
  // Loaded here and not above: the contract brings zod with it, which help and mistakes in typing need not wait for.
  const [{ createClient }, { UnexpectedAnswer }] = await Promise.all([
    import("../contract/client.ts"),
    import("../contract/client-errors.ts"),
  ]);
  const token = given ?? (await currentToken(url, env)) ?? (await refuseNobody(url, manner, createClient));
  const strange = (answer: unknown): Error => new UnexpectedAnswer(url, 200, JSON.stringify(answer) ?? "nothing");
  let serverVersion: string | null = null;
  const listening: typeof fetch = async (input, init) => {
    const response = await fetch(input, given === null ? await signedNow(url, env, init) : init);
    serverVersion = response.headers.get(VERSION_HEADER) ?? serverVersion;
    manner.hear?.(response);
    return response;
  };
  const { timeoutMs } = manner;
  const client = createClient({ url, token, fetch: listening, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  const again =
    output.json || manner.quiet === true ? async () => false : (error: unknown) => showAgain(client, output, error);
  return { client: checked(client, strange, () => tellApart(say, serverVersion), again), output };
}

export const addressOf = (options: ServerOptions, env: NodeJS.ProcessEnv): string =>
  serverUrl(options.url ?? present(env["TIDEGATE_URL"]) ?? DEFAULT_URL);

/** After a call that failed: that this command and the server may not understand each other, where that is so. */
function tellApart(say: (line: string) => void, serverVersion: string | null): void {
  const ours = tidegateVersion();
  if (serverVersion === null || understandEachOther(ours, serverVersion)) return;
  say(
    `The server is Tidegate ${cleanText(serverVersion)} and this command is ${ours}: they may not understand each other. Use the command of the server's version.`,
  );
}

function serverUrl(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || !["http:", "https:"].includes(parsed.protocol))
    throw usage(`${JSON.stringify(url)} is not the address of a server; write http://HOST:PORT.`);
  if (parsed.username !== "" || parsed.password !== "")
    throw usage(
      "The address of the server holds a password. Tidegate takes a token: set TIDEGATE_TOKEN or give --token-file.",
    );
  return url;
}

/** The same call with the token of now: a command may run for longer than one is good. */
async function signedNow(url: string, env: NodeJS.ProcessEnv, init: RequestInit = {}): Promise<RequestInit> {
  const token = await currentToken(url, env);
  const headers = new Headers(init.headers);
  if (token !== null) headers.set("authorization", `Bearer ${token}`);
  return { ...init, headers };
}

/** Nobody says who this is. What to do about it depends on whether the server lets people sign in. */
async function refuseNobody(
  url: string,
  { timeoutMs = PROVIDERS_WITHIN_MS }: Manner,
  createClient: (options: { url: string; token: null; timeoutMs: number }) => Client,
): Promise<never> {
  const providers = await createClient({ url, token: null, timeoutMs: Math.min(timeoutMs, PROVIDERS_WITHIN_MS) })
    .me()
    .then(
      () => [],
      (error: unknown) => providersIn(error),
    );
  throw providers.length > 0
    ? new CommandFailure("unauthenticated", `You are not signed in to ${url}.`, EXIT.failed, { providers })
    : usage("There is no token to sign in with. Set TIDEGATE_TOKEN, or name a file that holds it with --token-file.");
}

const PROVIDERS_WITHIN_MS = 3_000;
const OTHERS_MAY_READ = 0o077;

/** The token that options or environment hold; null: none. */
async function givenToken(
  options: ServerOptions,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<string | null> {
  if (options.tokenFile === undefined) {
    const token = present(env["TIDEGATE_TOKEN"]);
    return token === undefined ? null : oneToken(token, "TIDEGATE_TOKEN");
  }
  const file = options.tokenFile;
  const written = await readFile(file, "utf8").catch((error: unknown) => {
    throw new CommandFailure(
      "token-file",
      `Cannot read the token file: ${error instanceof Error ? error.message : String(error)}`,
      EXIT.usage,
    );
  });
  const { mode } = await stat(file);
  if (process.platform !== "win32" && (mode & OTHERS_MAY_READ) !== 0)
    say(`Others may read ${file}, which holds your token; better: chmod 600 ${file}`);
  return oneToken(written, file);
}

function oneToken(written: string, from: string): string {
  const token = written.trim();
  if (token === "") throw usage(`${from} is empty; it must hold the token.`);
  // Said without the token itself.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw usage(`${from} does not hold one token: there is a space, a line break or an odd character in it.`);
  return token;
}

const present = (value: string | undefined): string | undefined =>
  value === undefined || value.trim() === "" ? undefined : value;

/** What an answer must have before anything is said about it. What is streamed is no answer. */
const PROMISED: {
  readonly [Method in Exclude<keyof Client, "events" | "exportAudit" | "receipt">]: readonly string[];
} = {
  submitRequest: ["id", "state", "decision"],
  listRequests: ["requests"],
  getRequest: ["id", "state", "decision"],
  editRequest: ["id", "state", "version"],
  reviewRequest: ["id", "state", "decision"],
  waitingConfig: [],
  confirmConfig: ["version", "state", "widens"],
  rejectConfig: ["version", "state", "widens"],
  commentOnRequest: ["id", "state", "questions"],
  cancelRequest: ["id", "state"],
  listEmergencies: ["emergencies"],
  reviewEmergency: ["id", "state", "emergencyReview"],
  submitBundle: ["id", "requests", "refused"],
  getBundle: ["id", "requests", "refused"],
  reviewBundle: ["id", "requests", "done"],
  cancelBundle: ["id", "requests", "done"],
  listGrants: ["grants"],
  getGrant: ["id", "state", "expiresAt"],
  activateGrant: ["id", "state", "expiresAt"],
  extendGrant: ["extended"],
  revokeGrant: ["id", "state"],
  credential: ["delivered"],
  listAway: ["away"],
  setAway: ["person", "until"],
  setBack: ["person"],
  erasePerson: ["person", "removed"],
  startPanic: ["id", "ended"],
  listPanics: ["panics"],
  getPanic: ["id", "ended"],
  liftPanic: ["id", "ended"],
  listMessages: ["messages"],
  getMessage: ["id", "text"],
  listDrift: ["resources"],
  sweepDrift: ["resources"],
  listOthers: ["others", "tells"],
  listResources: ["resources"],
  listEligible: ["people"],
  readAccess: ["entitlements", "grants"],
  explain: ["outcome", "trace"],
  readPolicy: ["version", "resources", "policies"],
  listRecordedRequests: ["requests"],
  accessReview: ["from", "until", "requests", "grants", "findings"],
  evidence: ["question", "rows"],
  listConfigVersions: ["versions"],
  configDiff: ["from", "to", "changes"],
  listAudit: ["entries"],
  auditCheckpoint: ["checkpoint", "size"],
  auditProof: ["proof"],
  auditConsistency: ["proof"],
  me: ["id", "handle"],
  listTokens: ["tokens"],
  issueToken: ["secret", "token"],
  rotateToken: ["secret", "token"],
  revokeToken: ["id"],
  beginLogin: ["how", "address"],
  finishLogin: ["signedIn"],
  renewToken: ["token", "renewAfterMs"],
  listSessions: ["sessions"],
  endSession: ["id", "person"],
  getStepUp: ["id", "state"],
  listPasskeys: ["passkeys"],
  removePasskey: ["id", "person"],
  health: ["level", "checks"],
  listTargets: ["targets"],
  ready: ["checks"],
};

/** Several rules may each demand something of one call. */
const STEP_UPS_MAX = 5;

/**
 * The same client, but an answer that is JSON of somebody else (a proxy, another service at this address) is refused
 * instead of being shown as `undefined`. Newer members and words pass: a server may be newer than this command.
 */
function checked(
  client: Client,
  strange: (answer: unknown) => Error,
  failed: () => void,
  again: (error: unknown) => Promise<boolean>,
): Client {
  return new Proxy(client, {
    get: (target, name, receiver) => {
      const method: unknown = Reflect.get(target, name, receiver);
      const promised = PROMISED[name as keyof typeof PROMISED];
      if (typeof method !== "function" || promised === undefined) return method;
      const call = async (input: readonly unknown[], left: number): Promise<unknown> => {
        try {
          const answer: unknown = await method.apply(target, input);
          if (typeof answer === "object" && answer !== null && promised.every((member) => member in answer))
            return answer;
          throw strange(answer);
        } catch (error) {
          if (left > 0 && (await again(error))) return call(input, left - 1);
          failed();
          throw error;
        }
      };
      return (...input: readonly unknown[]) => call(input, STEP_UPS_MAX);
    },
  });
}
