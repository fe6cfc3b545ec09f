import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSignsIn, Browser, codeOf, hostileCompany } from "../../support/signing-in.ts";

const EVENT = { "http://schemas.openid.net/event/backchannel-logout": {} };

test("the provider signs people out here, and only the provider does", async (t) => {
  const it = await hostileCompany(t);
  const { provider } = it;
  const at = (): number => Math.floor(Date.now() / 1_000);
  const token = () => ({
    ...{ iss: provider.issuer, aud: "tidegate", sub: "mallory", iat: at(), exp: at() + 120, jti: "one" },
    events: EVENT,
  });
  const send = async (
    claims: object,
    sign: (claims: object) => Promise<string> = (said) => provider.sign({ ...said }),
  ): Promise<{ status: number; code: string }> => {
    const body = new URLSearchParams({ logout_token: await sign({ ...claims }) }).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const page = await new Browser(it.api).ask("/auth/logout/company", { method: "POST", headers, body });
    return { status: page.status, code: page.status === 200 ? "" : codeOf(page) };
  };
  provider.claims = { groups: [], sid: "session-1" };
  const browser = new Browser(it.api);
  await assertSignsIn(browser);

  const { events: _, ...noEvent } = token();
  const { sub: __, ...nobody } = token();
  const { jti: ___, ...unnamed } = token();
  for (const [what, claims] of Object.entries({
    "of another issuer": { ...token(), iss: "https://elsewhere.example" },
    "for another client": { ...token(), aud: "another-client" },
    "long past": { ...token(), iat: at() - 3_600, exp: at() - 3_000 },
    "an ID token": { ...noEvent, nonce: "a nonce" },
    "with a nonce": { ...token(), nonce: "a nonce" },
    "about nobody": nobody,
    "without an id": unnamed,
  })) {
    assert.equal((await send(claims)).code, "sign-in-refused", what);
    assert.equal((await browser.ask("/v1/me")).status, 200, what);
  }
  const forged = async (): Promise<string> =>
    `${[{ alg: "none" }, token()].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")}.`;
  assert.equal((await send({}, forged)).code, "sign-in-refused");
  assert.equal((await send({ ...token(), sub: undefined, sid: "another session" })).status, 200);
  assert.equal((await browser.ask("/v1/me")).status, 200, "it was another session that ended");

  assert.equal((await send({ ...token(), sid: "session-1" })).status, 200);
  assert.equal((await browser.ask("/v1/me")).status, 401);
  const ended = (await it.world.entries()).filter(({ leaf }) => leaf.kind === "session.ended");
  assert.equal(ended.length, 1);

  // Sent again later it ends nothing that began after it.
  const old = { ...token(), iat: at() - 120 };
  await assertSignsIn(browser);
  assert.equal((await send(old)).status, 200);
  assert.equal((await browser.ask("/v1/me")).status, 200);
});
