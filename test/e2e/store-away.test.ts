/** The whole program while its own store is away. The oracle is a session on the target, and the target's catalogs. */
import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { isCut, journalHolds, OwnStore, sessionOf } from "../support/own-store.ts";
import { Served } from "../support/served.ts";
import { until } from "../support/until.ts";

let served: Served;
let store: OwnStore;
beforeEach(async () => {
  served = await Served.prepare();
  store = new OwnStore(served);
});
afterEach(async () => {
  await served.stop();
  await store.stop();
});

const roles = () =>
  served.onTarget<{ name: string; login: boolean }>(
    "select rolname as name, rolcanlogin as login from pg_roles where rolname like 'tg\\_%' order by 1",
  );

test("row 6: while the store is away access that ends is shut on the target, also by a process that was killed and started again; back, it is proven", async () => {
  await store.start();
  await served.boot();
  const [first, second, third] = [
    await served.granted("30s"),
    await served.granted("60s"),
    await served.granted("59m"),
  ];
  const [one, two, three] = [
    await sessionOf(served, first),
    await sessionOf(served, second),
    await sessionOf(served, third),
  ];
  await until(async () => (await one.query("select 1")).rowCount === 1, { what: "a session" });
  // Everything is in the journal a moment after it happened.
  await journalHolds(served, 3);

  await store.stop();
  await isCut(one);
  await two.query("select 1");
  assert.deepEqual((await roles()).map(({ login }) => login).sort(), [false, true, true], "shut, and nothing dropped");
  await assert.rejects(served.client("erin").me(), { code: "store-away", status: 503 });
  const ready = await fetch(`${served.url}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /shut from the journal/);
  assert.equal((await fetch(`${served.url}/healthz`)).status, 200);

  await served.end("SIGKILL");
  const waiting = served.bootWaiting();
  await waiting;
  await assert.rejects(served.client("erin").me(), { code: "store-away", status: 503 });
  await isCut(two);
  await three.query("select 1");

  await store.start();
  await served.serves();
  for (const id of [first, second]) {
    const grant = await served.grantIs(id, "revoked");
    assert.equal(grant.ended?.cause, "expired");
    assert.equal(grant.receipt?.evidence.kind, "gone");
    const { entries } = await served.client("carol").listAudit({ grant: id });
    assert.ok(
      entries.some(({ kind }) => kind === "grant.shut"),
      `${id} ${JSON.stringify(entries.map(({ kind }) => kind))}`,
    );
  }
  assert.equal((await served.client("erin").getGrant(third)).state, "active");
  await three.query("select 1");
  await three.end();
  assert.equal((await roles()).length, 1);
});

test("row 6: a process whose embedded store cannot be started stays up for the journal, and stops when it is told; with nothing in the journal it exits", async () => {
  await served.boot();
  const grant = await served.granted("30s");
  const one = await sessionOf(served, grant);
  await served.end("SIGTERM");
  const data = join(served.dataDir, "store", "data");
  renameSync(join(data, "global"), join(data, "global-gone"));
  await served.bootWaiting();
  await isCut(one);
  await served.end("SIGTERM");
  assert.match(served.output, /stopped while the store was away/);
  renameSync(join(data, "global-gone"), join(data, "global"));
  await served.boot();
  await served.grantIs(grant, "revoked");
  await served.end("SIGTERM");
  renameSync(join(data, "global"), join(data, "global-gone"));
  await served.refused();
  renameSync(join(data, "global-gone"), join(data, "global"));
});
