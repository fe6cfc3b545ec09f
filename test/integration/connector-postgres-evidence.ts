/** What the connector believes, and whom: probes, marks, and what is somebody else's. */
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
  urlWith,
  value,
} from "./connector-postgres-support.ts";

export function evidence(version: PostgresVersion, admin: Place["admin"]): void {
  let place: Place;
  before(async () => {
    place = await makePlace(version, admin);
  });

  test("a role that somebody else dropped leaves a session, which is found by its OID and ended", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const person = await signIn(personUrl(place, order));
    await sql(place.superuserUrl, `drop role ${roleOf(order)}`);
    const seen = await probe(place, order);
    assert.equal(seen.own, "live", JSON.stringify(seen));
    if (admin === "createrole") {
      // Nobody but a superuser, or a member of pg_signal_backend, may end a session whose role is gone.
      await assert.rejects(revoke(place, order), isTargetError("not-permitted", /pg_signal_backend/));
      await sql(place.superuserUrl, `grant pg_signal_backend to ${new URL(place.adminUrl).username}`);
    }
    await revoke(place, order);
    await assert.rejects(person.query("select 1"));
    await assertGone(place, order);
  });

  test("S03 while the role may still log in the probe says so: nothing but a proven refusal is gone", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const live = await probe(place, order);
    assert.equal(live.own, "live");
    assert.equal(live.right, "live");
    assert.match(JSON.stringify(live.observations), /signed in/);
    await sql(place.superuserUrl, `alter role ${roleOf(order)} connection limit 0`);
    const full = await probe(place, order);
    assert.equal(full.own, "unknown", JSON.stringify(full));
    assert.match(JSON.stringify(full.observations), /53300/);
    await sql(place.superuserUrl, `alter role ${roleOf(order)} nologin`);
    const shut = await probe(place, order);
    assert.equal(shut.own, "gone", JSON.stringify(shut));
    assert.ok(shut.observations.some((one) => one.code === "28000"));
    assert.deepEqual(shut.remains, [`role ${roleOf(order)} is there`]);
    await revoke(place, order);
    await assertGone(place, order);
  });

  test("S15 a role of that very name without our mark is a conflict and is not touched", async () => {
    const order = newOrder(place, readOrders(place));
    const role = roleOf(order);
    await sql(place.superuserUrl, `create role ${role} login password 'theirs'`);
    await assert.rejects(
      claim(place, order, (target) => target.standing(order)),
      isTargetError("conflict", /mark/, false),
    );
    await assert.rejects(provision(place, order), isTargetError("conflict"));
    await assert.rejects(revoke(place, order), isTargetError("conflict"));
    assert.equal((await probe(place, order)).own, "unknown");
    await (await signIn(urlWith(place.superuserUrl, { user: role, password: "theirs" }))).end();
    assert.equal(await isRole(place, groupOf(order)), false, "and nothing else was made");
    await sql(place.superuserUrl, `drop role ${role}`);
    assert.equal(await claim(place, order, (target) => target.standing(order)), false);
    await assertGone(place, order);
  });

  test("a login that somebody renamed, or took the comment from, is still ours by what was remembered", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const role = roleOf(order);
    const other = `renamed_${place.database}`;
    await sql(place.superuserUrl, `comment on role ${role} is null`);
    assert.equal((await probe(place, order)).own, "live");
    await sql(place.superuserUrl, `alter role ${role} rename to ${other}`);
    assert.equal((await probe(place, order)).own, "unknown");
    await assert.rejects(revoke(place, order), isTargetError("conflict", /renamed_/));
    await sql(place.superuserUrl, `comment on role ${other} is 'tidegate:${place.installation}:grant:${order.grant}'`);
    await revoke(place, order);
    await assertGone(place, order);
    assert.equal(await isRole(place, other), false);
  });

  test("row 41: observe lists what carries our mark, never another installation's", async () => {
    const other = { ...place, installation: (await makePlace(version, admin)).installation };
    const [ours, theirs] = [newOrder(place, readOrders(place)), newOrder(other, readOrders(place))];
    await provision(place, ours);
    await provision(other, theirs);
    await sql(place.superuserUrl, `create role tg_${place.installation}_unmarked`);
    const seen = await claim(place, ours, (target) => target.observe(place.installation));
    assert.deepEqual(
      seen.map(({ grant, name, what }) => ({ grant, name, what })),
      [
        { grant: ours.grant, name: roleOf(ours), what: "login role" },
        { grant: null, name: groupOf(ours), what: "group role" },
      ],
    );
    await sql(place.superuserUrl, `drop role tg_${place.installation}_unmarked`);
    await revoke(place, ours);
    await (await signIn(personUrl(place, theirs))).end();
    await revoke(other, theirs);
    assert.deepEqual(await claim(place, ours, (target) => target.observe(place.installation)), []);
  });

  test("the identity is the server's, and its position grows", async () => {
    const order = newOrder(place, readOrders(place));
    const before = await claim(place, order, (target) => target.identify());
    assert.equal(
      before.identity,
      `postgres:${String(await value(place, "select system_identifier::text from pg_control_system()"))}`,
    );
    await sql(place.superuserUrl, `create role brief_${place.database}`, `drop role brief_${place.database}`);
    const later = await claim(place, order, (target) => target.identify());
    assert.ok(BigInt(later.position ?? 0) > BigInt(before.position ?? 0));
  });
}
