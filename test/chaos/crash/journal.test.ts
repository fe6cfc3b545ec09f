/** A real server that is killed while its store is away, at each step of what the journal does. The oracle is the target. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { FailpointName } from "../../../src/base/failpoint.ts";
import { isCut, journalHolds, OwnStore, sessionOf } from "../../support/own-store.ts";
import { Served } from "../../support/served.ts";

let served: Served;
let store: OwnStore;
beforeEach(async () => {
  served = await Served.prepare();
  store = new OwnStore(served);
  await store.start();
});
afterEach(async () => {
  await served.stop();
  await store.stop();
});

/** From the next start on; null: none. */
function arm(point: FailpointName | null, action = "kill"): void {
  const { DATABASE_URL = "" } = served.env;
  const fired = join(served.dir, "fired");
  served.env =
    point === null
      ? { DATABASE_URL }
      : { DATABASE_URL, TIDEGATE_FAILPOINTS: `${point}=${action}`, TIDEGATE_FAILPOINTS_FILE: fired };
}

const provenAndTold = async (grant: string): Promise<void> => {
  const { receipt } = await served.grantIs(grant, "revoked");
  assert.equal(receipt?.evidence.kind, "gone");
  const { entries } = await served.client("carol").listAudit({ grant });
  assert.ok(
    entries.some(({ kind }) => kind === "grant.shut"),
    JSON.stringify(entries.map(({ kind }) => kind)),
  );
  assert.deepEqual(await served.logins(), []);
};

const STEPS = [
  "journal.shut.after-begun",
  "postgres.disable.after-shut",
  "journal.shut.after-done",
] as const satisfies readonly FailpointName[];

for (const point of STEPS)
  test(`row 6: killed at ${point} while the store is away, the next process shuts what is due, and the ledger is told`, async () => {
    arm(point);
    await served.boot();
    const grant = await served.granted("30s");
    const session = await sessionOf(served, grant);
    await journalHolds(served, 1);
    await store.stop();
    assert.equal(await served.ended(), "SIGKILL");
    arm(null);
    await served.bootWaiting();
    await isCut(session);
    assert.deepEqual(await served.logins(), []);
    await store.start();
    await served.serves();
    await provenAndTold(grant);
  });

test("row 6: killed after the ledger was told at journal.report.after-commit, it is told at most once more, and ends the same", async () => {
  arm("journal.report.after-commit");
  await served.boot();
  const grant = await served.granted("30s");
  const session = await sessionOf(served, grant);
  await journalHolds(served, 1);
  await store.stop();
  await isCut(session);
  await store.start();
  assert.equal(await served.ended(), "SIGKILL");
  arm(null);
  await served.boot();
  await provenAndTold(grant);
});

test("row 6: killed at journal.write.before-sync, in the middle of writing, what was kept before is still read", async () => {
  await served.boot();
  const grant = await served.granted("60s");
  const session = await sessionOf(served, grant);
  await served.end("SIGTERM");
  arm("journal.write.before-sync", "kill@2");
  await served.boot();
  await served.granted("5m").catch(() => undefined);
  assert.equal(await served.ended(), "SIGKILL");
  await store.stop();
  arm(null);
  await served.bootWaiting();
  await isCut(session);
  await store.start();
  await served.serves();
  const { entries } = await served.client("carol").listAudit({ grant });
  assert.ok(entries.some(({ kind }) => kind === "grant.shut"));
});
