/** The rules about what a grant has in common with others: rights that several hold, rights that stood before, other installations. */
import assert from "node:assert/strict";
import { newInstallationId } from "../../base/ids.ts";
import { OBSERVED_AS, type Observed } from "../../domain/observed.ts";
import {
  assertGone,
  assertIn,
  assertRefused,
  type Bench,
  enter,
  type Held,
  marked,
  refusal,
  sameRight,
} from "./bench.ts";
import type { ByHand } from "./fixture.ts";
import type { Rule } from "./rule.ts";

const ENTITLEMENT = "conformance:scope";

async function observed(bench: Bench, orders?: readonly Held[]): Promise<readonly Observed[]> {
  const sweep = await bench.openSweep();
  return sweep.observe(
    bench.installation,
    orders?.map(({ order }) => order),
  );
}

const ownOf = (all: readonly Observed[], { order }: Held): Observed => {
  const own = all.find(({ as, grant }) => as === "own" && grant === order.grant);
  assert.ok(own !== undefined, `observe does not list the access of grant ${order.grant}: ${JSON.stringify(all)}`);
  return own;
};

async function givenByHand(bench: Bench, held: Held): Promise<ByHand> {
  const byHand = await bench.place.byHand?.(held.order);
  assert.ok(byHand !== undefined, "the fixture has no byHand");
  return byHand;
}

