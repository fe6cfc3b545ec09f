/** What policy would say, over the API: counted as a request would be, and nothing is asked for. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Api, createApi } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { automatically, configuration, directoryResource, needs } from "../support/configuration.ts";
import { createWorld, type World } from "../support/world.ts";

const WEEK_MS = 7 * 86_400_000;

let world: World;
let api: Api;
before(async () => {
  world = await createWorld();
  const { principals, defaults } = organisation(world.directoryName);
  await world.configure(
    configuration({
      resources: [
        directoryResource(
          "orders",
          world.directoryName,
          { read: { group: "readers" }, fix: { group: "fixers" } },
          { owners: ["user:frank"] },
        ),
        directoryResource("vault", world.directoryName, { open: { group: "openers" } }),
      ],
      principals,
      policies: [
        automatically("twice-a-week", {
          when: 'entitlement.name == "read"',
          limit: { per: "user", count: 2, withinMs: WEEK_MS },
        }),
        automatically("newcomers", { when: 'entitlement.name == "fix" && history.recent_here == 0' }),
        automatically("office", {
          when: '"it" in user.groups',
          hours: [{ zone: "UTC", days: ["mon"], fromMinute: 480, toMinute: 481 }],
        }),
        automatically("fire", {
          when: '"payments" in user.groups && entitlement.name == "fix"',
          emergency: { reviewBy: ["owners"], withinMs: WEEK_MS },
          maxDurationMs: 1_800_000,
        }),
        automatically("on-call", { when: 'entitlement.name == "fix" && oncall.tier == 1 && "dba" in user.groups' }),
        {
          ...needs("leads", ["group:payments-leads"]),
          when: '"payments" in user.groups',
          approve: [
            { by: ["group:payments-leads"], count: 1, escalate: { afterMs: 1_800_000, to: ["group:security"] } },
          ],
        },
      ],
      defaults,
    }),
  );
  api = createApi(world);
});
after(async () => {
  await api.close();
  await world.stop();
});

const explained = async (entitlement: string, more: object = {}) => {
  const { status, body, text } = await api.post("alice", "/v1/explain", { entitlement, ...more });
  assert.equal(status, 200, text);
  return body;
};
const forMe = async (entitlement: string) => {
  const { body } = await api.get("alice", "/v1/resources");
  return body.resources[0].entitlements.find(({ ref }: { ref: string }) => ref === entitlement).forMe;
};
const ask = (entitlement: string) =>
  api.post("alice", "/v1/requests", { entitlement, duration: "15m", reason: "checking slow checkouts" });

const waysOf = (found: { ways: Record<string, unknown>[] } | undefined): unknown[] =>
  found?.ways.map(({ rule, outcome, onlyWhen }) => [rule, outcome, onlyWhen]) ?? [];

describe("who could get what", () => {
  const everybody = async (path: string, as = "audrey") => {
    const found: { person: { handle: string }; ways: Record<string, unknown>[] }[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const { status, body, text } = await api.get(as, `${path}?limit=3${cursor === "" ? "" : `&cursor=${cursor}`}`);
      assert.equal(status, 200, text);
      assert.ok(body.people.length <= 3);
      found.push(...body.people);
      cursor = body.next;
    }
    return found;
  };

  test("everybody stands there once, by handle, with each rule that leads there", async () => {
    const found = await everybody("/v1/entitlements/orders:fix/people");
    const handles = found.map(({ person }) => person.handle);
    assert.deepEqual(handles, [...new Set(handles)].sort());
    assert.deepEqual(waysOf(found.find(({ person }) => person.handle === "alice")), [
      ["newcomers", "automatic", []],
      ["fire", "automatic", ["in an emergency"]],
    ]);
  });

  test("a rule for those on call shows as that, and what one has used up shows no more", async () => {
    const asked = { entitlement: "orders:fix", duration: "15m", reason: "checking slow checkouts" };
    for (const who of ["dana", "alice"]) await api.post(who, "/v1/requests", asked);
    const found = await everybody("/v1/entitlements/orders:fix/people");
    assert.deepEqual(waysOf(found.find(({ person }) => person.handle === "dana")), [
      ["on-call", "automatic", ["on call"]],
    ]);
    assert.deepEqual(waysOf(found.find(({ person }) => person.handle === "alice")), [
      ["leads", "needs-approval", []],
      ["fire", "automatic", ["in an emergency"]],
    ]);
  });

  test("it is for admins, auditors, operators and the owners of the resource", async () => {
    for (const [who, status] of [
      ["ada", 200],
      ["audrey", 200],
      ["otto", 200],
      ["frank", 200],
      ["bob", 403],
      ["alice", 403],
    ] as const)
      assert.equal((await api.get(who, "/v1/entitlements/orders:fix/people")).status, status, who);
    assert.equal((await api.get("frank", "/v1/entitlements/vault:open/people")).status, 403);
    assert.equal((await api.get("ada", "/v1/entitlements/orders:none/people")).body.code, "unknown-entitlement");
  });

  test("access tells what somebody could get and what they have; oneself everybody may ask", async () => {
    const { body } = await api.get("audrey", "/v1/principals/alice/access");
    assert.deepEqual(
      body.entitlements.map(({ ref }: { ref: string }) => ref),
      ["orders:fix", "orders:read", "vault:open"],
    );
    assert.deepEqual(
      body.grants.map(({ entitlement }: { entitlement: string }) => entitlement),
      ["orders:fix"],
    );
    assert.equal((await api.get("alice", "/v1/principals/me/access")).body.grants[0].id, body.grants[0].id);
    assert.equal((await api.get("alice", "/v1/principals/bob/access")).status, 403);
    assert.equal((await api.get("ada", "/v1/principals/nobody/access")).status, 404);
    const page = await api.get("alice", "/v1/principals/me/access?limit=1&cursor=orders:fix");
    assert.deepEqual(
      [page.body.entitlements[0].ref, page.body.next, page.body.grants],
      ["orders:read", "orders:read", []],
    );
  });
});

describe("resources", () => {
  test("come in pages, by name, and can be searched", async () => {
    const first = await api.get("alice", "/v1/resources?limit=1");
    assert.deepEqual([first.body.resources[0].name, first.body.next], ["orders", "orders"]);
    const second = await api.get("alice", "/v1/resources?limit=1&cursor=orders");
    assert.deepEqual([second.body.resources[0].name, second.body.next], ["vault", null]);
    const { resources } = (await api.get("alice", "/v1/resources?search=FIX")).body;
    assert.deepEqual(
      resources.map(({ entitlements }: { entitlements: { ref: string }[] }) => entitlements.map(({ ref }) => ref)),
      [["orders:fix"]],
    );
    assert.deepEqual((await api.get("alice", "/v1/resources?resource=none")).body.resources, []);
  });
});

describe("explain", () => {
  test("names who could approve, now and later", async () => {
    const { steps } = await explained("vault:open");
    assert.deepEqual(
      steps[0].people.map(({ name }: { name: string }) => name),
      ["Ada", "Bob", "Frank"],
    );
    assert.deepEqual(steps[0].also, ["after 30m also group:security: carol, sam"]);
  });

  test("tells what a limit leaves, and when hours open", async () => {
    const { limits, hours } = await explained("orders:read", { start: "2100-01-01T00:00:00Z" });
    assert.deepEqual(limits, [{ rule: "twice-a-week", per: "user", count: 2, within: "7d", used: 0, left: 2 }]);
    assert.deepEqual(hours, [
      { rule: "office", hours: ["08:00–08:01 on mon (UTC)"], open: false, opensAt: "2100-01-04T08:00:00.000Z" },
    ]);
  });

  test("an emergency is asked of the rules for emergencies", async () => {
    const { rule, trace } = await explained("orders:fix", { emergency: true, reason: "checkouts fail" });
    assert.deepEqual([rule, trace.length], ["fire", 1]);
  });

  test("more time on a grant is explained as it would be asked", async () => {
    const { body } = await api.get("alice", "/v1/grants");
    const extend = body.grants[0].id;
    const said = await explained("orders:fix", { extend, duration: "30m" });
    assert.deepEqual([said.extends, said.rule], [extend, "leads"]);
    const other = await api.post("alice", "/v1/explain", { entitlement: "orders:read", extend });
    assert.equal(other.body.code, "invalid-input");
    assert.equal((await api.post("erin", "/v1/explain", { entitlement: "orders:fix", extend })).status, 404);
  });

  test("a start that has gone by is refused, as it would be asked", async () => {
    const { status } = await api.post("alice", "/v1/explain", {
      entitlement: "orders:read",
      start: "2020-01-01T00:00:00Z",
    });
    assert.equal(status, 400);
  });
});

describe("before anybody asks", () => {
  test("a limit has all of it left, and who has no history is told so", async () => {
    assert.equal((await explained("orders:read")).rule, "twice-a-week");
    assert.deepEqual((await forMe("orders:read")).outcome, "automatic");
  });
});

describe("after two requests", () => {
  before(async () => {
    for (const _ of [1, 2]) assert.equal((await ask("orders:read")).body.decision.rule, "twice-a-week");
  });

  test("what a limit allows is used up, as the third request would find", async () => {
    const said = await explained("orders:read");
    assert.equal(said.rule, "leads");
    assert.match(said.trace[0].why, /allows 2 within 7d, and they are used up/);
    assert.equal((await forMe("orders:read")).outcome, "needs-approval");
    assert.equal((await ask("orders:read")).body.decision.rule, "leads");
  });

  test("a condition that looks at history sees it, as a request would", async () => {
    const said = await explained("orders:fix");
    assert.equal(said.rule, "leads");
    assert.equal(said.trace[1].why, "not the case: history.recent_here == 0");
    assert.equal((await forMe("orders:fix")).rule, "leads");
  });
});
