import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser, codeOf, hostileCompany } from "../../support/signing-in.ts";
import {
  ASKED,
  demanding,
  FRESH,
  refusedFor,
  ruledBy,
  send,
  signInAgain,
  timePasses,
} from "../../support/stepping-up.ts";

const now = (): number => Math.floor(Date.now() / 1_000);
const IGNORED: Readonly<Record<string, { claims: () => object; why: RegExp }>> = {
  "says nothing of when": { claims: () => ({}), why: /does not say when \(auth_time\)/ },
  "says that it was an hour ago": { claims: () => ({ auth_time: now() - 3_600 }), why: /saw you sign in 1h\w* ago/ },
  "says that it will be": { claims: () => ({ auth_time: now() + 300 }), why: /does not say when/ },
  "says a word": { claims: () => ({ auth_time: "now" }), why: /does not (say when|hold)/ },
  "says another kind": { claims: () => ({ auth_time: now(), acr: "pwd" }), why: /you did pwd \(acr\)/ },
};

test("a provider that ignores what it was asked for has shown nothing", async (t) => {
  const it = await hostileCompany(t);
  await ruledBy(it, demanding({ request: { ...FRESH, acr: ["phr"] } }));
  const browser = new Browser(it.api);
  await browser.signIn();
  await timePasses(it, 60);
  const { stepUp } = refusedFor(await send(browser, "/v1/requests", ASKED));
  const person = it.provider.claims;
  for (const [what, { claims, why }] of Object.entries(IGNORED))
    await t.test(what, async () => {
      it.provider.claims = { ...person, acr: "phr", ...claims() };
      const back = await signInAgain(browser, stepUp.url);
      assert.equal(codeOf(back), "sign-in-refused", back.text);
      assert.match(back.text, why);
      refusedFor(await send(browser, "/v1/requests", ASKED));
    });
  it.provider.claims = { ...person, auth_time: now(), acr: "phr" };
  assert.equal((await signInAgain(browser, stepUp.url)).status, 303);
  assert.equal((await send(browser, "/v1/requests", ASKED)).status, 201);
});
