/** Through a browser on this machine (RFC 8252): it signs in at Tidegate, and comes back to an address that only this process hears. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { sameText } from "../../base/hash.ts";
import { CommandFailure } from "../failure.ts";
import { openAddress } from "./open-address.ts";
import { finishing, type SignedIn, type Signing } from "./signing.ts";

const WAITED_MS = 10 * 60_000;

export async function byBrowser(signing: Signing, page: string, agent: string): Promise<SignedIn> {
  const { output, live, signal } = signing;
  const state = randomBytes(32).toString("base64url");
  const { promise: came, resolve: come } = Promise.withResolvers<string>();
  const server = createServer((request, response) => answer(signing, server, state, request, response, come));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const address = new URL(page);
    address.searchParams.set("redirect_uri", `${originOf(server)}/callback`);
    address.searchParams.set("state", state);
    address.searchParams.set("code_challenge", createHash("sha256").update(signing.verifier).digest("base64url"));
    address.searchParams.set("agent", agent);
    output.note(`Open in a browser on this machine:  ${signing.bold(address.href)}`);
    if (signing.open) {
      const trouble = await openAddress(address.href);
      if (trouble !== null) output.note(`It could not be opened for you (${trouble}): open it yourself.`);
    }
    live.say("waiting for you to sign in there; Ctrl-C breaks it off");
    const code = await firstOf(came, signal);
    const done = await finishing(signing, code);
    if (done.signedIn) return done;
    throw new CommandFailure("sign-in-expired", "The server did not sign you in. Begin again: tidegate login");
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const originOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** What comes first: the browser, a signal, or the end of patience. */
async function firstOf(came: Promise<string>, signal: AbortSignal): Promise<string> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new CommandFailure("sign-in-expired", "Nobody signed in within ten minutes. Again: tidegate login")),
    WAITED_MS,
  );
  const broken = (): void => reject(signal.reason);
  signal.addEventListener("abort", broken);
  try {
    if (signal.aborted) broken();
    return await Promise.race([came, late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", broken);
  }
}

/** Any page, and any program of this machine, may call here: what does not carry our state changes nothing. */
function answer(
  { output }: Signing,
  server: Server,
  state: string,
  { method, url = "", headers }: IncomingMessage,
  response: ServerResponse,
  come: (code: string) => void,
): void {
  const origin = originOf(server);
  const asked = URL.parse(url, origin);
  const say = (status: number, text: string): void =>
    void response
      .writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" })
      .end(`${text}\n`);
  if (method !== "GET" || asked?.pathname !== "/callback" || `http://${headers.host}` !== origin) {
    say(404, "There is nothing here.");
    return;
  }
  const code = asked.searchParams.get("code");
  if (code === null || !sameText(asked.searchParams.get("state") ?? "", state)) {
    output.note("Something came back that this command did not ask for (another state). It was ignored.");
    say(400, "This is not the sign-in that tidegate login waits for. Open the address that it shows.");
    return;
  }
  say(200, "Go back to your terminal: it has the rest. You may close this page.");
  come(code);
}
