import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "../../support/configuration.ts";
import { company, declared } from "../../support/signing-in.ts";
import { ASKED, demanding, FRESH, ruledBy } from "../../support/stepping-up.ts";

test("a token can show nothing: whatever demands a fresh sign-in is denied to it, with a clear word", async (t) => {
  const it = await company(t);
  await it.provide(declared("http://127.0.0.1:1"));
  await ruledBy(it, demanding({ request: FRESH }));
  for (const who of ["alice", "robot"])
    await t.test(`${who} asks`, async () => {
      const no = await it.api.post(who, "/v1/requests", ASKED);
      assert.equal(no.body.code, "step-up-impossible", no.text);
      assert.equal(no.status, 403);
      assert.match(no.body.detail, /demands a sign-in no older than 15m .* a token can show none/);
      assert.equal(no.body.stepUp, undefined);
      assert.equal(no.headers["www-authenticate"], undefined);
    });
  assert.equal((await it.world.grants()).length, 0);

  await t.test("bob approves", async () => {
    await ruledBy(it, { ...needs("leads", ["owners"]), authentication: { review: FRESH } });
    const made = await it.api.post("alice", "/v1/requests", ASKED);
    const no = await it.api.post("bob", `/v1/requests/${made.body.id}/reviews`, { verdict: "approve" });
    assert.equal(no.body.code, "step-up-impossible", no.text);
    assert.equal((await it.world.request(made.body.id)).state, "pending");
    assert.equal((await it.api.post("bob", `/v1/requests/${made.body.id}/reviews`, { verdict: "deny" })).status, 200);
  });
});
