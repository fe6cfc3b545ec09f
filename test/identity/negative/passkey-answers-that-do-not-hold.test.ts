import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, PASSKEY, withPasskey } from "../../support/passkeys.ts";
import { Browser, codeOf, hostileCompany, TIDEGATE } from "../../support/signing-in.ts";
import { ASKED, demanding, refusedFor, ruledBy, send } from "../../support/stepping-up.ts";
import type { VirtualAuthenticator } from "../../support/virtual-authenticator.ts";

/** What is done to it, and to what it answers. */
const WRONG: Readonly<
  Record<string, readonly [(it: VirtualAuthenticator) => unknown, RegExp, ((answer: string) => string)?]>
> = {
  "shown at another origin": [
    (it) => Object.assign(it, { origin: "https://tidegate.example.test.evil.test" }),
    /another address/,
  ],
  "shown over http": [(it) => Object.assign(it, { origin: "http://tidegate.example.test" }), /another address/],
  "for another relying party": [(it) => Object.assign(it, { rpId: "example.test" }), /another address/],
  "without having checked who it is": [
    (it) => Object.assign(it, { userVerified: false }),
    /has not checked that it is you/,
  ],
  "with a counter that goes back": [(it) => Object.assign(it, { counter: 1 }), /counter has gone back/],
  "with another signature": [
    () => undefined,
    /does not hold/,
    (text) => {
      const whole = JSON.parse(text);
      const signature = Buffer.from(whole.response.signature, "base64url");
      signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1;
      return JSON.stringify({ ...whole, response: { ...whole.response, signature: signature.toString("base64url") } });
    },
  ],
  "of another kind": [
    () => undefined,
    /does not hold|not the answer/,
    (text) => text.replace("public-key", "password"),
  ],
  "that is none": [() => undefined, /not the answer of a passkey/, () => "{}"],
  "that is too long": [() => undefined, /not the answer of a passkey/, (text) => `${text}${" ".repeat(30_000)}`],
};

test("what a passkey answers must hold, in all of it", async (t) => {
  const it = await hostileCompany(t);
  await ruledBy(it, demanding({ request: PASSKEY }));
  const browser = new Browser(it.api);
  await browser.signIn();
  const authenticator = await withPasskey(it, browser);
  authenticator.counter = 10;
  const { stepUp } = refusedFor(await send(browser, "/v1/requests", ASKED));
  assert.equal((await answer(browser, stepUp.url, authenticator)).status, 303);
  assert.equal((await send(browser, "/v1/requests", ASKED)).status, 201);
  const other = { ...ASKED, duration: "90m" };
  for (const [what, [spoil, why, by]] of Object.entries(WRONG))
    await t.test(what, async () => {
      const { origin, rpId, userVerified, counter } = authenticator;
      spoil(authenticator);
      const again = refusedFor(await send(browser, "/v1/requests", other));
      const back = await answer(browser, again.stepUp.url, authenticator, by === undefined ? {} : { by });
      Object.assign(authenticator, { origin, rpId, userVerified, counter: counter + 10 });
      assert.equal(codeOf(back), "sign-in-refused", back.text);
      assert.match(back.text, why);
      refusedFor(await send(browser, "/v1/requests", other));
    });
  const last = refusedFor(await send(browser, "/v1/requests", other));
  assert.equal(authenticator.origin, TIDEGATE);
  assert.equal((await answer(browser, last.stepUp.url, authenticator)).status, 303, "as it should be it is taken");
});
