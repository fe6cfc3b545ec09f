import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { GrantId } from "../../src/base/ids.ts";
import { type Api, createApi } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { close, expire, makeActive, proveGone, rotate, trouble } from "../support/drive.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

const HOUR = 3_600_000;
const SECRET = "s3cret/with:odd@characters?";

let world: World;
let api: Api;

before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world);
});
after(async () => {
  await api.close();
  await world.stop();
});

/** erin is on call: policy grants at once. */
const granted = async (more: object = {}): Promise<GrantId> => {
  const { body, text } = await api.post("erin", "/v1/requests", {
    entitlement: "orders:read",
    duration: "1h",
    ...more,
  });
  assert.ok(body.grantId, text);
  return body.grantId;
};
const active = async (secret: string | null = null): Promise<GrantId> => {
  const id = await granted();
  await makeActive(world, id, secret);
  return id;
};

describe("looking at a grant", () => {
  test("a grant shows whose it is, what it allows and until when", async () => {
    const id = await granted();
    const { status, body } = await api.get("erin", `/v1/grants/${id}`);
    assert.equal(status, 200);
    assert.equal(body.principal.handle, "erin");
    assert.equal(body.state, "scheduled");
    assert.equal(body.accessGone, false);
    assert.equal(body.duration, "1h");
    assert.equal(Date.parse(body.expiresAt) - Date.parse(body.startsAt), HOUR);
    assert.equal(body.receipt, null);
    assert.equal(body.trouble, null);
    assert.equal(body.ended, null);
    assert.equal(body.credential, null);
    assert.equal(body.canRevoke, true);
    assert.deepEqual(body.describe, ["is a member of the group readers, with all that the group may do"]);
  });

  test("the description is of what was approved, however the configuration is edited", async () => {
    const id = await granted();
    const edited = organisation(world.directoryName);
    const orders = edited.resources["orders"];
    const read = orders?.entitlements["read"];
    assert.ok(orders && read);
    const wider = { ...read, title: "Everything", describe: ["may do anything"], scopeHash: "1".repeat(64) };
    const entitlements = { ...orders.entitlements, read: wider };
    await world.configure({ ...edited, resources: { ...edited.resources, orders: { ...orders, entitlements } } });
    const { body } = await api.get("erin", `/v1/grants/${id}`);
    assert.equal(body.title, "read");
    assert.deepEqual(body.describe, ["is a member of the group readers, with all that the group may do"]);
    await world.configure(organisation(world.directoryName));
  });

  test("revoking shows whether it is still live, what keeps it, and then the receipt with its place in the log", async () => {
    const id = await active();
    const revoked = await api.post("erin", `/v1/grants/${id}/revoke`, { reason: "done" });
    assert.equal(revoked.status, 200);
    assert.equal(revoked.body.state, "revoking");
    assert.equal(revoked.body.accessGone, false);
    assert.deepEqual(revoked.body.ended, { cause: "withdrawn", by: revoked.body.principal, reason: "done" });
    assert.equal(revoked.body.canRevoke, false);

    await trouble(world, id, "the directory does not answer");
    const troubled = (await api.get("erin", `/v1/grants/${id}`)).body.trouble;
    assert.equal(troubled.attempts, 1);
    assert.deepEqual(troubled.lastError, { code: "unreachable", message: "the directory does not answer" });

    await proveGone(world, id);
    assert.equal((await api.get("erin", `/v1/grants/${id}`)).body.accessGone, true);

    await close(world, id);
    const { body } = await api.get("erin", `/v1/grants/${id}`);
    assert.equal(body.state, "revoked");
    assert.equal(body.receipt.evidence.kind, "gone");
    assert.equal(body.lateMs, null, "it did not expire");
    const entries = await world.entries();
    const entry = entries.find(({ seq }) => seq === body.receipt.auditSeq);
    assert.equal(entry?.leaf.kind, "grant.revoked");
    assert.equal(entry?.leaf.refs.grant, id);

    const again = await api.post("erin", `/v1/grants/${id}/revoke`, { reason: "once more" });
    assert.equal(again.status, 200, "repeated, it changes nothing");
    assert.equal(again.body.ended.reason, "done");
  });

  test("a grant that expired says how late the proof came", async () => {
    const id = await active();
    const past = new Date(Date.now() - 5_000).toISOString();
    const begun = new Date(Date.now() - 3_600_000).toISOString();
    await world.store.db
      .updateTable("grants")
      .set({ starts_at: begun, expires_at: past, due_at: past })
      .where("id", "=", id)
      .execute();
    await expire(world, id);
    await close(world, id);
    const { body } = await api.get("erin", `/v1/grants/${id}`);
    assert.equal(body.ended.cause, "expired");
    assert.equal(body.ended.by, null);
    assert.ok(body.lateMs >= 5_000 && body.lateMs < 60_000, String(body.lateMs));
  });

  test("a list is filtered by state, resource and person, and paged", async () => {
    const mine = await granted();
    const ids = async (as: string, query: string): Promise<string[]> =>
      (await api.get(as, `/v1/grants?limit=200&${query}`)).body.grants.map((grant: { id: string }) => grant.id);
    assert.ok((await ids("erin", "state=scheduled,active&resource=orders&person=me")).includes(mine));
    assert.ok((await ids("ada", "person=erin")).includes(mine));
    assert.deepEqual(await ids("ada", "person=nobody-here"), []);
    assert.deepEqual(await ids("erin", "resource=vault"), []);
    assert.ok(!(await ids("erin", "state=revoked")).includes(mine));
    const first = await api.get("erin", "/v1/grants?limit=1");
    const second = await api.get("erin", `/v1/grants?limit=1&cursor=${first.body.next}`);
    assert.notEqual(first.body.grants[0].id, second.body.grants[0].id);
  });
});

