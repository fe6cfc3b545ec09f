/** S22: many servers share one store and nothing else. Real processes, a real store, a real target. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Client } from "../../../src/contract/client.ts";
import type { EventView } from "../../../src/contract/events.ts";
import { assertLivedOnce, leftOnTarget, logWithAllConfirmed } from "../crash/oracle.ts";
import { signIn } from "../crash/place.ts";
import { Fleet, soon } from "./fleet.ts";

const GRANTS = 15;
const INCIDENT = { entitlement: "orders-db:read", reason: "checkouts fail", ticket: "INC-42", duration: "1h" };
/** The replica that begins to take access away stops there while the file is there. */
const STUCK_AT = "postgres.revoke.after-shut";

let fleet: Fleet;
let stuck: string;
let fired: string;
before(async () => {
  fleet = await Fleet.prepare();
  stuck = join(fleet.first.dir, "stuck");
  fired = join(fleet.first.dir, "fired");
  writeFileSync(fired, "");
  for (const replica of fleet.replicas) {
    replica.env["TIDEGATE_FAILPOINTS"] = `${STUCK_AT}=pause:${stuck}`;
    replica.env["TIDEGATE_FAILPOINTS_FILE"] = fired;
  }
  await fleet.boot();
});
after(() => fleet.stop());

async function granted(erin: Client): Promise<string> {
  const { grantId } = await erin.submitRequest(INCIDENT);
  return grantId ?? assert.fail("policy grants at once");
}
/** Asks as people's programs do, held until it changes: many ask at once, and nobody may ask more than so often. */
const becomes = (erin: Client, id: string, state: string): Promise<true> =>
  soon(`grant ${id} to be ${state}`, async () => {
    const grant = await erin.getGrant(id);
    if (grant.state === state) return true as const;
    await erin.getGrant(id, { waitSeconds: 5, while: grant.state });
    return null;
  });

/** Each was made once and dropped once, by the log and by the target's own. */
async function assertOnce(ids: readonly string[]): Promise<void> {
  const told = await logWithAllConfirmed(fleet.first, ids);
  for (const id of ids) assertLivedOnce(told, id);
  const { made, dropped } = await fleet.madeAndDropped();
  for (const id of ids) {
    const login =
      [...made.keys()].find((role) => role.endsWith(`_${id.slice(3)}`)) ?? assert.fail(`${id} was never made`);
    assert.deepEqual([made.get(login), dropped.get(login)], [1, 1], login);
  }
  assert.deepEqual(await leftOnTarget(fleet.first), []);
}

test("S22 three replicas share the work: each does some, and every grant is made once and taken away once", async () => {
  const erin = fleet.client("erin");
  const ids = await Promise.all(Array.from({ length: GRANTS }, () => granted(erin)));
  await Promise.all(ids.map((id) => becomes(erin, id, "active")));
  await Promise.all(ids.map((id) => erin.revokeGrant(id, {})));
  await Promise.all(ids.map((id) => becomes(erin, id, "revoked")));
  await assertOnce(ids);
  for (const replica of fleet.replicas) {
    const done = Object.values(await fleet.actionsOf(replica)).reduce((sum, count) => sum + count, 0);
    assert.ok(done > 0, `${replica.dataDir} has done nothing`);
  }
});

test("S22 a replica is killed in the middle of a revocation: another takes over, without anybody starting it again", async () => {
  const erin = fleet.client("erin");
  const id = await granted(erin);
  await becomes(erin, id, "active");
  const taken = await erin.credential(id, {});
  assert.ok(taken.delivered && taken.credential.kind === "password");
  const session = await signIn(taken.credential);
  writeFileSync(stuck, "");
  await erin.revokeGrant(id, {});
  const line = await soon("one of them to be in the middle", async () =>
    readFileSync(fired, "utf8")
      .split("\n")
      .find((one) => one.startsWith(`${STUCK_AT} pause`)),
  );
  const dead = fleet.byPid(Number(line.split(" ")[2]));
  assert.equal((await session.query("select 1")).rowCount, 1, "the session goes on: it was not done");
  await dead.end("SIGKILL");
  rmSync(stuck);
  await becomes(erin, id, "revoked");
  await assert.rejects(session.query("select 1"));
  await dead.boot();
  await assertOnce([id]);
});

/** Lives through grants until it is told to stop; whatever fails, fails the test. */
async function live(erin: Client, goesOn: () => boolean): Promise<string[]> {
  const ids: string[] = [];
  while (goesOn()) {
    const id = await granted(erin);
    ids.push(id);
    await becomes(erin, id, "active");
    const taken = await erin.credential(id, {});
    assert.ok(taken.delivered && taken.credential.kind === "password");
    const session = await signIn(taken.credential);
    await erin.revokeGrant(id, {});
    await becomes(erin, id, "revoked");
    await assert.rejects(session.query("select 1"));
  }
  return ids;
}

test("S22 a rolling restart under load drops nothing: every call is answered by some replica, and the stream of events goes on", async (t) => {
  let rolling = true;
  const end = new AbortController();
  t.after(() => end.abort());
  const told: EventView[] = [];
  const following = (async () => {
    for await (const event of fleet.client("carol").events({ signal: end.signal })) told.push(event);
  })();
  const lives = Promise.all([1, 2, 3].map(() => live(fleet.client("erin"), () => rolling)));
  try {
    for (const replica of fleet.replicas) {
      await replica.end("SIGTERM");
      assert.match(replica.output, /"msg":"stopped"/, "it stopped in order");
      await replica.boot();
    }
  } finally {
    rolling = false;
  }
  const ids = (await lives).flat();
  assert.ok(ids.length >= 3, "there was load");
  await assertOnce(ids);
  await soon("the stream to have told of every end", async () =>
    ids.every((id) => told.some(({ kind, grantId }) => kind === "grant.confirmed" && grantId === id)),
  );
  end.abort();
  await following;
  const seqs = told.map(({ seq }) => seq);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
    "each once, in order",
  );
});

test("S22 a replica with another sealing key refuses to start beside the others, and says what to do", async () => {
  const stranger = fleet.first.beside("data-stranger");
  stranger.env["TIDEGATE_SEALING_KEY"] = randomBytes(32).toString("base64");
  const said = await stranger.refused();
  assert.match(said, /Other servers run on this store with other sealing keys/);
  assert.match(said, /TIDEGATE_SEALING_KEY_FILE/);
  // And it left no trace that would keep the others, or itself with the right key, from starting.
  stranger.env["TIDEGATE_SEALING_KEY"] = fleet.first.env["TIDEGATE_SEALING_KEY"] ?? "";
  await stranger.boot();
  await stranger.end("SIGTERM");
});
