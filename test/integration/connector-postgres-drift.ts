/** What a sweep sees on real servers, what it takes away, and what it leaves alone. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { newInstallationId } from "../../src/base/ids.ts";
import type { Observed } from "../../src/domain/observed.ts";
import type { PostgresVersion } from "../support/postgres-server.ts";
import {
  assertGone,
  claim,
  groupOf,
  HOUR_MS,
  isRole,
  isTargetError,
  makePlace,
  newOrder,
  openTarget,
  type Place,
  personUrl,
  provision,
  readOrders,
  revoke,
  roleOf,
  signIn,
  sql,
  type TestOrder,
  urlWith,
  value,
} from "./connector-postgres-support.ts";

const look = (place: Place, ...orders: TestOrder[]): Promise<readonly Observed[]> =>
  sweep(place, (target) => target.observe(place.installation, orders));

async function sweep<T>(
  place: Place,
  work: (target: Awaited<ReturnType<typeof openTarget>>) => Promise<T>,
): Promise<T> {
  const target = await openTarget(place, null, 0);
  try {
    return await work(target);
  } finally {
    await target.close();
  }
}

const one = (all: readonly Observed[], as: Observed["as"], name?: string): Observed => {
  const found = all.filter((it) => it.as === as && (name === undefined || it.name === name));
  assert.equal(found.length, 1, `one ${as}: ${JSON.stringify(all)}`);
  return found[0] as Observed;
};

const differences = (all: readonly Observed[]): string[] => all.flatMap(({ more, less }) => [...more, ...less]);

export function drift(version: PostgresVersion, admin: Place["admin"]): void {
  let place: Place;
  before(async () => {
    place = await makePlace(version, admin);
  });
  const asSuperuser = (...statements: string[]) =>
    sql(urlWith(place.superuserUrl, { database: place.database }), ...statements);

  test("a grant that is as it was made differs in nothing", async () => {
    const order = newOrder(place, { ...readOrders(place), read_only: true, connection_limit: 2 });
    await provision(place, order);
    const seen = await look(place, order);
    assert.deepEqual(differences(seen), []);
    assert.deepEqual(
      seen.map(({ as, name, grant }) => ({ as, name, grant })),
      [
        { as: "own", name: roleOf(order), grant: order.grant },
        { as: "shared", name: groupOf(order), grant: null },
      ],
    );
    const { remainingMs } = one(seen, "own");
    assert.ok(remainingMs !== null && remainingMs > HOUR_MS - 300_000 && remainingMs <= HOUR_MS, String(remainingMs));
    assert.equal(one(seen, "shared").scopeHash, order.scopeHash);
    await revoke(place, order);
    assert.deepEqual(await look(place), []);
  });

  test("every change by hand to a grant's login is seen, and mended without a new secret", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const person = await signIn(personUrl(place, order));
    const role = roleOf(order);
    await asSuperuser(
      `alter role ${role} nologin createdb connection limit 50 valid until 'infinity'`,
      `grant ${place.makers} to ${role}`,
      `revoke ${groupOf(order)} from ${role}${version >= 16 ? ` granted by ${await grantorOf(order)}` : ""}`,
      `grant select (card) on customers to ${role}`,
    );
    const seen = one(await look(place, order), "own");
    assert.equal(seen.remainingMs, Number.POSITIVE_INFINITY);
    assert.deepEqual(
      [...seen.more].sort(),
      [
        `it has privileges of its own in database ${place.database}`,
        "it has the attribute CREATEDB",
        `it is a member of ${place.makers}`,
        "it may have 50 connections at once, not 5",
      ].sort(),
    );
    assert.deepEqual([...seen.less].sort(), [`it is no member of ${groupOf(order)}`, "it may not log in"].sort());
    if (admin === "superuser") {
      await claim(place, order, (target) => mended(target, order, false));
      const taken = one(await look(place, order), "own");
      assert.deepEqual(taken.more, [], "what was more is taken");
      assert.equal(taken.less.length, 2, "what was less is left as it is");
      assert.ok((taken.remainingMs ?? 0) <= HOUR_MS, "it ends by itself again");
      await claim(place, order, (target) => mended(target, order, true));
      assert.deepEqual(differences(await look(place, order)), []);
      assert.equal((await person.query("select * from orders")).rowCount, 2, "the session went on, with its rights");
      await (await signIn(personUrl(place, order))).end();
    } else {
      await assert.rejects(
        claim(place, order, (target) => mended(target, order, true)),
        isTargetError("not-permitted"),
        "what a superuser gave, an admin that is none may not take, and says so",
      );
      await asSuperuser(`revoke all on customers from ${role}`, `revoke ${place.makers} from ${role}`);
      await asSuperuser(`alter role ${role} nocreatedb`);
      await claim(place, order, (target) => mended(target, order, true));
      assert.deepEqual(differences(await look(place, order)), []);
    }
    await person.end();
    await revoke(place, order);
    await assertGone(place, order);
  });

  test("S26 what the group role gained by hand is seen and taken; what it lost comes back only when asked", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const group = groupOf(order);
    await asSuperuser(
      `grant delete on orders to ${group}`,
      `grant select on customers to ${group}`,
      `set role ${admin === "superuser" ? "postgres" : new URL(place.adminUrl).username}`,
      `revoke select on orders from ${group}`,
    );
    const seen = one(await look(place, order), "shared");
    assert.deepEqual([...seen.more].sort(), [
      "it has DELETE on table public.orders",
      "it has SELECT on table public.customers",
    ]);
    assert.deepEqual(seen.less, ['it lacks SELECT ON TABLE "public"."orders"']);
    if (admin === "createrole")
      // What a superuser granted as owner, only the owner can take.
      await asSuperuser(`revoke delete on orders from ${group}`, `revoke select on customers from ${group}`);
    await claim(place, order, (target) => mended(target, order, false));
    const taken = one(await look(place, order), "shared");
    assert.deepEqual([taken.more, taken.less.length], [[], 1]);
    await claim(place, order, (target) => mended(target, order, true));
    assert.deepEqual(differences(await look(place, order)), []);
    await revoke(place, order);
  });

  test("somebody whom a DBA put into the group role is seen, with who did it, and taken out", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const friend = `friend_${place.database}`;
    await asSuperuser(`create role ${friend} login`, `grant ${groupOf(order)} to ${friend}`);
    const seen = one(await look(place, order), "by-hand");
    assert.equal(seen.name, `${friend} in ${groupOf(order)}`);
    assert.equal(seen.by, version >= 16 ? "postgres" : seen.by);
    if (admin === "superuser") {
      const proof = await sweep(place, (target) => target.remove(seen));
      assert.deepEqual([proof.own, proof.right], ["gone", "gone"]);
      assert.deepEqual(differences(await look(place, order)), []);
    } else {
      await assert.rejects(
        sweep(place, (target) => target.remove(seen)),
        isTargetError("not-permitted"),
      );
      await asSuperuser(`revoke ${groupOf(order)} from ${friend}`);
    }
    assert.equal(
      (await look(place, order)).some(({ as }) => as === "by-hand"),
      false,
    );
    assert.equal(await isRole(place, friend), true, "the person stays");
    await asSuperuser(`drop role ${friend}`);
    await revoke(place, order);
  });

  test("S15 what carries our mark and is in no ledger is cut, emptied and dropped, with proof", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const person = await signIn(personUrl(place, order));
    await person.query("create temp table mine (id int)");
    const seen = await look(place);
    const login = one(seen, "own");
    assert.equal(login.grant, order.grant);
    await assert.rejects(
      sweep(place, (target) => target.remove(one(seen, "shared"))),
      isTargetError("conflict", /members/),
    );
    for (const _ of [1, 2]) {
      const proof = await sweep(place, (target) => target.remove(login));
      assert.deepEqual([proof.own, proof.right, proof.remains], ["gone", "gone", []]);
    }
    await assert.rejects(person.query("select 1"), "the session was ended");
    const proof = await sweep(place, (target) => target.remove(one(seen, "shared")));
    assert.equal(proof.own, "gone");
    await assertGone(place, order);
    assert.deepEqual(await look(place), []);
  });

  test("S28 another installation's roles are neither seen nor removed, whoever asks", async () => {
    const other: Place = { ...place, installation: newInstallationId() };
    const theirs = newOrder(other, readOrders(other));
    await provision(other, theirs);
    assert.deepEqual(await look(place), []);
    const [login, group] = [one(await look(other), "own"), one(await look(other), "shared")];
    for (const seen of [login, group, { ...login, as: "by-hand" as const, name: `${login.name} in ${group.name}` }])
      await assert.rejects(
        sweep(place, (target) => target.remove(seen)),
        isTargetError("conflict", /mark/),
      );
    await asSuperuser(`create role tg_${place.installation}_bare login`);
    await assert.rejects(
      sweep(place, (target) => target.remove({ ...login, name: `tg_${place.installation}_bare` })),
      isTargetError("conflict", /mark/),
      "the name alone is no mark",
    );
    await asSuperuser(`drop role tg_${place.installation}_bare`);
    await (await signIn(personUrl(place, theirs))).end();
    await revoke(other, theirs);
  });

  test("row 27: functions, views and event triggers that lend a person's rights are seen", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    await asSuperuser(`grant create, usage on schema workshop to ${roleOf(order)}`);
    const person = await signIn(personUrl(place, order));
    await person.query(
      "create function workshop.door() returns bigint language sql security definer as 'select count(*) from public.orders'",
    );
    await person.query("create view workshop.window as select * from public.orders");
    await person.query("grant select on workshop.window to public");
    await person.query("create view workshop.mine as select * from public.orders");
    await person.end();
    const made = (await look(place, order)).filter(({ as }) => as === "made");
    assert.deepEqual(
      made.map(({ name, grant }) => [name, grant]),
      [
        [`routine workshop.door() in database ${place.database}`, order.grant],
        [`view workshop."window" in database ${place.database}`, order.grant],
      ],
    );
    await assert.rejects(
      sweep(place, (target) => target.remove(made[0] as Observed)),
      isTargetError("not-supported", /by hand/, false),
    );
    await asSuperuser(
      `revoke all on schema workshop from ${roleOf(order)}`,
      "drop function workshop.door()",
      "drop view workshop.mine",
      'drop view workshop."window"',
    );
    await revoke(place, order);
  });

  test("who has access without our mark is told, with through what and by whom", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const tail = place.database;
    await asSuperuser(
      `create role direct_${tail} login`,
      `create role team_${tail}`,
      `create role member_${tail} login in role team_${tail}`,
      `create role outside_${tail} login`,
      `grant select on orders to direct_${tail}, team_${tail}`,
    );
    const scopes = [{ entitlement: "orders-db:read", scope: readOrders(place) }];
    const found = (await sweep(place, async (target) => (await target.others?.(scopes, [])) ?? [])).filter(
      ({ who }) => who.endsWith(tail) || who === "postgres" || who.startsWith("tg_"),
    );
    const hows = Object.fromEntries(found.map(({ who, how }) => [who, how]));
    assert.equal(hows[`direct_${tail}`], "directly");
    assert.equal(hows[`member_${tail}`], `is in team_${tail}`);
    assert.equal(hows["postgres"], "superuser");
    assert.equal(`outside_${tail}` in hows, false);
    assert.equal(roleOf(order) in hows, false, "what carries our mark is no unknown access");
    assert.equal(found.find(({ who }) => who === `direct_${tail}`)?.by, "postgres");
    assert.equal(
      found.every(({ since }) => since === null),
      true,
      "PostgreSQL keeps no since",
    );
    await asSuperuser(
      `drop owned by direct_${tail}, team_${tail}`,
      `drop role direct_${tail}, member_${tail}, team_${tail}, outside_${tail}`,
    );
    await revoke(place, order);
  });

  const grantorOf = async (order: TestOrder): Promise<string> =>
    String(
      await value(
        place,
        `select b.rolname from pg_auth_members m join pg_roles r on r.oid = m.member join pg_roles b on b.oid = m.grantor where r.rolname = '${roleOf(order)}'`,
      ),
    );
  const mended = (target: Awaited<ReturnType<typeof openTarget>>, order: TestOrder, give: boolean): Promise<void> =>
    target.mend?.(order, { remainingMs: HOUR_MS, give }) ?? assert.fail("it mends");
}