describe("waiting", () => {
  test("the answer is held until the state changes", async () => {
    const id = await active();
    const waiting = api.get("erin", `/v1/grants/${id}?wait=30`);
    await api.post("erin", `/v1/grants/${id}/revoke`);
    api.announce();
    assert.equal((await waiting).body.state, "revoking");
  });

  test("the answer is held until access is gone, too", async () => {
    const id = await active();
    await api.post("erin", `/v1/grants/${id}/revoke`);
    const waiting = api.get("erin", `/v1/grants/${id}?wait=30&while=revoking`);
    await proveGone(world, id);
    api.announce();
    assert.equal((await waiting).body.accessGone, true);
  });

  test("a state other than the one that the caller knows is answered at once", async () => {
    const id = await active();
    const { body } = await api.get("erin", `/v1/grants/${id}?wait=60&while=provisioning`);
    assert.equal(body.state, "active");
  });

  test("without a change the answer comes after the time", async () => {
    const id = await active();
    const begun = performance.now();
    const { body } = await api.get("erin", `/v1/grants/${id}?wait=1`);
    assert.equal(body.state, "active");
    assert.ok(performance.now() - begun >= 950);
  });

  test("a server that stops answers everybody who waits, and a client that leaves is forgotten", async () => {
    const id = await active();
    let waits = 0;
    const own = createApi(world, {
      changes: {
        // There is no change, and no time that passes: whoever is answered is so for another reason.
        next() {
          waits += 1;
          return new Promise(() => undefined);
        },
      },
    });
    const address = await own.app.listen({ host: "127.0.0.1", port: 0 });
    const headers = { authorization: "Bearer tgt_test-token-of-erin" };
    const leaving = new AbortController();
    const left = fetch(`${address}/v1/grants/${id}?wait=60`, { headers, signal: leaving.signal });
    await until(() => waits === 1, { what: "the first to wait" });
    leaving.abort();
    await assert.rejects(left);
    const staying = fetch(`${address}/v1/grants/${id}?wait=60`, { headers });
    await until(() => waits === 2, { what: "the second to wait" });
    await own.close();
    const response = await staying;
    assert.equal(response.status, 200);
    assert.equal(waits, 2, "who has left is not looked after any longer");
  });
});

describe("activating", () => {
  test("an on-use grant starts with the call", async () => {
    const id = await granted({ activation: "on-use" });
    const before = (await api.get("erin", `/v1/grants/${id}`)).body;
    assert.notEqual(before.activateBy, null);
    const { status, body } = await api.call("erin", "POST", `/v1/grants/${id}/activate`);
    assert.equal(status, 200);
    assert.equal(body.activateBy, null);
    assert.equal(Date.parse(body.expiresAt) - Date.parse(body.startsAt), HOUR);
    const again = await api.post("erin", `/v1/grants/${id}/activate`);
    assert.equal(again.body.code, "grant-not-scheduled");
  });

  test("only its person activates a grant", async () => {
    const id = await granted({ activation: "on-use" });
    for (const other of ["bob", "ada", "stranger"])
      assert.equal((await api.post(other, `/v1/grants/${id}/activate`)).status, 404, other);
  });
});

describe("extending", () => {
  test("S08 more time is added at once where policy grants it", async () => {
    const id = await active();
    const before = (await api.get("erin", `/v1/grants/${id}`)).body;
    const { status, body } = await api.post("erin", `/v1/grants/${id}/extend`, { duration: "30m", reason: "not done" });
    assert.equal(status, 200);
    assert.equal(Date.parse(body.expiresAt) - Date.parse(before.expiresAt), 1_800_000);
    assert.equal(body.extensions, 1);
    assert.equal(body.state, "active");
  });

  test("where policy wants approval the grant stays as it is until then", async () => {
    const id = await active();
    // In all it would be longer than what the on-call rule grants; the next rule asks for a lead.
    const answer = await api.post("erin", `/v1/grants/${id}/extend`, { duration: "2h", reason: "a long night" });
    assert.equal(answer.status, 202, answer.text);
    const { requestId } = answer.body;
    assert.equal(answer.headers["location"], `/v1/requests/${requestId}`);
    assert.equal((await api.get("erin", `/v1/grants/${id}`)).body.duration, "1h");
    const seen = await api.get("bob", `/v1/requests/${requestId}`);
    assert.equal(seen.body.extendsGrantId, id);
    assert.equal((await api.get("bob", `/v1/grants/${id}`)).status, 200, "who reviews the extension sees the grant");
    await api.post("bob", `/v1/requests/${requestId}/reviews`, { verdict: "approve" });
    assert.equal((await api.get("erin", `/v1/grants/${id}`)).body.duration, "3h");
  });

  test("what has ended is not extended", async () => {
    const id = await active();
    await api.post("erin", `/v1/grants/${id}/revoke`);
    const { status, body } = await api.post("erin", `/v1/grants/${id}/extend`, { duration: "30m" });
    assert.equal(status, 409);
    assert.equal(body.code, "grant-ended");
  });

  test("beyond the longest that the entitlement allows is denied", async () => {
    const id = await active();
    const { status, body } = await api.post("erin", `/v1/grants/${id}/extend`, { duration: "2d" });
    assert.equal(status, 403, body.code);
    assert.equal(body.code, "policy-denied");
  });
});

