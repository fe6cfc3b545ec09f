/** The PostgreSQL connector shaken on real servers: whatever happens on the way, whoever goes on trying gets there. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { chaos } from "../../src/connector/chaos.ts";
import type { FaultRates } from "../../src/connector/chaos-plan.ts";
import type { Target } from "../../src/connector/connector.ts";
import { postgres } from "../../src/connectors/postgres/postgres.ts";
import type { PostgresScope } from "../../src/connectors/postgres/scope.ts";
import type { PostgresVersion } from "../support/postgres-server.ts";
import {
  assertGone,
  groupOf,
  HOUR_MS,
  isRole,
  makePlace,
  newOrder,
  type Place,
  personUrl,
  readOrders,
  signIn,
} from "./connector-postgres-support.ts";

const SEEDS = 16;
const ATTEMPTS_MAX = 60;
/** What is not done and said to be done is left out: only the host's probe finds that. */
const FAULTS: FaultRates = { "error-before": 0.1, "lost-reply": 0.1, duplicate: 0.1, cut: 0.2, restart: 0.05 };
const RATES = { provision: { ...FAULTS, forget: 0.1 }, revoke: { ...FAULTS, forget: 0.1 }, open: 0 };

export function shaken(version: PostgresVersion, admin: Place["admin"]): void {
  let place: Place;
  before(async () => {
    place = await makePlace(version, admin);
  });

  test("S14 lost replies, duplicates, broken connections: a grant comes whole, and goes without a trace", async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const it = chaos(postgres, { plan: { seed, rates: RATES }, delayMaxMs: 60 });
      const order = newOrder(place, readOrders(place));
      const connection = it.connector.connection.parse({ url: place.adminUrl });
      let fence = 0;
      const insist = async (work: (target: Target<PostgresScope>) => Promise<unknown>): Promise<void> => {
        for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
          const actor = { installation: place.installation, grant: order.grant, fence: ++fence };
          const target = await it.connector.open(connection, { signal: AbortSignal.timeout(60_000), actor });
          const done = await work(target).then(
            () => true,
            () => false,
          );
          await target.close();
          if (done) return;
        }
        assert.fail(`seed ${seed}: never done\n${it.story()}`);
      };
      await insist((target) => target.provision(order, { secret: order.secret, remainingMs: HOUR_MS }));
      const person = await signIn(personUrl(place, order));
      assert.equal((await person.query("select * from orders")).rowCount, 2, `seed ${seed}\n${it.story()}`);
      await insist((target) => target.revoke(order, { keep: false }));
      await assert.rejects(person.query("select 1"), `seed ${seed}\n${it.story()}`);
      await assertGone(place, order);
      assert.equal(await isRole(place, groupOf(order)), false, `seed ${seed}\n${it.story()}`);
      for (const { fault } of it.events) if (fault !== null) seen.add(fault);
      await it.release();
    }
    assert.deepEqual([...seen].sort(), [...Object.keys(FAULTS), "forget"].sort(), "every fault has come");
  });
}
