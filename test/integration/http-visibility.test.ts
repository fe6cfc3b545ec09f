import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Api, createApi } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;
let request: string;
let grant: string;

before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world);
  // alice asked, bob approved; frank could have.
  const asked = await api.post("alice", "/v1/requests", {
    entitlement: "orders:read",
    duration: "1h",
    reason: "a look",
  });
  request = asked.body.id;
  const approved = await api.post("bob", `/v1/requests/${request}/reviews`, { verdict: "approve" });
  grant = approved.body.grantId;
});
after(async () => {
  await api.close();
  await world.stop();
});

/** Who sees alice's request and grant; who reads the log about them; who reads the whole log; who explains for others. */
const MATRIX = [
  { who: "alice", is: "the requester", sees: true, log: true, wholeLog: false, explains: false },
  { who: "bob", is: "an approver who reviewed", sees: true, log: true, wholeLog: false, explains: false },
  { who: "frank", is: "an approver who did not", sees: true, log: true, wholeLog: false, explains: false },
  { who: "erin", is: "a colleague", sees: false, log: false, wholeLog: false, explains: false },
  { who: "carol", is: "an approver of other things", sees: false, log: false, wholeLog: false, explains: false },
  { who: "stranger", is: "a stranger", sees: false, log: false, wholeLog: false, explains: false },
  { who: "robot", is: "a machine in the approvers' group", sees: false, log: false, wholeLog: false, explains: false },
  { who: "audrey", is: "an auditor", sees: true, log: true, wholeLog: true, explains: true },
  { who: "ada", is: "an admin", sees: true, log: true, wholeLog: true, explains: true },
  { who: "otto", is: "an operator", sees: true, log: true, wholeLog: false, explains: true },
] as const;

describe("who sees what", () => {
  for (const { who, is, sees, log, wholeLog, explains } of MATRIX) {
    test(`${is} ${sees ? "sees" : "does not see"} the request and the grant`, async () => {
      const wanted = sees ? 200 : 404;
      for (const url of [`/v1/requests/${request}`, `/v1/grants/${grant}`]) {
        const { status, body } = await api.get(who, url);
        assert.equal(status, wanted, url);
        if (!sees) assert.equal(body.code, "not-found");
      }
      const requests = (await api.get(who, "/v1/requests")).body.requests;
      assert.equal(
        requests.some(({ id }: { id: string }) => id === request),
        sees,
      );
      const grants = (await api.get(who, "/v1/grants?person=alice")).body.grants;
      assert.equal(
        grants.some(({ id }: { id: string }) => id === grant),
        sees,
      );
    });

    test(`${is} ${wholeLog ? "reads the whole log" : log ? "reads the log about them only" : "reads no log about them"}`, async () => {
      for (const query of [`grant=${grant}`, `request=${request}`])
        assert.equal((await api.get(who, `/v1/audit?${query}`)).status, log ? 200 : 404, query);
      const all = await api.get(who, "/v1/audit");
      assert.equal(all.status, wholeLog ? 200 : 403);
      if (!wholeLog) assert.equal(all.body.code, "forbidden");
    });

    test(`${is} ${explains ? "may" : "may not"} ask what policy would say to somebody else`, async () => {
      const { status } = await api.post(who, "/v1/explain", { entitlement: "orders:read", user: "dave" });
      assert.equal(status, explains ? 200 : 403);
    });
  }

  test("who is no longer an approver still sees what they reviewed", async () => {
    const edited = organisation(world.directoryName);
    const principals = edited.principals.map((person) =>
      ["bob", "frank"].includes(person.handle) ? { ...person, groups: [] } : person,
    );
    await world.configure({ ...edited, principals });
    assert.equal((await api.get("bob", `/v1/requests/${request}`)).status, 200);
    assert.equal((await api.get("bob", `/v1/grants/${grant}`)).body.canRevoke, false);
    assert.equal((await api.get("frank", `/v1/requests/${request}`)).status, 404);
    await world.configure(organisation(world.directoryName));
  });

  test("one's own grant is no way to the log of somebody else's request", async () => {
    const { status } = await api.get("erin", "/v1/audit?grant=gr_0000000000000000");
    assert.equal(status, 404);
    const asked = await api.post("erin", "/v1/requests", { entitlement: "orders:read", duration: "1h" });
    const own = asked.body.grantId;
    assert.equal((await api.get("erin", `/v1/audit?grant=${own}`)).status, 200);
    assert.equal((await api.get("erin", `/v1/audit?grant=${own}&request=${request}`)).status, 404);
  });

  test("what does not exist looks like what may not be seen", async () => {
    for (const [real, none] of [
      [`/v1/requests/${request}`, "/v1/requests/rq_0000000000000000"],
      [`/v1/grants/${grant}`, "/v1/grants/gr_0000000000000000"],
      [`/v1/grants/${grant}`, "/v1/grants/no-id"],
    ] as const)
      assert.deepEqual((await api.get("stranger", real)).body, (await api.get("stranger", none)).body);
  });
});

describe("reading the log", () => {
  test("entries come in their order, page by page, with who did it", async () => {
    const first = await api.get("audrey", "/v1/audit?limit=3");
    assert.deepEqual(
      first.body.entries.map((entry: { seq: number }) => entry.seq),
      [1, 2, 3],
    );
    assert.equal(first.body.next, 3);
    const second = await api.get("audrey", `/v1/audit?limit=3&after=${first.body.next}`);
    assert.equal(second.body.entries[0].seq, 4);
    const about = await api.get("alice", `/v1/audit?request=${request}`);
    assert.deepEqual(
      about.body.entries.map((entry: { kind: string; who: string }) => [entry.kind, entry.who]),
      [
        ["request.submitted", "alice"],
        ["review.recorded", "bob"],
        ["request.approved", "bob"],
        ["grant.created", "bob"],
      ],
    );
    assert.equal(about.body.entries[0].personal.reason, "a look");
    assert.equal(about.body.next, null);
  });
});
