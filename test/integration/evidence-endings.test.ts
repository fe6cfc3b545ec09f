/** What the store keeps beside each grant for auditors is what the log says, whatever happened, and after a migration. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import type { GrantId } from "../../src/base/ids.ts";
import { deliverCredential } from "../../src/operations/deliver-credential.ts";
import { extendGrant } from "../../src/operations/extend-grant.ts";
import { revokeGrant } from "../../src/operations/revoke-grant.ts";
import { inOnePicture, type Span } from "../../src/store/access-review.ts";
import { databaseNowMs } from "../../src/store/db.ts";
import { accessWithin, endings, endingTimes, type LivedGrant, type OfWhat } from "../../src/store/evidence.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { close, expire, makeActive, proveGone, reopen, writeLease } from "../support/drive.ts";
import {
  accessByLog,
  endingsByLog,
  migratedAnew,
  type Told,
  timesByLog,
  toldOfGrants,
} from "../support/evidence-of-log.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, NO_FACTS, type World } from "../support/world.ts";

const PEOPLE = ["alice", "bob", "carol"];
const RESOURCES = ["orders", "stock"];
const ALL = { afterSeq: 0, limit: 1_000 };

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

async function worldFor(t: TestContext): Promise<World> {
  const world = await createWorld({ server, t });
  const resources = RESOURCES.map((name) =>
    directoryResource(name, world.directoryName, { read: { group: `${name}-r` }, fix: { group: `${name}-f` } }),
  );
  const principals = PEOPLE.map((handle) => person(handle));
  await world.configure(configuration({ resources, principals, policies: [automatically("everything")] }));
  return world;
}

type Chance = (below: number) => number;
/** The same numbers each time. */
function chances(seed: number): Chance {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

/** One step of one grant: each may be its last, as where a server crashes. */
async function step(world: World, who: string, id: GrantId, chance: Chance): Promise<void> {
  const { context, store } = world;
  const [grant, by] = [await world.grant(id), await world.principal(who)];
  const revoke = () => revokeGrant(context, by, id, "enough");
  switch (grant.state) {
    case "scheduled":
      if (chance(6) === 0) await revoke();
      else if (chance(5) === 0) await writeLease(world, id);
      else await makeActive(world, id, chance(3) === 0 ? null : "secret");
      return;
    case "provisioning":
      await revoke();
      return;
    case "active": {
      const more = { durationMs: 60_000 as DurationMs, reason: "not done yet, one more minute" };
      if (chance(5) === 0) await extendGrant(context, by, id, more, NO_FACTS);
      else if (chance(3) === 0) await deliverCredential(context, by, id, { rotate: false });
      else if (chance(4) === 0)
        // Its end has come, and nobody has seen to it.
        await store.pool.query(
          "update grants set starts_at = now() - interval '1 hour', expires_at = date_trunc('milliseconds', now() - interval '20 ms') where id = $1",
          [id],
        );
      else if (chance(2) === 0) await expire(world, id);
      else await revoke();
      return;
    }
    case "revoking":
      if (grant.accessGone && chance(3) === 0) await reopen(world, id);
      else if (!grant.accessGone && chance(2) === 0) await proveGone(world, id);
      else await close(world, id, chance(4) === 0 ? "standing" : "gone");
      return;
    case "revoked":
      if (chance(3) === 0) await reopen(world, id);
      return;
    case "failed":
    case "cancelled":
      return;
  }
}

/** Answers the moments between the steps. */
async function randomHistory(world: World, seed: number): Promise<number[]> {
  const chance = chances(seed);
  const lives: { who: string; id: GrantId }[] = [];
  const moments = [await databaseNowMs(world.store.db)];
  for (let turn = 0; turn < 260; turn += 1) {
    const life = lives[chance(lives.length * 2 + 2)];
    if (life === undefined && lives.length < 70) {
      const who = PEOPLE[chance(PEOPLE.length)] ?? "";
      const what = `${RESOURCES[chance(RESOURCES.length)]}:${chance(3) === 0 ? "fix" : "read"}`;
      lives.push({ who, id: await world.granted(who, what) });
    } else {
      const { who, id } = life ?? lives[chance(lives.length)] ?? assert.fail("nobody lives");
      await step(world, who, id, chance);
    }
    moments.push(await databaseNowMs(world.store.db));
  }
  return moments;
}

/** The same of both. */
const shown = ({
  seq,
  id,
  request,
  person,
  entitlement,
  state,
  extensions,
  cause,
  standing,
  made,
  ended,
  gone,
}: Told) => ({
  ...{ seq, id, request, person, entitlement, state, extensions, cause, standing, made, ended, gone },
});

/** Every answer about these spans is what the log alone says. */
async function assertAsTheLogSays(world: World, moments: readonly number[], chance: Chance): Promise<void> {
  const told = await toldOfGrants(world.store.pool);
  const nowMs = await databaseNowMs(world.store.db);
  const ofWhat = (n: number): OfWhat =>
    n === 0 ? null : { resource: RESOURCES[n % 2] ?? "", entitlement: n < 3 ? null : `${RESOURCES[n % 2]}:read` };
  for (let i = 0; i < 40; i += 1) {
    const from = i === 0 ? 0 : chance(moments.length - 1);
    const until = i === 0 ? moments.length - 1 : from + 1 + chance(moments.length - 1 - from);
    const span: Span = { fromMs: moments[from] ?? 0, untilMs: (moments[until] ?? 0) + 1 };
    const of = ofWhat(i === 0 ? 0 : chance(5));
    const about = told.filter(
      ({ resource, entitlement }) =>
        of === null || (resource === of.resource && (of.entitlement === null || entitlement === of.entitlement)),
    );
    await inOnePicture(world.store.db, async (tx) => {
      const ended = endingsByLog(about, span, nowMs);
      assert.deepEqual(await endings(tx, span, nowMs, of, ALL), ended.map(shown));
      assert.deepEqual({ ...(await endingTimes(tx, span, nowMs, of)) }, timesByLog(ended));
      const access = await accessWithin(tx, span, of, ALL);
      assert.deepEqual(
        access.map(({ id }) => id),
        accessByLog(about, span),
      );
      const paged: LivedGrant[] = [];
      for (let rows: LivedGrant[] = access; rows.length > 0; paged.push(...rows))
        rows = await accessWithin(tx, span, of, { afterSeq: paged.at(-1)?.seq ?? 0, limit: 3 });
      assert.deepEqual(paged, access);
    });
  }
}

const kept = async (world: World) =>
  (await world.store.pool.query("select id, revoking_at, gone_at, delivered_at, standing from grants order by seq"))
    .rows;

for (const seed of [20_261_129, 4_711])
  test(`when access ended, was gone and was handed over is what the log says, also after a migration (seed ${seed})`, async (t) => {
    const world = await worldFor(t);
    const moments = await randomHistory(world, seed);
    await assertAsTheLogSays(world, moments, chances(seed + 1));
    const told = await toldOfGrants(world.store.pool);
    // What the stories hold, so that they are worth being compared.
    for (const holds of [
      (one: Told) => one.made === null,
      (one: Told) => one.standing,
      (one: Told) => one.extensions > 0,
      (one: Told) => one.delivered !== null,
      (one: Told) => one.state === "revoking" && one.gone !== null,
      (one: Told) => one.state === "revoking" && one.gone === null,
      (one: Told) => one.state === "active" && one.ended < (moments.at(-1) ?? 0),
    ])
      assert.ok(told.some(holds), String(holds));
    const before = await kept(world);
    assert.deepEqual(
      before.map(({ id, delivered_at }) => [id, delivered_at]),
      told.map(({ id, delivered }) => [id, delivered]),
    );
    await migratedAnew(world.store.pool);
    assert.deepEqual(await kept(world), before);
    await assertAsTheLogSays(world, moments, chances(seed + 2));
  });

test("whoever does not say when has the store say now, and what is seen again was never gone", async (t) => {
  const world = await worldFor(t);
  const id = await world.granted("alice", "orders:read");
  await makeActive(world, id);
  // As a server of the version before writes.
  const sets = async (columns: string) => {
    await world.store.pool.query(`update grants set ${columns} where id = $1`, [id]);
    return (await kept(world))[0] ?? assert.fail("no grant");
  };
  const startMs = await databaseNowMs(world.store.db);
  const ending = await sets(
    `state = 'revoking', leads_to = 'revoked', ending = '{"cause":"expired","by":null,"reason":""}'`,
  );
  assert.ok(ending.revoking_at >= startMs && ending.gone_at === null);
  const gone = await sets("access_gone = true");
  assert.ok(gone.gone_at >= startMs && gone.revoking_at === ending.revoking_at);
  assert.equal((await sets("access_gone = false")).gone_at, null);
});
