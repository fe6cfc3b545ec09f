/** Shutting a login while our own store is away: it cuts as revoke does, and leaves everything that revoke needs. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { PostgresVersion } from "../support/postgres-server.ts";
import {
  assertGone,
  claim,
  groupOf,
  isRole,
  isTargetError,
  makePlace,
  newOrder,
  type Place,
  personUrl,
  probe,
  provision,
  readOrders,
  revoke,
  roleOf,
  signIn,
  sql,
  type TestOrder,
  value,
} from "./connector-postgres-support.ts";

/** As the journal calls it: nothing can be remembered, for the store is away. */
const disable = (place: Place, order: TestOrder): Promise<void> =>
  claim(place, order, (target) =>
    target.disable({ ...order, remember: () => assert.fail("the store is away") }, { keep: false }),
  );

export function disabling(version: PostgresVersion, admin: Place["admin"]): void {
  let place: Place;
  before(async () => {
    place = await makePlace(version, admin);
  });

  test("disabling cuts live sessions, even after SET ROLE, refuses new logins, and removes nothing", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    await sql(
      place.superuserUrl,
      `create role mask_${place.database}`,
      `grant mask_${place.database} to ${roleOf(order)}`,
    );
    const [plain, masked] = [await signIn(personUrl(place, order)), await signIn(personUrl(place, order))];
    await masked.query(`set role mask_${place.database}`);
    for (const _ of [1, 2]) await disable(place, order);
    await assert.rejects(plain.query("select 1"));
    await assert.rejects(masked.query("select 1"));
    await assert.rejects(signIn(personUrl(place, order)), { code: "28000" });
    assert.equal(await isRole(place, roleOf(order)), true);
    assert.equal(await isRole(place, groupOf(order)), true);
    assert.equal(
      await value(
        place,
        `select has_table_privilege('${roleOf(order)}', 'orders', 'SELECT') and rolvaliduntil > now() from pg_roles where rolname = '${roleOf(order)}'`,
      ),
      true,
    );
    const seen = await probe(place, order);
    assert.deepEqual([seen.own, seen.right], ["gone", "gone"], JSON.stringify(seen));
    assert.match(seen.remains.join(), /is there/);
    await revoke(place, order);
    await assertGone(place, order);
    await sql(place.superuserUrl, `drop role mask_${place.database}`);
  });

  test("disabling one grant leaves the other's login and sessions working", async () => {
    const [first, second] = [newOrder(place, readOrders(place)), newOrder(place, readOrders(place))];
    await provision(place, first);
    await provision(place, second);
    const other = await signIn(personUrl(place, second));
    await disable(place, first);
    assert.equal((await other.query("select * from orders")).rowCount, 2);
    await other.end();
    await (await signIn(personUrl(place, second))).end();
    for (const order of [first, second]) {
      await revoke(place, order);
      await assertGone(place, order);
    }
  });

  test("disabling the absent succeeds, and a stranger of that name is not touched", async () => {
    const never = newOrder(place, readOrders(place));
    await disable(place, never);
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    await revoke(place, order);
    await disable(place, order);
    await assertGone(place, order);
    await sql(place.superuserUrl, `create role ${roleOf(never)} login`);
    await assert.rejects(disable(place, never), isTargetError("conflict", /does not carry our mark/));
    assert.equal(await value(place, `select rolcanlogin from pg_roles where rolname = '${roleOf(never)}'`), true);
    await sql(place.superuserUrl, `drop role ${roleOf(never)}`);
  });

  test("logins that race the disabling all end", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    let done = false;
    const racer = async (): Promise<void> => {
      while (!done) await signIn(personUrl(place, order)).catch(() => undefined);
    };
    const racers = [racer(), racer(), racer()];
    await disable(place, order).finally(() => {
      done = true;
    });
    await Promise.all(racers);
    assert.equal(
      await value(place, `select count(*)::int from pg_stat_activity where usename = '${roleOf(order)}'`),
      0,
    );
    await revoke(place, order);
    await assertGone(place, order);
  });
}
