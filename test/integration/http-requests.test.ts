import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { activateConfiguration } from "../../src/operations/activate-config.ts";
import { type Api, createApi } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;

const ASKED = { entitlement: "orders:read", duration: "1h", reason: "checking slow checkouts", ticket: "OPS-7" };

before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world);
});
after(async () => {
  await api.close();
  await world.stop();
});

const submit = async (as: string, more: object = {}): Promise<string> => {
  const { status, body, text } = await api.post(as, "/v1/requests", { ...ASKED, ...more });
  assert.equal(status, 201, text);
  return body.id;
};

describe("waiting", () => {
  test("a look that waits is answered when somebody decides, and at once where the state is another than the one known", async () => {
    const id = await submit("alice");
    const held = api.get("alice", `/v1/requests/${id}?wait=60&while=pending`);
    const elsewhere = await api.get("alice", `/v1/requests/${id}?wait=60&while=denied`);
    assert.equal(elsewhere.body.state, "pending");
    const review = await api.post("ada", `/v1/requests/${id}/reviews`, { verdict: "deny", comment: "not now" });
    assert.equal(review.status, 200, review.text);
    const { status, body } = await held;
    assert.equal(status, 200);
    assert.equal(body.state, "denied");
    assert.equal(body.reviews.length, 1);
  });

  test("only whole seconds up to a minute can be waited for, and only what one may see", async () => {
    const id = await submit("alice");
    for (const wait of ["61", "-1", "x"])
      assert.equal((await api.get("alice", `/v1/requests/${id}?wait=${wait}`)).body.code, "invalid-input", wait);
    assert.equal((await api.get("dave", `/v1/requests/${id}?wait=60`)).status, 404);
  });
});

describe("asking", () => {
  test("a request that waits shows who asked for what, and who can approve it", async () => {
    const { status, body, headers } = await api.post("alice", "/v1/requests", ASKED);
    assert.equal(status, 201);
    assert.equal(headers["location"], `/v1/requests/${body.id}`);
    assert.equal(body.state, "pending");
    assert.equal(body.requester.handle, "alice");
    assert.equal(body.requester.name, "Alice");
    assert.equal(body.entitlement, "orders:read");
    assert.equal(body.duration, "1h");
    assert.equal(body.reason, ASKED.reason);
    assert.deepEqual(body.describe, ["is a member of the group readers, with all that the group may do"]);
    assert.equal(body.decision.outcome, "needs-approval");
    assert.equal(body.decision.rule, "payments");
    assert.deepEqual(body.decision.steps, [
      {
        by: ["owners"],
        count: 1,
        have: 0,
        needs: "1 of owners (group:payments-leads)",
        canApprove: ["ada", "bob", "frank"],
      },
    ]);
    assert.ok(body.decision.trace.length > 0);
    assert.equal(body.grantId, null);
    assert.equal(body.canReview, false, "nobody reviews their own");
    assert.equal(body.canCancel, true);
    assert.deepEqual(body.reviews, []);
  });

  for (const [person, what] of [
    ["alice", "waits"],
    ["erin", "is granted at once"],
  ] as const)
    test(`what asking answers is what reading it answers: of a request that ${what}`, async () => {
      const { body, headers } = await api.post(person, "/v1/requests", ASKED);
      const read = await api.get(person, `/v1/requests/${body.id}`);
      const { timeline: _, ...view } = read.body;
      assert.deepEqual(body, view);
      assert.equal(headers["etag"], read.headers["etag"]);
    });

  test("what policy grants at once comes back approved, with its grant", async () => {
    const { status, body } = await api.post("erin", "/v1/requests", ASKED);
    assert.equal(status, 201);
    assert.equal(body.state, "approved");
    assert.equal(body.decision.outcome, "automatic");
    assert.match(body.grantId, /^gr_/);
  });

  test("what policy denies is 403 with the trace, and is kept as a denied request", async () => {
    const { status, body } = await api.post("dave", "/v1/requests", ASKED);
    assert.equal(status, 403);
    assert.equal(body.code, "policy-denied");
    assert.equal(body.rule, "no-contractors");
    assert.equal(body.trace[0].result, "denies");
    const kept = await api.get("dave", `/v1/requests/${body.requestId}`);
    assert.equal(kept.body.state, "denied");
  });

  test("S12 a policy that names nobody living says so at once", async () => {
    const { status, body } = await api.post("alice", "/v1/requests", { ...ASKED, entitlement: "orders:orphan" });
    assert.equal(status, 403);
    assert.equal(body.code, "no-approvers");
    assert.match(body.detail, /group:nobody/);
  });

  test("an empty reason is allowed where the rule asks for none, and texts are trimmed", async () => {
    const { status, body } = await api.post("erin", "/v1/requests", { ...ASKED, reason: "   ", ticket: null });
    assert.equal(status, 201);
    assert.equal(body.reason, "");
    assert.equal(body.ticket, "");
  });

  test("an emergency for which there is no rule is denied", async () => {
    const { status, body } = await api.post("alice", "/v1/requests", { ...ASKED, emergency: true });
    assert.equal(status, 403);
    assert.equal(body.code, "policy-denied");
  });
});

