import { createHmac } from "node:crypto";
import { test } from "node:test";
import type { JWTPayload } from "jose";
import { CLIENT } from "../../support/identity-provider.ts";
import { assertRefused, assertSignsIn, Browser, hostileCompany } from "../../support/signing-in.ts";

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const unsigned = (claims: JWTPayload, header: object): string => `${encoded(header)}.${encoded(claims)}`;
const withSecret = (text: string, secret: string): string =>
  createHmac("sha256", secret).update(text).digest("base64url");

const FORGERIES: Readonly<Record<string, (claims: JWTPayload) => string>> = {
  "alg none": (claims) => `${unsigned(claims, { alg: "none" })}.`,
  "alg None, kid of the key": (claims) => `${unsigned(claims, { alg: "None", kid: "1" })}.`,
  "HS256 with the client's secret": (claims) => {
    const text = unsigned(claims, { alg: "HS256", kid: "1" });
    return `${text}.${withSecret(text, CLIENT.secret)}`;
  },
  "RS256 with no signature": (claims) => `${unsigned(claims, { alg: "RS256", kid: "1" })}.`,
  "RS256 with another signature": (claims) => `${unsigned(claims, { alg: "RS256", kid: "1" })}.${"A".repeat(342)}`,
};

test("whatever is not signed by a key of the provider signs nobody in", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  for (const metadata of [{}, { id_token_signing_alg_values_supported: ["RS256", "HS256", "none"] }]) {
    it.provider.metadata = metadata;
    for (const [what, forge] of Object.entries(FORGERIES))
      await t.test(
        `${what}${"id_token_signing_alg_values_supported" in metadata ? ", which the provider says it uses" : ""}`,
        async () => {
          it.provider.forge = async (claims) => forge(claims);
          await assertRefused(it, browser, await browser.signIn(), "sign-in-refused", /does not hold/);
        },
      );
  }
  it.provider.metadata = {};
  it.provider.forge = null;
  await assertSignsIn(browser);
});
