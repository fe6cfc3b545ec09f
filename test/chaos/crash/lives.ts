/**
 * Lives of grants on a real server in front of a real PostgreSQL, which is killed with `kill -9` on the way and started
 * again. What must be so afterwards is read in the target's catalogs and in the audit log.
 */
import assert from "node:assert/strict";
import { after, before } from "node:test";
import type pg from "pg";
import type { FailpointName } from "../../../src/base/failpoint.ts";
import { until } from "../../support/until.ts";
import { assertLivedOnce, deliveriesOf, leftOnTarget, logWithAllConfirmed } from "./oracle.ts";
import { Place, signIn } from "./place.ts";

const TIMES = process.env["TIDEGATE_LONG"] === undefined ? 1 : 3;

export let place: Place;
before(async () => {
  place = await Place.prepare();
  await place.served.boot();
});
after(async () => {
  await place.served.stop();
});

/** Grants that are over; that each was confirmed is looked at in the end, for that takes a claim's lifetime. */
const over: string[] = [];

type Used = Awaited<ReturnType<Place["inUse"]>>;

/** Ends it as a person does, and looks whether all of it is gone. */
async function endAndProve({ id, credential, session }: Used): Promise<void> {
  await place.erin.revokeGrant(id, {});
  await proveGone({ id, credential, session });
}

export async function proveGone({ id, credential, session }: Used): Promise<void> {
  await place.is(id, "revoked");
  await assertCut(session);
  await assert.rejects(signIn(credential), /password authentication failed|does not exist|not permitted/);
  assert.deepEqual(await leftOnTarget(place.served), [], "nothing is left on the target");
  const [kept] = await place.served.onTarget<{ owner: string }>(
    "select pg_get_userbyid(relowner) as owner from pg_class where relname = $1",
    [credential.username],
  );
  assert.match(kept?.owner ?? "", /^tgx_/, "what the person made is kept, and has another owner");
  over.push(id);
}

const assertCut = (session: pg.Client): Promise<void> =>
  assert.rejects(session.query("select 1"), /terminat|Connection|closed|not queryable/);

async function refusesSecondDelivery(id: string): Promise<void> {
  await assert.rejects(place.erin.credential(id, {}), { code: "credential-delivered" });
}

/** Killed while it is made: it becomes active under its one lease, and its secret is shown once. */
export async function killedWhileMaking(point: FailpointName): Promise<void> {
  await place.dieAt(point, () => place.ask());
  const id = await place.newest();
  await place.is(id, "active");
  const credential = await place.credential(id);
  await refusesSecondDelivery(id);
  const session = await signIn(credential);
  await place.owns(credential.username);
  await endAndProve({ id, credential, session });
}

/** Killed after the secret was handed out and before the answer was sent: nobody has it, and nobody ever gets it. */
export async function killedWhileDelivering(point: FailpointName): Promise<void> {
  await place.ask();
  const id = await place.newest();
  await place.is(id, "active");
  await place.dieAt(point, () => place.erin.credential(id, {}));
  await refusesSecondDelivery(id);
  assert.equal((await place.erin.credential(id, { rotate: true })).delivered, false);
  const credential = await place.credential(id);
  assert.deepEqual(await deliveriesOf(place.served, id), { delivered: 2, rotated: 1 });
  const session = await signIn(credential);
  await place.owns(credential.username);
  await endAndProve({ id, credential, session });
}

/** Killed while more time is given: the session goes on, and the target has the later end. */
export async function killedWhileExtending(point: FailpointName): Promise<void> {
  const used = await place.inUse();
  await place.dieAt(point, () => place.erin.extendGrant(used.id, { duration: "30m", reason: "not done yet" }));
  const grant = await place.is(used.id, "active");
  await until(
    async () => {
      const [row] = await place.served.onTarget<{ apartMs: number }>(
        `select abs(extract(epoch from rolvaliduntil - $2::timestamptz))::float8 * 1000 as "apartMs" from pg_roles where rolname = $1`,
        [used.credential.username, grant.expiresAt],
      );
      return row !== undefined && row.apartMs < 60_000;
    },
    { what: "the target to have the later end" },
  );
  assert.equal((await used.session.query("select 1")).rowCount, 1, "the session goes on");
  await endAndProve(used);
}

/** Killed while a new secret is made: one comes, once, and the old one opens nothing. */
export async function killedWhileRotating(point: FailpointName): Promise<void> {
  const used = await place.inUse();
  await place.dieAt(point, () => place.erin.credential(used.id, { rotate: true }));
  const credential = await place.credential(used.id);
  assert.notEqual(credential.password, used.credential.password);
  await refusesSecondDelivery(used.id);
  await assert.rejects(signIn(used.credential), /password authentication failed/);
  await (await signIn(credential)).end();
  assert.deepEqual(await deliveriesOf(place.served, used.id), { delivered: 2, rotated: 1 });
  await endAndProve({ ...used, credential });
}

/** Killed when the end has come. */
export async function killedAtTheEnd(point: FailpointName): Promise<void> {
  let used: Used | null = null;
  await place.dieAt(point, async () => {
    used = await place.inUse("20s");
  });
  await until(() => used !== null, { what: "the grant to have been in use" });
  await proveGone(used as unknown as Used);
}

/** Killed while access is taken away. */
export async function killedWhileRevoking(point: FailpointName): Promise<void> {
  const used = await place.inUse();
  await place.dieAt(point, () => place.erin.revokeGrant(used.id, {}));
  await proveGone(used);
}

export type Lives = Partial<Record<FailpointName, (point: FailpointName) => Promise<void>>>;

/** Lives through a death at the point: once, and three times in the long runs. The invariants hold after each. */
export async function through(lives: Lives, point: FailpointName): Promise<void> {
  for (let time = 0; time < TIMES; time += 1) await lives[point]?.(point);
  assert.deepEqual(await place.wrong(), []);
}

/** Each of those grants has lived once and is confirmed, and no secret was shown twice. */
export async function assertAllLivedOnce(points: number, besides: number): Promise<void> {
  assert.equal(over.length, points * TIMES + besides);
  const told = await logWithAllConfirmed(place.served, over);
  for (const id of over) assertLivedOnce(told, id);
  const secrets = place.handed.map(({ password }) => password);
  assert.equal(new Set(secrets).size, secrets.length);
}