describe("reviewing", () => {
  test("an approver approves less: the shorter time becomes the grant's", async () => {
    const id = await submit("alice");
    const review = { verdict: "approve", comment: "half is enough", duration: "30m", entitlement: null };
    const { status, body } = await api.post("bob", `/v1/requests/${id}/reviews`, review);
    assert.equal(status, 200);
    assert.equal(body.state, "approved");
    assert.equal(body.decision.steps[0].have, 1);
    assert.equal(body.reviews.length, 1);
    const [given] = body.reviews;
    assert.equal(given.reviewer.handle, "bob");
    assert.equal(given.comment, "half is enough");
    assert.equal(given.duration, "30m");
    assert.equal(given.counts, true);
    const grant = await api.get("alice", `/v1/grants/${body.grantId}`);
    assert.equal(grant.body.duration, "30m");
  });

  test("less than was asked for is told on the request and on the grant, and that it is not where it is as asked", async () => {
    const id = await submit("alice");
    assert.equal((await api.get("alice", `/v1/requests/${id}`)).body.less, null, "nothing is given yet");
    await api.post("bob", `/v1/requests/${id}/reviews`, {
      verdict: "approve",
      duration: "30m",
      entitlement: "orders:peek",
    });
    const less = {
      asked: { entitlement: "orders:read", duration: "1h" },
      given: { entitlement: "orders:peek", duration: "30m" },
    };
    const { body } = await api.get("alice", `/v1/requests/${id}`);
    assert.deepEqual(body.less, less);
    assert.deepEqual((await api.get("alice", `/v1/grants/${body.grantId}`)).body.less, less);
    const whole = await submit("alice");
    const { grantId } = (await api.post("bob", `/v1/requests/${whole}/reviews`, { verdict: "approve", duration: "1h" }))
      .body;
    for (const path of [`requests/${whole}`, `grants/${grantId}`])
      assert.equal((await api.get("alice", `/v1/${path}`)).body.less, null, path);
  });

  test("an approver offers a narrower entitlement, and sees which there are", async () => {
    const id = await submit("alice");
    const seen = await api.get("bob", `/v1/requests/${id}`);
    assert.equal(seen.body.canReview, true);
    assert.deepEqual(
      seen.body.canOffer.map((offer: { entitlement: string }) => offer.entitlement),
      ["orders:peek"],
    );
    const { body } = await api.post("bob", `/v1/requests/${id}/reviews`, {
      verdict: "approve",
      entitlement: "orders:peek",
    });
    assert.equal(body.state, "approved");
    assert.equal(body.offered.entitlement, "orders:peek");
    const grant = await api.get("alice", `/v1/grants/${body.grantId}`);
    assert.equal(grant.body.entitlement, "orders:peek");
    assert.deepEqual(grant.body.describe, ["is a member of the group peekers, with all that the group may do"]);
  });

  test("a wider entitlement cannot be offered instead", async () => {
    const id = await submit("alice", { entitlement: "orders:peek" });
    const { status, body } = await api.post("bob", `/v1/requests/${id}/reviews`, {
      verdict: "approve",
      entitlement: "orders:read",
    });
    assert.equal(status, 400);
    assert.equal(body.code, "invalid-input");
  });

  test("one denial ends the request", async () => {
    const id = await submit("alice");
    const { body } = await api.post("frank", `/v1/requests/${id}/reviews`, { verdict: "deny", comment: "not today" });
    assert.equal(body.state, "denied");
    assert.equal(body.endedBecause, "denied by frank");
    const late = await api.post("bob", `/v1/requests/${id}/reviews`, { verdict: "approve" });
    assert.equal(late.status, 409);
    assert.equal(late.body.code, "request-decided");
  });

  test("who is no approver is told so", async () => {
    const id = await submit("alice");
    for (const handle of ["stranger", "erin", "otto", "audrey", "robot"]) {
      const { status, body } = await api.post(handle, `/v1/requests/${id}/reviews`, { verdict: "approve" });
      assert.equal(status, 403, handle);
      assert.equal(body.code, "not-an-approver", handle);
    }
  });

  test("S09 fifty approvals at the same moment make one grant; the others get 409", async () => {
    const id = await submit("alice");
    const approvers = ["bob", "frank", "ada"];
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        api.post(approvers[i % 3] ?? "bob", `/v1/requests/${id}/reviews`, { verdict: "approve", comment: `no ${i}` }),
      ),
    );
    const good = answers.filter(({ status }) => status === 200);
    assert.equal(good.length, 1);
    const rest = answers.filter(({ status }) => status !== 200);
    assert.ok(rest.every(({ status, body }) => status === 409 && body.code === "request-decided"));
    const made = (await world.grants()).filter(({ requestId }) => requestId === id);
    assert.deepEqual(
      made.map((grant) => grant.id),
      [good[0]?.body.grantId],
    );
  });

  test("S10 nobody approves their own request, as an admin neither, and under another handle neither", async () => {
    const own = await submit("ada", { entitlement: "orders:peek" });
    const { status, body } = await api.post("ada", `/v1/requests/${own}/reviews`, { verdict: "approve" });
    assert.equal(status, 403);
    assert.equal(body.code, "self-review");
    // The same person under another handle is the same id.
    await world.store.db.updateTable("principals").set({ handle: "ADA" }).where("handle", "=", "ada").execute();
    const renamed = await api.post("ada", `/v1/requests/${own}/reviews`, { verdict: "approve" });
    assert.equal(renamed.body.code, "self-review");
    await world.store.db.updateTable("principals").set({ handle: "ada" }).where("handle", "=", "ADA").execute();
    assert.equal((await api.get("ada", `/v1/requests/${own}`)).body.state, "pending");
  });

  test("S11 one person in both groups fills one place only; a second person is still needed", async () => {
    const id = await submit("alice", { entitlement: "vault:open" });
    const first = await api.post("sam", `/v1/requests/${id}/reviews`, { verdict: "approve" });
    assert.equal(first.body.state, "pending");
    const have = first.body.decision.steps.map((step: { have: number }) => step.have);
    assert.equal(have[0] + have[1], 1);
    const again = await api.post("sam", `/v1/requests/${id}/reviews`, { verdict: "approve" });
    assert.equal(again.status, 409);
    assert.equal(again.body.code, "already-reviewed");
    const second = await api.post("carol", `/v1/requests/${id}/reviews`, { verdict: "approve" });
    assert.equal(second.body.state, "approved");
  });

  test("S13 a pending request past its time is gone", async () => {
    const id = await submit("alice");
    await world.store.db
      .updateTable("requests")
      .set({ expires_at: new Date(Date.now() - 1_000).toISOString() })
      .where("id", "=", id)
      .execute();
    assert.equal((await api.get("bob", `/v1/requests/${id}`)).body.canReview, false);
    const { status, body } = await api.post("bob", `/v1/requests/${id}/reviews`, { verdict: "approve" });
    assert.equal(status, 410);
    assert.equal(body.code, "request-expired");
  });

  test("a review of what was asked under another scope counts no more, and says so", async () => {
    const id = await submit("alice", { entitlement: "vault:open" });
    await api.post("carol", `/v1/requests/${id}/reviews`, { verdict: "approve" });
    const edited = organisation(world.directoryName);
    const open = edited.resources["vault"]?.entitlements["open"];
    assert.ok(open);
    const wider = { ...open, scope: { group: "everybody" }, scopeHash: "0".repeat(64) };
    const vault = { ...edited.resources["vault"], entitlements: { open: wider } };
    await activateConfiguration(
      world.context,
      { ...edited, resources: { ...edited.resources, vault } } as never,
      "test",
    );
    const { body } = await api.get("carol", `/v1/requests/${id}`);
    assert.equal(body.reviews[0].counts, false);
    assert.deepEqual(
      body.decision.steps.map((step: { have: number }) => step.have),
      [0, 0],
    );
    assert.equal(body.canReview, true);
    await world.configure(organisation(world.directoryName));
  });
});

