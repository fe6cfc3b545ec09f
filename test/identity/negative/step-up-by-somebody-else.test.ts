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

test("a session is shown by its own person alone: whoever else signs in at its address shows nothing", async (t) => {
  const it = await hostileCompany(t);
  await ruledBy(it, demanding({ request: FRESH }));
  const [mallory, alice] = [new Browser(it.api), new Browser(it.api)];
  await mallory.signIn();
  await timePasses(it, 60);
  const { stepUp } = refusedFor(await send(mallory, "/v1/requests", ASKED));
  const own = it.provider.claims;
  const auth_time = Math.floor(Date.now() / 1_000);
  it.provider.claims = { ...own, sub: "alice", auth_time };
  const back = await signInAgain(alice, stepUp.url);
  assert.equal(codeOf(back), "sign-in-refused", back.text);
  assert.match(back.text, /somebody else than whoever asked/);
  assert.equal(alice.session, undefined, "nobody is signed in by it");
  refusedFor(await send(mallory, "/v1/requests", ASKED));
  const seen = await alice.ask(`/v1/step-ups/${stepUp.id}`);
  assert.equal(seen.status, 401, "the address lets nobody into the API");
  it.provider.claims = { ...own, auth_time };
  assert.equal((await signInAgain(mallory, stepUp.url)).status, 303);
  assert.equal((await send(mallory, "/v1/requests", ASKED)).status, 201);
});
