/** The store finds by its indexes whom the domain means. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { sql } from "kysely";
import { candidatesAmong, type Sought } from "../../src/domain/candidates.ts";
import type { Source } from "../../src/domain/policy.ts";
import { ROLES } from "../../src/domain/principal.ts";
import { principal } from "../../src/domain/request-fixture.ts";
import { putAbsence } from "../../src/store/absences.ts";
import { activePrincipals, candidatesFor, putPrincipal } from "../../src/store/principals.ts";
import { createWorld } from "../support/world.ts";

const RUNS = process.env["TIDEGATE_LONG"] === undefined ? 150 : 5_000;
const PEOPLE = 40;
const GROUPS = ["sre", "leads", "security", 'it\'s "quoted"', "a,b"];
const HOUR_MS = 3_600_000;

test("the store answers whom the domain means, with absences, and nobody who has left", async (t) => {
  const world = await createWorld();
  t.after(() => world.stop());
  const { db } = world.context;
  const some = <T>(all: readonly T[], n: number): T[] => all.filter((_, i) => (n * 7 + i * 3) % 5 === 0);
  const people = Array.from({ length: PEOPLE }, (_, n) =>
    principal(`p${n}`, { groups: some(GROUPS, n), roles: some(ROLES, n + 1), active: n % 6 !== 5 }),
  );
  const nowMs = await world.context.ledger.nowMs();
  await db.transaction().execute(async (tx) => {
    for (const one of people) await putPrincipal(tx, one, nowMs);
    for (const [n, one] of people.entries()) {
      const [delegate, by] = [people[(n + 3) % PEOPLE], people[(n + 1) % PEOPLE]];
      if (n % 3 !== 0 || delegate === undefined || by === undefined) continue;
      const delegateId = n % 9 === 0 ? null : delegate.id;
      await putAbsence(tx, one.id, { untilMs: nowMs + HOUR_MS, delegateId, setBy: by.id }, nowMs);
    }
  });
  const everybody = await activePrincipals(db);
  const ids = people.map(({ id }) => id);
  const source = fc.constantFrom<Source>(
    ...GROUPS.map((group): Source => `group:${group}`),
    ...people.map(({ handle }): Source => `user:${handle}`),
  );
  const sought: fc.Arbitrary<Sought> = fc.record({
    sources: fc.uniqueArray(source, { maxLength: 3 }),
    roles: fc.uniqueArray(fc.constantFrom(...ROLES), { maxLength: 1 }),
    ids: fc.uniqueArray(fc.constantFrom(...ids), { maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(sought, async (one) => {
      assert.deepEqual(await candidatesFor(db, one), candidatesAmong(everybody, one));
    }),
    { numRuns: RUNS },
  );

  // An absence that has ended counts for nobody, whoever is looked at because of it.
  await sql`update absences set since = since - interval '2 hours', until = since - interval '1 second'`.execute(db);
  const [first] = people;
  const found = await candidatesFor(db, { sources: [], roles: [], ids: first === undefined ? [] : [first.id] });
  assert.ok(found.some(({ id }) => id === first?.id));
  assert.ok(found.every(({ away }) => away === undefined));
});
