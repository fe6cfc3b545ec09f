/** A provider that sends signals: one that lies as a test tells it, and what became of somebody whom it speaks of. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { JWTPayload } from "jose";
import type { GrantId } from "../../src/base/ids.ts";
import { isLive } from "../../src/domain/grant.ts";
import type { Transmitter } from "../../src/domain/signal.ts";
import { automatically } from "./configuration.ts";
import type { HostileProvider } from "./identity-provider.ts";
import { Browser, type Company, hostileCompany, TIDEGATE } from "./signing-in.ts";

export const CAEP = "https://schemas.openid.net/secevent/caep/event-type/";
export const RISC = "https://schemas.openid.net/secevent/risc/event-type/";

export type Answer = { readonly status: number; readonly err: string; readonly text: string };
export type Signalling = Company & {
  readonly provider: HostileProvider;
  transmit(more?: Partial<Transmitter>): Promise<unknown>;
  /** The claims of a token about this subject. */
  claims(event?: string, more?: JWTPayload): JWTPayload;
  /** Signed by the provider, where nothing else is said. */
  send(claims: JWTPayload, sign?: (claims: JWTPayload) => Promise<string>): Promise<Answer>;
  push(token: string, more?: { path?: string; type?: string }): Promise<Answer>;
  /** Signed in, and with access to a target. */
  arrive(): Promise<{ readonly browser: Browser; readonly grant: GrantId }>;
  /** Which of both somebody still has. */
  left(there: { readonly browser: Browser; readonly grant: GrantId }): Promise<string[]>;
};

/** erin is known to the provider as `erin-1`, by the file. */
export async function signalling(t: Pick<TestContext, "after">): Promise<Signalling> {
  const it = await hostileCompany(t);
  const { provider, world } = it;
  let count = 0;
  const at = (): number => Math.floor(Date.now() / 1_000);
  provider.claims = { groups: [], sub: "erin-1" };
  await it.configure((now) => ({
    ...now,
    policies: [automatically("at-once", { when: 'request.ticket == "NOW"' }), ...now.policies],
    principals: now.principals.map((one) =>
      one.handle === "erin" ? { ...one, identities: [{ provider: "company", subject: "erin-1" }] } : one,
    ),
  }));
  const push: Signalling["push"] = async (token, more = {}) => {
    const { path = "/signals/company", type = "application/secevent+jwt" } = more;
    const page = await new Browser(it.api).ask(path, {
      method: "POST",
      headers: { "content-type": type },
      body: token,
    });
    const { err = "" } = (page.text === "" ? {} : JSON.parse(page.text)) as { err?: string };
    return { status: page.status, err, text: page.text };
  };
  const signalled: Signalling = {
    ...it,
    push,
    transmit: (more = {}) =>
      it.configure(({ identity, ...now }) => {
        assert.ok(identity !== undefined);
        const transmitter: Transmitter = {
          ...{ name: "company", provider: "company", issuer: provider.issuer, jwksUri: `${provider.issuer}/jwks` },
          ...{ audience: `${TIDEGATE}/signals/company`, ends: "access", ...more },
        };
        return { ...now, identity: { ...identity, signals: [transmitter] } };
      }),
    claims(event = `${CAEP}session-revoked`, more = {}) {
      count += 1;
      return {
        ...{ iss: provider.issuer, aud: `${TIDEGATE}/signals/company`, iat: at(), jti: `signal-${count}` },
        sub_id: { format: "iss_sub", iss: provider.issuer, sub: "erin-1" },
        events: { [event]: { event_timestamp: at(), initiating_entity: "policy" } },
        ...more,
      };
    },
    send: async (claims, sign = (said) => provider.sign({ ...said }, { typ: "secevent+jwt" })) =>
      push(await sign(JSON.parse(JSON.stringify(claims)))),
    async arrive() {
      const browser = new Browser(it.api);
      const page = await browser.signIn();
      assert.equal(page.status, 303, page.text);
      return { browser, grant: await world.granted("erin", "orders:read", { ticket: "NOW" }) };
    },
    left: async ({ browser, grant }) => [
      ...((await browser.ask("/v1/me")).status === 200 ? ["session"] : []),
      ...(isLive(await world.grant(grant)) ? ["grant"] : []),
    ],
  };
  await signalled.transmit();
  return signalled;
}

/** Refused with this error, and nothing ended; the same, as it should be, ends everything. */
export async function assertSignalRefused(
  it: Signalling,
  err: string,
  claims: JWTPayload,
  sign?: (claims: JWTPayload) => Promise<string>,
): Promise<void> {
  const there = await it.arrive();
  const received = async () => (await it.world.entries()).filter(({ leaf }) => leaf.kind === "signal.received").length;
  const before = await received();
  const answer = await it.send(claims, sign);
  assert.deepEqual([answer.status, answer.err], [400, err], answer.text);
  const { description } = JSON.parse(answer.text) as { description: string };
  assert.ok(description.length > 0);
  assert.deepEqual(await it.left(there), ["session", "grant"]);
  assert.match(it.api.logged(), new RegExp(`"err":"${err}"`));
  assert.doesNotMatch(it.api.logged(), /eyJ[\w-]+\.eyJ/);
  assert.equal(await received(), before);
  assert.equal((await it.send(it.claims())).status, 202);
  assert.deepEqual(await it.left(there), []);
}