describe("revoking", () => {
  test("an approver, an operator and an admin may end a grant; a stranger may not", async () => {
    const requested = await world.ask("alice", "orders:peek");
    assert.ok("requestId" in requested);
    await world.review("bob", requested.requestId);
    const { grantId } = await world.request(requested.requestId);
    assert.equal((await api.post("stranger", `/v1/grants/${grantId}/revoke`)).status, 404);
    assert.equal((await api.get("frank", `/v1/grants/${grantId}`)).body.canRevoke, true);
    const ended = await api.post("frank", `/v1/grants/${grantId}/revoke`, { reason: "enough" });
    assert.equal(ended.body.state, "cancelled", "nothing was made yet");
    assert.equal(ended.body.accessGone, true);
    assert.equal(ended.body.ended.by.handle, "frank");
    for (const handle of ["otto", "ada"]) {
      const id = await active();
      assert.equal((await api.post(handle, `/v1/grants/${id}/revoke`)).body.ended.by.handle, handle);
    }
  });
});

describe("the credential", () => {
  test("S24 it is delivered once, to its person, and stands in no log and in no problem", async () => {
    const id = await active(SECRET);
    for (const other of ["ada", "bob", "audrey", "stranger"])
      assert.equal((await api.post(other, `/v1/grants/${id}/credential`)).status, 404, other);
    const { status, body, headers } = await api.post("erin", `/v1/grants/${id}/credential`, { rotate: false });
    assert.equal(status, 200);
    assert.equal(body.kind, "password");
    assert.equal(body.password, SECRET);
    assert.equal(decodeURIComponent(new URL(body.uri).password), SECRET);
    assert.equal(new URL(body.uri).searchParams.get("sslmode"), "verify-full");
    assert.equal(headers["cache-control"], "no-store");
    const second = await api.post("erin", `/v1/grants/${id}/credential`);
    assert.equal(second.status, 409);
    assert.equal(second.body.code, "credential-delivered");
    assert.ok(!second.text.includes(SECRET));
    assert.ok(!api.logged().includes(SECRET));
  });

  test("S24 an Idempotency-Key does not keep the answer", async () => {
    const id = await active(SECRET);
    const key = { headers: { "idempotency-key": "the-same" } };
    assert.equal((await api.post("erin", `/v1/grants/${id}/credential`, {}, key)).status, 200);
    assert.equal((await api.post("erin", `/v1/grants/${id}/credential`, {}, key)).status, 409);
    const kept = await world.store.db.selectFrom("idempotency_keys").selectAll().execute();
    assert.ok(!JSON.stringify(kept).includes(SECRET));
  });

  test("rotate asks for a new one: 202, and the next call without it delivers", async () => {
    const id = await active(SECRET);
    await api.post("erin", `/v1/grants/${id}/credential`);
    const asked = await api.post("erin", `/v1/grants/${id}/credential`, { rotate: true });
    assert.equal(asked.status, 202);
    assert.equal(asked.body.state, "rotating");
    assert.ok(asked.body.retryAfterMs > 0);
    assert.equal(asked.headers["retry-after"], "1");
    assert.equal((await api.get("erin", `/v1/grants/${id}`)).body.credential, "rotating");
    assert.equal((await api.post("erin", `/v1/grants/${id}/credential`)).body.code, "grant-not-active");
    await rotate(world, id, "another");
    assert.equal((await api.post("erin", `/v1/grants/${id}/credential`)).body.password, "another");
  });

  test("it activates an on-use grant; before active there is none", async () => {
    const onUse = await granted({ activation: "on-use" });
    const activated = await api.call("erin", "POST", `/v1/grants/${onUse}/credential`);
    assert.equal(activated.status, 202);
    assert.equal(activated.body.state, "activated");
    const early = await api.post("erin", `/v1/grants/${await granted()}/credential`);
    assert.equal(early.status, 409);
    assert.equal(early.body.code, "grant-not-active");
  });

  test("a right on one's own account has no secret", async () => {
    const id = await active(null);
    const { body } = await api.post("erin", `/v1/grants/${id}/credential`);
    assert.equal(body.kind, "membership");
    assert.equal(body.account, "somebody");
  });
});
