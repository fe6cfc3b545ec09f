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
        directoryResource("orders", world.directoryName, { read: { group: "readers" }, fix: { group: "fixers" } }),
      ],
      principals,
      policies: [
        automatically("twice-a-week", {
          when: 'entitlement.name == "read"',
          limit: { per: "user", count: 2, withinMs: WEEK_MS },
        }),
        automatically("newcomers", { when: 'entitlement.name == "fix" && history.recent_here == 0' }),
        { ...needs("leads", ["group:payments-leads"]), when: '"payments" in user.groups' },
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

describe("before anybody asks", () => {
  test("a limit has all of it left, and who has no history is told so", async () => {
    assert.equal((await explained("orders:read")).rule, "twice-a-week");
    assert.equal((await explained("orders:fix")).rule, "newcomers");
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
