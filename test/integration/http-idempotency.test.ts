import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Answered, type Api, createApi } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;

const ASKED = { entitlement: "orders:read", duration: "1h", reason: "checking slow checkouts" };

before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world);
});
after(async () => {
  await api.close();
  await world.stop();
});

const submit = (as: string, key: string, body: object = ASKED): Promise<Answered> =>
  api.post(as, "/v1/requests", body, { headers: { "idempotency-key": key } });

const requestsOf = async (handle: string): Promise<number> => {
  const { id } = await world.principal(handle);
  const rows = await world.store.db.selectFrom("requests").select("id").where("requester_id", "=", id).execute();
  return rows.length;
};

describe("S21 a call that is repeated with the same key", () => {
  test("makes one request, and is answered with it", async () => {
    const before = await requestsOf("alice");
    const first = await submit("alice", "once");
    const second = await submit("alice", "once");
    assert.equal(first.status, 201);
    assert.equal(second.status, 201);
    assert.equal(second.body.id, first.body.id);
    assert.equal(await requestsOf("alice"), before + 1);
  });

  test("makes one request when twenty come at the same moment", async () => {
    const before = await requestsOf("alice");
    const answers = await Promise.all(Array.from({ length: 20 }, () => submit("alice", "all at once")));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201]);
    assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1);
    assert.equal(await requestsOf("alice"), before + 1);
  });

  test("is refused when it is another call", async () => {
    await submit("alice", "reused");
    const other = await submit("alice", "reused", { ...ASKED, duration: "2h" });
    assert.equal(other.status, 409);
    assert.equal(other.body.code, "idempotency-mismatch");
    const elsewhere = await api.post("alice", "/v1/grants/gr_0000000000000000/revoke", ASKED, {
      headers: { "idempotency-key": "reused" },
    });
    assert.equal(elsewhere.status, 400, "the body is looked at first");
    const { body: request } = await submit("alice", "another");
    const cancel = await api.post(
      "alice",
      `/v1/requests/${request.id}/cancel`,
      {},
      { headers: { "idempotency-key": "reused" } },
    );
    assert.equal(cancel.body.code, "idempotency-mismatch");
  });

  test("is answered with the same refusal, and leaves one entry in the log", async () => {
    const first = await submit("dave", "denied");
    const second = await submit("dave", "denied");
    assert.equal(first.status, 403);
    assert.deepEqual(second.body, first.body);
    assert.equal(await requestsOf("dave"), 1);
  });

  test("is somebody else's call when somebody else sends it", async () => {
    const first = await submit("alice", "shared");
    const second = await submit("erin", "shared");
    assert.notEqual(second.body.id, first.body.id);
  });

  test("reviews once: the second answer is not a conflict", async () => {
    const { body: request } = await submit("alice", "to be reviewed");
    const review = () =>
      api.post(
        "bob",
        `/v1/requests/${request.id}/reviews`,
        { verdict: "approve" },
        { headers: { "idempotency-key": "review" } },
      );
    assert.equal((await review()).status, 200);
    assert.equal((await review()).status, 200);
    assert.equal((await api.get("bob", `/v1/requests/${request.id}`)).body.reviews.length, 1);
  });
});