export const SHARING: readonly Rule[] = [
  {
    rule: "overlap",
    name: "row 33: S07 of two grants of one person the first ends alone; the second goes on until it ends",
    after: ["proves"],
    needs: [],
    run: async (bench) => {
      const first = bench.grant();
      const second = bench.grant({ person: first.order.principal.handle });
      await bench.provision(first);
      await bench.provision(second);
      const visit = await enter(bench, second, "the second grant");
      await bench.revoke(first, sameRight(bench, first, second));
      if (!sameRight(bench, first, second)) await assertGone(bench, first, "the first grant");
      else assert.equal((await bench.probe(first)).own, "gone", "the first grant's own credential and sessions");
      assert.ok(await visit.works(), "the second grant's live access was cut by the end of the first");
      await visit.leave();
      await assertIn(bench, second, "the second grant, after the end of the first");
      const seen = await bench.probe(second);
      assert.equal(seen.right, "live", "the second grant's right, as the probe sees it");
      await bench.revoke(second);
      await assertGone(bench, second, "the second grant");
      await assertGone(bench, first, "the first grant, after both");
      assert.deepEqual(await marked(bench, bench.installation), [], "left on the target");
    },
  },
  {
    rule: "found",
    name: "row 43: S27 a right that somebody gave by hand before the grant stands after it as it did",
    after: ["overlap"],
    needs: ["byHand"],
    run: async (bench) => {
      const held = bench.grant();
      const byHand = await givenByHand(bench, held);
      try {
        const standing = await bench.claim(held, (target) => target.standing(held.order));
        assert.ok(await byHand.stands(), "it was taken by looking at it");
        await bench.provision(held);
        await assertIn(bench, held, "provisioned beside a standing right");
        await bench.revoke(held, standing);
        assert.ok(await byHand.stands(), "the standing right was taken with the grant");
        const { own, right } = await bench.probe(held);
        assert.equal(own, "gone", "the grant's own credential and sessions");
        assert.equal(right, standing ? "live" : "gone", "the right, as the probe sees it");
      } finally {
        await byHand.undo();
      }
    },
  },
  {
    rule: "observe",
    name: "S15 observe lists what carries our mark, with the grant it belongs to, and nothing of another installation",
    after: ["proves"],
    needs: ["marks"],
    run: async (bench) => {
      const [ours, theirs] = [bench.grant(), bench.grant({ installation: newInstallationId() })];
      assert.deepEqual(await observed(bench), [], "before anything was made");
      await bench.provision(ours);
      await bench.provision(theirs);
      const seen = await observed(bench);
      ownOf(seen, ours);
      const told = JSON.stringify(seen);
      assert.equal(told.includes(theirs.order.installation), false, `another installation's is listed: ${told}`);
      assert.equal(told.includes(theirs.order.grant), false, `another installation's is listed: ${told}`);
      assert.equal(new Set(seen.map(({ as, name }) => `${as} ${name}`)).size, seen.length, "two have the same name");
      for (const { as, name, what } of seen)
        assert.ok(
          OBSERVED_AS.includes(as) && name !== "" && what !== "",
          `not described: ${JSON.stringify({ as, name })}`,
        );
      for (const { name, more, less } of await observed(bench, [ours]))
        assert.deepEqual([...more, ...less], [], `${name} differs from its order, fresh as it is`);
      await bench.revoke(ours);
      assert.deepEqual(await observed(bench), [], "after the end");
      ownOf(await (await bench.openSweep()).observe(theirs.order.installation), theirs);
    },
  },
  {
    rule: "installations",
    name: "row 41: S28 whatever one installation does, what another has made stays",
    after: ["proves"],
    needs: [],
    run: async (bench) => {
      const person = bench.grant().order.principal.handle;
      const [ours, theirs] = [bench.grant({ person }), bench.grant({ person, installation: newInstallationId() })];
      await bench.provision(theirs);
      const before = await marked(bench, theirs.order.installation);
      await bench.provision(ours);
      const keep = sameRight(bench, ours, theirs);
      await bench.claim(ours, (target) => target.disable(ours.order, { keep }));
      await bench.revoke(ours, keep);
      await assertIn(bench, theirs, "another installation's grant");
      assert.deepEqual(await marked(bench, theirs.order.installation), before, "another installation's things");
    },
  },
  {
    rule: "remove",
    name: "S15 what no ledger knows is removed by what observe said of it, and nothing without our mark is",
    after: ["observe"],
    needs: ["marks"],
    run: async (bench) => {
      const [ours, theirs] = [bench.grant(), bench.grant({ installation: newInstallationId() })];
      await bench.provision(ours);
      await bench.provision(theirs);
      const visit = await enter(bench, ours, "provisioned");
      const foreign = ownOf(
        await (await bench.openSweep(theirs.order.installation)).observe(theirs.order.installation),
        theirs,
      );
      const own = ownOf(await observed(bench), ours);
      const sweep = await bench.openSweep();
      await refusal(sweep.remove(foreign), "another installation's is to be removed");
      await assertIn(bench, theirs, "another installation's grant");
      for (const time of ["first", "second"]) {
        const seen = await sweep.remove(own);
        assert.deepEqual([seen.own, seen.right], ["gone", "gone"], `the ${time} removal, as it saw it`);
      }
      await assertRefused(bench, ours, "removed");
      assert.equal(await visit.works(), false, "a live session goes on after the removal");
      for (const left of await observed(bench)) await sweep.remove(left);
      assert.deepEqual(await marked(bench, bench.installation), [], "left on the target");
    },
  },
  {
    rule: "unmarked",
    name: "where nothing can carry a mark, nothing is listed but what the orders name, and nothing is removed",
    after: ["proves"],
    needs: [],
    exempt: ({ place }) => (place.marked === undefined ? null : "what it makes carries marks"),
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      assert.deepEqual(await observed(bench), [], "listed without a mark and without an order");
      const seen = await observed(bench, [held]);
      const sweep = await bench.openSweep();
      for (const one of seen) await refusal(sweep.remove(one), "what carries no mark is to be removed");
      await assertIn(bench, held, "observed");
    },
  },
  {
    rule: "others",
    name: "who has access without any mark of ours is told on request, and our own grants are not among them",
    after: ["found"],
    needs: ["byHand"],
    run: async (bench) => {
      const [held, stranger] = [bench.grant(), bench.grant()];
      await bench.provision(held);
      const ask = async () => {
        const sweep = await bench.openSweep();
        return sweep.others?.([{ entitlement: ENTITLEMENT, scope: held.order.scope }], [held.order]);
      };
      const before = await ask();
      // It is an optional verb: a target may have no way to tell.
      if (before === undefined) return;
      const byHand = await givenByHand(bench, stranger);
      try {
        const after = (await ask()) ?? [];
        const known = new Set(before.map((one) => JSON.stringify([one.who, one.access, one.how])));
        const found = after.filter((one) => !known.has(JSON.stringify([one.who, one.access, one.how])));
        assert.equal(found.length > 0, true, `what was given by hand is not told: ${JSON.stringify(after)}`);
        for (const { who, entitlement, access, how } of found)
          assert.ok(
            who !== "" && entitlement === ENTITLEMENT && access !== "" && how !== "",
            "it is not told in words",
          );
        const told = JSON.stringify(after);
        assert.equal(told.includes(held.order.principal.handle), false, `a grant of ours is among them: ${told}`);
        await assertIn(bench, held, "asked about others");
      } finally {
        await byHand.undo();
      }
    },
  },
];
