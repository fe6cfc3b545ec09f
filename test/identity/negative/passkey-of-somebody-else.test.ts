import assert from "node:assert/strict";
import { test } from "node:test";
import { addOne, answer, PASSKEY, withPasskey } from "../../support/passkeys.ts";
import { Browser, codeOf, hostileCompany } from "../../support/signing-in.ts";
import { ASKED, demanding, refusedFor, ruledBy, send, timePasses } from "../../support/stepping-up.ts";

test("a passkey answers for its own person alone, and is nobody's to add twice", async (t) => {
  const it = await hostileCompany(t);
  await ruledBy(it, demanding({ request: PASSKEY }));
  const [mallory, alice] = [new Browser(it.api), new Browser(it.api)];
  await mallory.signIn();
  it.provider.claims = { ...it.provider.claims, sub: "alice", preferred_username: "alicia" };
  await alice.signIn();
  const [hers, his] = [await withPasskey(it, alice), await withPasskey(it, mallory)];
  const { stepUp } = refusedFor(await send(mallory, "/v1/requests", ASKED));
  const back = await answer(alice, stepUp.url, hers);
  assert.equal(codeOf(back), "sign-in-refused", back.text);
  assert.match(back.text, /not one of whoever asked/);
  refusedFor(await send(mallory, "/v1/requests", ASKED));

  await t.test("nor when it says that it is the other's", async () => {
    const id = his.id.toString("base64url");
    const by = (text: string): string => JSON.stringify({ ...JSON.parse(text), id, rawId: id });
    const spoofed = await answer(alice, stepUp.url, hers, { by });
    assert.equal(codeOf(spoofed), "sign-in-refused", spoofed.text);
  });

  await t.test("hers cannot be added by somebody else", async () => {
    await timePasses(it, 0);
    const { done } = await addOne(mallory, "mine", hers);
    assert.equal(codeOf(done), "already-exists", done.text);
  });

  assert.equal((await answer(mallory, stepUp.url, his)).status, 303);
  assert.equal((await send(mallory, "/v1/requests", ASKED)).status, 201);
});
