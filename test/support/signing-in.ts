/** A browser that signs in: it keeps cookies, goes where it is sent, and stops where a test wants it to. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Configuration } from "../../src/domain/configuration.ts";
import type { IdentityProvider } from "../../src/domain/identity.ts";
import { type Api, type ApiOptions, createApi, withTokens } from "./api.ts";
import { organisation } from "./api-people.ts";
import { CLIENT, type HostileProvider, hostileProvider } from "./identity-provider.ts";
import { createWorld, type World } from "./world.ts";

export const TIDEGATE = "https://tidegate.example.test";
export const callback = (provider: string): string => `${TIDEGATE}/auth/callback/${provider}`;

export const declared = (issuer: string, more: Partial<IdentityProvider> = {}): IdentityProvider => ({
  name: "company",
  title: "The company",
  issuer,
  clientId: CLIENT.id,
  settings: { clientSecret: CLIENT.secret },
  scopes: ["openid", "profile", "email", "groups"],
  claims: {
    handle: "preferred_username",
    name: "name",
    email: "email",
    groups: "groups",
    type: null,
    manager: null,
  },
  groups: null,
  ...more,
});

export type Company = {
  readonly world: World;
  readonly api: Api;
  /** The same organisation with these providers. */
  provide(...providers: readonly IdentityProvider[]): Promise<unknown>;
  configure(change: (configuration: Configuration) => Configuration): Promise<unknown>;
};

/** A Tidegate whose people sign in through providers; ends with the test. */
export async function company(t: Pick<TestContext, "after">, more: ApiOptions = {}): Promise<Company> {
  const world = await createWorld({ t });
  const api = createApi(world, more);
  t.after(() => api.close());
  const base = withTokens(organisation(world.directoryName));
  let now: Configuration = base;
  const configure: Company["configure"] = (change) => {
    now = change(now);
    return world.configure(now);
  };
  return {
    world,
    api,
    configure,
    provide: (...providers) =>
      configure((before) => ({
        ...before,
        identity: { url: TIDEGATE, providers, sessions: { idleMs: 3_600_000, longestMs: 86_400_000 } },
      })),
  };
}

export type Page = {
  readonly status: number;
  readonly location: string | null;
  readonly text: string;
  readonly headers: Headers;
};

export class Browser {
  readonly #api: Api;
  readonly #jars = new Map<string, Map<string, string>>();
  /** Attributes of the cookies that Tidegate set, as they were set. */
  readonly set: string[] = [];

  constructor(api: Api) {
    this.#api = api;
  }

  /** The cookies of Tidegate. */
  get cookies(): Map<string, string> {
    return this.#jar(TIDEGATE);
  }

  get session(): string | undefined {
    return this.cookies.get("__Host-tidegate-session");
  }

  #jar(origin: string): Map<string, string> {
    const jar = this.#jars.get(origin) ?? new Map<string, string>();
    this.#jars.set(origin, jar);
    return jar;
  }

  /** One step: no redirect is followed. */
  async ask(
    url: string,
    more: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ): Promise<Page> {
    const to = new URL(url, TIDEGATE);
    const cookie = Array.from(this.#jar(to.origin), ([name, value]) => `${name}=${value}`).join("; ");
    const headers = { accept: "application/json", ...(cookie === "" ? {} : { cookie }), ...more.headers };
    const response =
      to.origin === TIDEGATE
        ? await this.#inject(to, more, headers)
        : await fetch(to, { ...more, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) this.#keep(to.origin, line);
    return {
      status: response.status,
      location: response.headers.get("location"),
      text: await response.text(),
      headers: response.headers,
    };
  }

  async #inject(
    to: URL,
    { method = "GET", body }: { method?: string; body?: string },
    headers: Record<string, string>,
  ): Promise<Response> {
    const wanted = { method: method as "GET", url: `${to.pathname}${to.search}`, headers };
    const answered = await this.#api.app.inject(body === undefined ? wanted : { ...wanted, payload: body });
    const kept = new Headers();
    for (const [name, value] of Object.entries(answered.headers))
      for (const one of Array.isArray(value) ? value : [value]) kept.append(name, String(one));
    return new Response(answered.body, { status: answered.statusCode, headers: kept });
  }

  #keep(origin: string, line: string): void {
    if (origin === TIDEGATE) this.set.push(line);
    const [pair = "", ...attributes] = line.split(";");
    const [name = "", ...value] = pair.split("=");
    const over = attributes.some((one) => /^\s*(max-age=0|expires=thu, 01 jan 1970)/i.test(one));
    if (over) this.#jar(origin).delete(name);
    else this.#jar(origin).set(name, value.join("="));
  }

  /** Begins, and goes as far as the address at Tidegate that the provider sends it back to. */
  async toCallback(provider = "company", returnTo = "/auth/sessions"): Promise<string> {
    return this.followed(await this.ask(`/auth/sign-in/${provider}?return_to=${encodeURIComponent(returnTo)}`));
  }

  /** From a page that leads to the provider to the address at Tidegate that it sends the browser back to. */
  async followed(first: Page): Promise<string> {
    let page = first;
    let at = TIDEGATE;
    for (let steps = 0; steps < 12; steps += 1) {
      if (page.location === null) throw new Error(`stopped at ${at}: ${page.status} ${page.text}`);
      at = new URL(page.location, at).href;
      if (at.startsWith(`${TIDEGATE}/auth/callback/`)) return at;
      page = await this.ask(at);
    }
    throw new Error("the provider sends it round and round");
  }

  /** All the way; answers the last page of Tidegate before it lets somebody in or not. */
  async signIn(provider = "company"): Promise<Page> {
    return this.ask(await this.toCallback(provider));
  }
}

/** A company whose provider answers as a test tells it. */
export async function hostileCompany(
  t: Pick<TestContext, "after">,
): Promise<Company & { readonly provider: HostileProvider }> {
  const [it, provider] = [await company(t), await hostileProvider(t)];
  provider.claims = { preferred_username: "mallory", groups: ["payments"] };
  await it.provide(declared(provider.issuer));
  return { ...it, provider };
}

/** Nobody was signed in: a clear problem, no session, a line in the log without what was sent. */
export async function assertRefused(
  it: Company,
  browser: Browser,
  page: Page,
  code: string,
  detail: RegExp,
): Promise<void> {
  assert.equal(codeOf(page), code, page.text);
  const problem = JSON.parse(page.text);
  assert.match(problem.detail, detail);
  assert.equal(browser.session, undefined);
  const { rows } = await it.world.store.pool.query("select count(*)::int as n from sign_in_sessions");
  assert.equal(rows[0].n, 0);
  assert.match(it.api.logged(), new RegExp(`"code":"${code}"`));
  assert.doesNotMatch(it.api.logged(), /eyJ[\w-]+\.eyJ|code-\d|tgt_/);
}

/** The same steps sign somebody in where nothing is wrong with them: what is refused is refused for what a test did. */
export async function assertSignsIn(browser: Browser): Promise<void> {
  const page = await browser.signIn();
  assert.equal(page.status, 303, page.text);
  assert.notEqual(browser.session, undefined);
}

/** The code of the problem, where there is one. */
export const codeOf = ({ text }: Page): string => {
  try {
    return (JSON.parse(text) as { code: string }).code;
  } catch {
    return `no problem: ${text.slice(0, 200)}`;
  }
};
