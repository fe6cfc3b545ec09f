/** A command line that signs in, and the person who types its code in at the provider, on whatever machine. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import type { Answered } from "./api.ts";
import { type Browser, type Company, TIDEGATE } from "./signing-in.ts";

export type Verifier = { readonly verifier: string; readonly challenge: string };

export function newVerifier(): Verifier {
  const verifier = randomBytes(32).toString("base64url");
  return { verifier, challenge: createHash("sha256").update(verifier).digest("base64url") };
}

export type BegunLogin = Verifier & { readonly login: string; readonly address: string; readonly retryAfterMs: number };

/** Begins at the device endpoint of the only provider. */
export async function beginLogin(it: Company, agent = "tidegate on a laptop"): Promise<BegunLogin> {
  const made = newVerifier();
  const { status, body, text } = await it.api.post(null, "/v1/login", { challenge: made.challenge, agent });
  assert.equal(status, 201, text);
  assert.equal(body.how, "device", text);
  return { ...made, login: body.login, address: body.wholeAddress, retryAfterMs: body.retryAfterMs };
}

/** So much time passes that the command line may ask again. */
export const intervalPasses = (it: Company): Promise<unknown> =>
  it.world.store.pool.query("update cli_logins set next_poll_at = clock_timestamp()");

export async function finishLogin(
  it: Company,
  { login, verifier }: Pick<BegunLogin, "login" | "verifier">,
  former?: string,
): Promise<Answered> {
  const held = former === undefined ? {} : { former };
  return it.api.post(null, "/v1/login/token", { login, verifier, ...held });
}

/** From the first word to the token. */
export async function signInByDevice(it: Company, former?: string): Promise<{ token: string; session: string }> {
  const begun = await beginLogin(it);
  assert.equal(await typeCodeIn(begun.address, "confirm"), "confirmed");
  await intervalPasses(it);
  const { status, body, text } = await finishLogin(it, begun, former);
  assert.equal(status, 200, text);
  return body;
}

export const callWith = (it: Company, token: string, method: string, url: string, body?: unknown): Promise<Answered> =>
  it.api.call(null, method, url, body, { headers: { authorization: `Bearer ${token}` } });

/** Opens the address at the real provider with a browser of its own, and says yes or no to what it shows. Answers `confirmed`, `denied`, or the page that it did not expect. */
export async function typeCodeIn(address: string, choice: "confirm" | "abort"): Promise<string> {
  const person = new WebPerson();
  await person.open(address);
  await person.submit();
  await person.submit(choice === "abort" ? { abort: "yes" } : {}, choice === "abort" ? ["confirm"] : []);
  if (/success/i.test(person.page)) return "confirmed";
  return /interrupted/i.test(person.page) ? "denied" : person.page;
}

/** Somebody with a browser and without scripts: keeps cookies, goes where they are sent, and submits the form of a page. */
export class WebPerson {
  readonly #jars = new Map<string, Map<string, string>>();
  page = "";
  at = "";
  /** Stops before this address, which is then `at`. */
  stopBefore: RegExp | null = null;

  async open(address: string): Promise<void> {
    await this.#go(address, { method: "GET" });
  }

  /** The only form of the page, with its hidden fields and these; `without` some. */
  async submit(more: Record<string, string> = {}, without: readonly string[] = []): Promise<void> {
    const action = /<form[^>]*action="([^"]+)"/.exec(this.page)?.[1];
    if (action === undefined) throw new Error(`there is no form at ${this.at}: ${this.page}`);
    const fields = Array.from(this.page.matchAll(/<input[^>]*>/g), ([input]) => [
      /name="([^"]*)"/.exec(input)?.[1] ?? "",
      /value="([^"]*)"/.exec(input)?.[1] ?? "",
    ]).filter(([name = ""]) => name !== "" && !without.includes(name));
    const body = new URLSearchParams({ ...Object.fromEntries(fields), ...more }).toString();
    const origin = new URL(this.at).origin;
    await this.#go(new URL(action.replaceAll("&amp;", "&"), this.at).href, { method: "POST", body, origin });
  }

  /** A link of the page, as a browser follows it. */
  async follow(link: RegExp): Promise<void> {
    const [to] = link.exec(this.page) ?? [];
    if (to === undefined) throw new Error(`there is no ${link} at ${this.at}: ${this.page}`);
    await this.#go(new URL(to, this.at).href, { method: "GET", from: "same-origin" });
  }

  async #go(address: string, first: { method: string; body?: string; origin?: string; from?: string }): Promise<void> {
    let [url, how] = [address, first];
    for (let steps = 0; steps < 20; steps += 1) {
      this.at = url;
      if (this.stopBefore?.test(url) === true) return;
      const jar = this.#jar(url);
      const response = await fetch(url, {
        ...how,
        redirect: "manual",
        headers: {
          accept: "text/html",
          cookie: Array.from(jar, ([name, value]) => `${name}=${value}`).join("; "),
          ...(how.body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
          ...(how.origin === undefined ? {} : { origin: how.origin }),
          ...(how.from === undefined ? {} : { "sec-fetch-site": how.from }),
        },
      });
      for (const line of response.headers.getSetCookie()) keep(jar, line);
      this.page = await response.text();
      const location = response.headers.get("location");
      if (location === null) return;
      [url, how] = [new URL(location, url).href, { method: "GET" }];
    }
    throw new Error("they are sent round and round");
  }

  #jar(url: string): Map<string, string> {
    const { origin } = new URL(url);
    const jar = this.#jars.get(origin) ?? new Map<string, string>();
    this.#jars.set(origin, jar);
    return jar;
  }
}

function keep(jar: Map<string, string>, line: string): void {
  const [pair = "", ...attributes] = line.split(";");
  const [name = "", ...value] = pair.split("=");
  const over = attributes.some((one) => /^\s*(max-age=0|expires=thu, 01 jan 1970)/i.test(one));
  if (over) jar.delete(name);
  else jar.set(name, value.join("="));
}

export const PORT = 40_404;
/** The address that a command line shows for a browser on its machine. */
export const pageFor = (challenge: string, state: string, more: Record<string, string> = {}): string =>
  `/auth/cli?${new URLSearchParams({
    redirect_uri: `http://127.0.0.1:${PORT}/callback`,
    state,
    code_challenge: challenge,
    agent: "tidegate on a laptop",
    ...more,
  })}`;

/** Says yes on that page in a browser that is signed in; answers where the browser is sent. */
export async function sayYes(browser: Browser, page: string): Promise<URL> {
  const shown = await browser.ask(page, { headers: { accept: "text/html" } });
  assert.equal(shown.status, 200, shown.text);
  const fields = Array.from(shown.text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g), (field) => [
    field[1] ?? "",
    (field[2] ?? "").replaceAll("&amp;", "&"),
  ]);
  const headers = { "content-type": "application/x-www-form-urlencoded", origin: TIDEGATE };
  const body = new URLSearchParams(Object.fromEntries(fields)).toString();
  const sent = await browser.ask("/auth/cli", { method: "POST", headers, body });
  assert.equal(sent.status, 303, sent.text);
  return new URL(sent.location ?? "");
}
