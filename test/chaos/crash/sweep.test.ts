/**
 * A real server is killed with `kill -9` in the middle of a sweep, at every place between two of its steps, and started
 * again: the next sweep ends where the first would have, and every finding is in the log once.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { FailpointName } from "../../../src/base/failpoint.ts";
import { bareId, grantId } from "../../../src/base/ids.ts";
import { until } from "../../support/until.ts";
import { log } from "./oracle.ts";
import { Place } from "./place.ts";

const POINTS: readonly FailpointName[] = [
  "sweep.after-look",
  "sweep.after-record",
  "sweep.between-remedies",
  "sweep.before-end",
  "postgres.mend.after-elsewhere",
  "postgres.mend.before-commit",
  "postgres.remove.before-drop",
];

let place: Place;
before(async () => {
  place = await Place.prepare();
  const path = join(place.served.dir, "tidegate.yaml");
  const written = readFileSync(path, "utf8");
  const repairs = written.replace(/^(\s+)connector: postgres$/m, "$&\n$1drift: repair");
  assert.notEqual(repairs, written);
  writeFileSync(path, repairs);
  await place.served.boot();
});
after(async () => {
  await place.served.stop();
});

const one = async (query: string): Promise<string> => {
  const [row] = await place.served.onTarget<{ value: string }>(query);
  return row?.value ?? assert.fail(query);
};

/** Changes by hand of every kind that a sweep puts right; answers what they are called. */
async function tamper(login: string): Promise<{ group: string; strays: string[] }> {
  const installation = login.split("_")[1] ?? "";
  const group = await one(
    `select rolname as value from pg_roles where starts_with(rolname, 'tgg_${installation}_') limit 1`,
  );
  const id = grantId.make();
  const [stray, orphan, friend] = [
    `tg_${installation}_${bareId(id)}`,
    `tgg_${installation}_${bareId(id)}`,
    `friend_${bareId(id)}`,
  ];
  await place.served.onTarget(`
    create role ${stray} login; comment on role ${stray} is 'tidegate:${installation}:grant:${id}';
    create role ${orphan}; comment on role ${orphan} is 'tidegate:${installation}:group:${bareId(id)}';
    grant select on customers to ${orphan};
    create role ${friend} login; grant ${group} to ${friend};
    grant delete on orders to ${group}; revoke select on orders from ${group};
    alter role ${login} nologin valid until 'infinity'`);
  return { group, strays: [stray, orphan] };
}

async function assertRepaired(login: string, { group, strays }: { group: string; strays: string[] }): Promise<void> {
  const [now] = await place.served.onTarget(
    `select has_table_privilege('${group}', 'orders', 'select') as reads, has_table_privilege('${group}', 'orders', 'delete') as deletes,
       rolcanlogin as login, rolvaliduntil < now() + interval '1 day' as ends,
       (select count(*)::int from pg_auth_members where roleid = '${group}'::regrole and member::regrole::text like 'friend%') as friends,
       (select count(*)::int from pg_roles where rolname in ('${strays.join("','")}')) as strays
     from pg_roles where rolname = '${login}'`,
  );
  assert.deepEqual(now, { reads: true, deletes: false, login: true, ends: true, friends: 0, strays: 0 });
}

/** Every finding was found once and resolved once, however often a sweep died. */
async function assertToldOnce(): Promise<void> {
  const entries = await log(place.served);
  const of = (kind: string): unknown[] =>
    entries.filter((entry) => entry.kind === kind).map(({ data }) => data["finding"]);
  const [found, resolved] = [of("drift.found"), of("drift.resolved")];
  assert.equal(new Set(found).size, found.length);
  assert.deepEqual([...resolved].sort(), [...found].sort());
}

for (const point of POINTS)
  test(`row 2: a sweep that is killed at ${point} is done by the next one`, async () => {
    const carol = () => place.served.client("carol");
    const { id, credential, session } = await place.inUse();
    let changed: Awaited<ReturnType<typeof tamper>> | null = null;
    await place.killedAt(point, async () => {
      changed = await tamper(credential.username);
      await carol().sweepDrift();
    });
    await until(
      async () => {
        const { askedAt, resources } = await carol().sweepDrift();
        return resources.every(({ sweptAt, findings }) => (sweptAt ?? "") >= (askedAt ?? "?") && findings.length === 0);
      },
      { what: "nothing to be left to tell", timeoutMs: 120_000 },
    );
    await assertRepaired(credential.username, changed ?? assert.fail("it was tampered with"));
    assert.equal((await session.query("select * from orders")).rowCount, 1, "the session goes on, with its rights");
    assert.deepEqual(await place.wrong(), []);
    await assertToldOnce();
    await place.erin.revokeGrant(id, {});
    await place.is(id, "revoked");
  });
