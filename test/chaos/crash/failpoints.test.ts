/**
 * A real server in front of a real PostgreSQL is killed with `kill -9` between every two steps of a grant's life, and
 * started again. What must be so afterwards is read in the target's catalogs and in the audit log.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import type pg from "pg";
import { FAILPOINTS, type FailpointName } from "../../../src/base/failpoint.ts";
import { until } from "../../support/until.ts";
import { assertLivedOnce, deliveriesOf, leftOnTarget, logWithAllConfirmed } from "./oracle.ts";
import { Place, signIn } from "./place.ts";
import { wrongNow } from "./seen.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const TIMES = process.env["TIDEGATE_LONG"] === undefined ? 1 : 3;

let place: Place;
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

async function proveGone({ id, credential, session }: Used): Promise<void> {
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
async function killedWhileMaking(point: FailpointName): Promise<void> {
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
async function killedWhileDelivering(point: FailpointName): Promise<void> {
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
async function killedWhileExtending(point: FailpointName): Promise<void> {
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
async function killedWhileRotating(point: FailpointName): Promise<void> {
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
async function killedAtTheEnd(point: FailpointName): Promise<void> {
  let used: Used | null = null;
  await place.dieAt(point, async () => {
    used = await place.inUse("3s");
  });
  await until(() => used !== null, { what: "the grant to have been in use" });
  await proveGone(used as unknown as Used);
}

/** Killed while access is taken away. */
async function killedWhileRevoking(point: FailpointName): Promise<void> {
  const used = await place.inUse();
  await place.dieAt(point, () => place.erin.revokeGrant(used.id, {}));
  await proveGone(used);
}

const LIVES: Partial<Record<FailpointName, (point: FailpointName) => Promise<void>>> = {
  "start.after-record": killedWhileMaking,
  "provision.after-right": killedWhileMaking,
  "provision.after-lease": killedWhileMaking,
  "postgres.provision.before-commit": killedWhileMaking,
  "postgres.provision.after-commit": killedWhileMaking,
  "provision.after-target": killedWhileMaking,
  "provision.after-record": killedWhileMaking,
  "deliver.after-record": killedWhileDelivering,
  "extend.after-target": killedWhileExtending,
  "extend.after-record": killedWhileExtending,
  "rotate.after-seal": killedWhileRotating,
  "rotate.after-target": killedWhileRotating,
  "rotate.after-record": killedWhileRotating,
  "expire.after-record": killedAtTheEnd,
  "postgres.revoke.before-shut": killedWhileRevoking,
  "postgres.revoke.after-shut": killedWhileRevoking,
  "postgres.revoke.after-refusal": killedWhileRevoking,
  "postgres.revoke.after-sessions": killedWhileRevoking,
  "postgres.revoke.after-prepared": killedWhileRevoking,
  "postgres.clean-up.after-graveyard": killedWhileRevoking,
  "postgres.clean-up.after-reassign": killedWhileRevoking,
  "postgres.clean-up.before-commit": killedWhileRevoking,
  "postgres.clean-up.after-database": killedWhileRevoking,
  "postgres.revoke.before-drop": killedWhileRevoking,
  "postgres.revoke.after-drop": killedWhileRevoking,
  "postgres.revoke.before-collect": killedWhileRevoking,
  "postgres.collect.before-commit": killedWhileRevoking,
  "postgres.collect.after-commit": killedWhileRevoking,
  "revoke.after-target": killedWhileRevoking,
  "revoke.after-probe": killedWhileRevoking,
  "revoke.after-record": killedWhileRevoking,
  "confirm.after-probe": killedWhileRevoking,
  "confirm.after-record": killedWhileRevoking,
};

/** Points that lie on other ways, and the test that goes there; null: on a way that is not whole yet. */
const SWEEPS = "test/chaos/crash/sweep.test.ts";
const JOURNAL = "test/chaos/crash/journal.test.ts";
const ELSEWHERE: Partial<Record<FailpointName, string | null>> = {
  "postgres.disable.after-shut": JOURNAL,
  "journal.write.before-sync": JOURNAL,
  "journal.shut.after-begun": JOURNAL,
  "journal.shut.after-done": JOURNAL,
  "journal.report.after-commit": JOURNAL,
  "postgres.mend.after-elsewhere": SWEEPS,
  "postgres.mend.before-commit": SWEEPS,
  "postgres.remove.before-drop": SWEEPS,
  "sweep.after-look": SWEEPS,
  "sweep.after-record": SWEEPS,
  "sweep.between-remedies": SWEEPS,
  "sweep.before-end": SWEEPS,
};

test("every failpoint is gone to, here or in another test", () => {
  for (const point of Object.keys(FAILPOINTS) as FailpointName[]) {
    const file = ELSEWHERE[point];
    assert.ok(LIVES[point] !== undefined || file !== undefined, `nothing goes to ${point}`);
    if (typeof file === "string")
      assert.ok(readFileSync(join(ROOT, file), "utf8").includes(point), `${file}: ${point}`);
  }
});

const lives = Object.entries(LIVES) as [FailpointName, (point: FailpointName) => Promise<void>][];

for (const [point, live] of lives)
  test(`rows 1–3: killed at ${point}, it ends as if nothing had happened`, async () => {
    for (let time = 0; time < TIMES; time += 1) await live(point);
    assert.deepEqual(await wrongNow(place.served, place.handed), []);
  });

/** Taken back; another grant uses the same group, which stays. */
async function endOnly({ id }: Used): Promise<void> {
  await place.erin.revokeGrant(id, {});
  await place.is(id, "revoked");
}

test("6: a grant whose second look falls into the end of another of the same scope is confirmed, and never called live again", async () => {
  const [first, second] = [await place.inUse(), await place.inUse()];
  await endOnly(first);
  // The login of the second is dropped, and the group that both used stands there without members.
  const point = "postgres.revoke.before-collect";
  await place.pauseAt(point, () => place.erin.revokeGrant(second.id, {}));
  await until(() => place.firedTimes(point) === 2, { what: "the second look at the first to find the group" });
  place.goOn(point);
  await proveGone(second);
  await proveGone(first);
});

test("14, rows 1–3: each of those grants has lived once, is confirmed, and no secret was shown twice", async () => {
  assert.equal(over.length, lives.length * TIMES + 2);
  const told = await logWithAllConfirmed(place.served, over);
  for (const id of over) assertLivedOnce(told, id);
  const secrets = place.handed.map(({ password }) => password);
  assert.equal(new Set(secrets).size, secrets.length);
});

test("a server with failpoints says so in its log, as an error", () => {
  assert.match(place.served.output, /"level":50.*TIDEGATE_FAILPOINTS is set.*tests/);
});
