/** The store hangs when a grant ends: its processes are stopped, its sockets stay open, and no error ever comes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { journalHolds } from "../../support/own-store.ts";
import { assertLivedOnce, leftOnTarget, logWithAllConfirmed } from "../crash/oracle.ts";
import { signIn } from "../crash/place.ts";
import { cannotStopServers, stopServer } from "../crash/processes.ts";
import { Fleet, soon } from "./fleet.ts";

let fleet: Fleet;
before(async () => {
  fleet = await Fleet.prepare(1);
  await fleet.boot();
});
after(() => fleet.stop());

test("row 6: while the store hangs the login of a grant that ends is shut and its session cut; when it goes on, it is revoked with proof", {
  skip: cannotStopServers,
}, async (t) => {
  const served = fleet.first;
  const id = await served.granted("30s");
  const credential = await served.credential(id);
  const session = await signIn(credential);
  await journalHolds(served, 1);
  const goOn = await stopServer(fleet.store.superuserUrl);
  t.after(goOn);
  await soon("the login to be shut from the journal", async () => {
    const [login] = await served.onTarget<{ open: boolean }>(
      "select rolcanlogin as open from pg_roles where rolname = $1",
      [credential.username],
    );
    return login?.open === false;
  });
  await soon("the session to be cut", async () =>
    session.query("select 1").then(
      () => null,
      () => true,
    ),
  );
  const [there] = await served.onTarget("select from pg_roles where rolname = $1", [credential.username]);
  assert.ok(there !== undefined, "only shut: what undoes the rest is in the ledger");
  goOn();
  await soon("the grant to be revoked", async () => {
    const grant = await served
      .client("erin")
      .getGrant(id)
      .catch(() => null);
    return grant?.state === "revoked";
  });
  assertLivedOnce(await logWithAllConfirmed(served, [id]), id);
  assert.deepEqual(await leftOnTarget(served), []);
});