describe("taking back", () => {
  test("the requester cancels, once", async () => {
    const id = await submit("alice");
    const { status, body } = await api.post("alice", `/v1/requests/${id}/cancel`);
    assert.equal(status, 200);
    assert.equal(body.state, "cancelled");
    assert.equal((await api.post("alice", `/v1/requests/${id}/cancel`)).body.code, "request-decided");
  });

  test("an operator cancels; an approver does not", async () => {
    const id = await submit("alice");
    assert.equal((await api.post("bob", `/v1/requests/${id}/cancel`)).status, 404);
    assert.equal((await api.post("otto", `/v1/requests/${id}/cancel`)).body.state, "cancelled");
  });
});

describe("listing", () => {
  test("pages follow each other without gap or repetition, newest first", async () => {
    const made = [];
    for (let i = 0; i < 5; i += 1) made.push(await submit("alice", { reason: `page ${i}` }));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await api.get("alice", `/v1/requests?limit=2${cursor === null ? "" : `&cursor=${cursor}`}`);
      seen.push(...page.body.requests.map((request: { id: string }) => request.id));
      cursor = page.body.next;
    } while (cursor !== null);
    assert.equal(new Set(seen).size, seen.length);
    assert.deepEqual(seen.slice(0, 5), made.reverse());
  });

  test("role tells one's own from what waits for one", async () => {
    const mine = await submit("bob", { entitlement: "orders:peek" });
    const theirs = await submit("alice");
    const ids = async (query: string): Promise<string[]> =>
      (await api.get("bob", `/v1/requests?limit=200&${query}`)).body.requests.map(
        (request: { id: string }) => request.id,
      );
    const own = await ids("role=requester");
    assert.ok(own.includes(mine) && !own.includes(theirs));
    const toReview = await ids("role=approver&state=pending");
    assert.ok(toReview.includes(theirs) && !toReview.includes(mine));
    const all = await ids("state=pending,denied");
    assert.ok(all.includes(mine) && all.includes(theirs));
  });
});
