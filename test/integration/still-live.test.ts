import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { GrantId } from "../../src/base/ids.ts";
import { alarmStillLive } from "../../src/operations/alarm-still-live.ts";
import { listMessages } from "../../src/store/messages.ts";
import { organisation } from "../support/api-people.ts";
import { expire, makeActive, proveGone, trouble } from "../support/drive.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
});
after(() => world.stop());

/** A grant that is being revoked, and resists. */
async function resisting(): Promise<GrantId> {
  const asked = await world.ask("alice", "orders:read");
  assert.ok("requestId" in asked);
  await world.review("bob", asked.requestId);
  const id = (await world.request(asked.requestId)).grantId as GrantId;
  await makeActive(world, id);
  await expire(world, id);
  await trouble(world, id, "no answer");
  return id;
}

async function alarms() {
  const messages = await listMessages(world.context.db, { kinds: ["grant.still-live"], order: "oldest", limit: 50 });
  const { rows } = await world.store.pool.query<{ id: string; handle: string }>("select id, handle from principals");
  const handle = (id: string) => rows.find((row) => row.id === id)?.handle;
  return messages.map(({ message }) => ({ to: message.to.map(handle).sort(), data: message.data }));
}

test("owners and who operates are told of access that resists its end, together and once; again only when it begins anew", async () => {
  const first = await resisting();
  assert.equal(await alarmStillLive(world.context), 0, "a target that is slow alarms nobody");
  const second = await resisting();
  const gone = await resisting();
  await proveGone(world, gone);

  // Two replicas at once.
  await Promise.all([alarmStillLive(world.context, 0), alarmStillLive(world.context, 0)]);
  const [alarm, ...more] = await alarms();
  assert.deepEqual(more, []);
  assert.deepEqual(alarm?.to, ["ada", "bob", "frank", "otto"]);
  assert.deepEqual(alarm?.data, { ...alarm?.data, resource: "orders", count: 2, trouble: "unreachable" });
  const told = (await world.entries()).flatMap(({ leaf }) =>
    leaf.kind === "grant.still-live" ? [leaf.refs.grant] : [],
  );
  assert.deepEqual(told.sort(), [first, second].sort());

  assert.equal(await alarmStillLive(world.context, 0), 0);
  const third = await resisting();
  assert.equal(await alarmStillLive(world.context, 0), 1);
  assert.deepEqual((await alarms())[1]?.data, { ...(await alarms())[1]?.data, count: 1 });
  assert.ok((await world.grant(third)).state === "revoking");
});
