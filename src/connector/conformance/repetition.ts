/** The rules about crashes and lost answers: every verb once or often, whole or in part, ends in the same state. */
import assert from "node:assert/strict";
import { assertGone, assertIn, assertRefused, type Bench, type Held, HOUR_MS, insist, marked } from "./bench.ts";
import type { Rule } from "./rule.ts";

const TIMES = 3;
/** At how many moments of a verb the connection is broken. */
const BREAKS = 5;
const GRANTS = 50;

/** Forgets what a verb returned, as when its answer was lost or its caller crashed; what it remembered itself stays. */
async function provisionUnheard(bench: Bench, held: Held): Promise<void> {
  const give = { secret: held.secret, remainingMs: HOUR_MS };
  held.delivery = (await bench.claim(held, (target) => target.provision(held.order, give))).delivery;
}

export const REPETITION: readonly Rule[] = [
  {
    rule: "repeat",
    name: "every verb may be repeated: the end is the same as after once",
    after: ["absent"],
    needs: [],
    run: async (bench) => {
      const held = bench.grant();
      for (let time = 1; time <= TIMES; time++) {
        await provisionUnheard(bench, held);
        await assertIn(bench, held, `provisioned ${time} times`);
      }
      const there = await marked(bench, bench.installation);
      await bench.provision(held);
      assert.deepEqual(await marked(bench, bench.installation), there, "another provisioning has made more");
      for (let time = 1; time <= TIMES; time++)
        await bench.claim(held, (target) => target.extend(held.order, { remainingMs: HOUR_MS }));
      await assertIn(bench, held, "extended several times");
      for (let time = 1; time <= TIMES; time++) {
        await bench.revoke(held);
        await assertGone(bench, held, `revoked ${time} times`);
      }
      assert.deepEqual(await marked(bench, bench.installation), [], "left on the target");
    },
  },
  {
    rule: "lost-reply",
    name: "what was done while the answer was lost is found again by the names of the lease alone",
    after: ["repeat"],
    needs: [],
    run: async (bench) => {
      const given = bench.grant();
      await provisionUnheard(bench, given);
      // It is not wanted any more, and nobody knows more than what the lease holds.
      await bench.revoke(given);
      await assertGone(bench, given, "given, unheard, revoked");
      assert.deepEqual(await marked(bench, bench.installation), [], "left by a provisioning whose answer was lost");
      const again = bench.grant();
      for (const _ of [1, 2]) await provisionUnheard(bench, again);
      for (const _ of [1, 2]) await bench.revoke(again);
      await assertGone(bench, again, "revoked, unheard, revoked again");
      assert.deepEqual(await marked(bench, bench.installation), [], "left on the target");
    },
  },
  {
    rule: "half-way",
    name: "S14 whatever part of a verb was done when the connection broke, doing it again mends it, and revoking takes it all",
    after: ["lost-reply"],
    needs: [],
    run: async (bench) => {
      const tookMs = await spanOf(bench);
      for (let part = 0; part <= BREAKS; part++) {
        const breakAfterMs = (tookMs * part) / BREAKS;
        const where = `broken after ${part} of ${BREAKS} parts`;
        const [undone, redone] = [bench.grant(), bench.grant()];
        for (const held of [undone, redone]) await broken(bench, held, "provision", breakAfterMs);
        await bench.revoke(undone);
        await assertGone(bench, undone, `provisioning ${where}, revoked`);
        await bench.provision(redone);
        await assertIn(bench, redone, `provisioning ${where}, done again`);
        await broken(bench, redone, "revoke", breakAfterMs);
        await bench.revoke(redone);
        await assertGone(bench, redone, `revoking ${where}, done again`);
      }
      await forgotten(bench);
      assert.deepEqual(await marked(bench, bench.installation), [], "left on the target");
    },
  },
  {
    rule: "many",
    name: `${GRANTS} grants at once come and go, and nothing of them is left`,
    after: ["repeat"],
    needs: [],
    run: async (bench) => {
      const all = Array.from({ length: GRANTS }, () => bench.grant());
      await Promise.all(all.map((held) => insist(() => bench.provision(held))));
      await Promise.all(all.map((held) => assertIn(bench, held, "one of many")));
      await Promise.all(all.map((held) => insist(() => bench.revoke(held))));
      await Promise.all(
        all.map(async (held) => {
          const { own, right, remains } = await bench.probe(held);
          assert.deepEqual([own, right], ["gone", "gone"], "one of many, revoked: the probe");
          // Two that cleaned up the same thing may each have left it to the other: the host comes back for it.
          if (remains.length > 0) await insist(() => bench.revoke(held));
        }),
      );
      for (const held of all) await assertRefused(bench, held, "one of many, revoked");
      assert.deepEqual(await marked(bench, bench.installation), [], "left on the target");
    },
  },
];

/** About how long provisioning takes here, opening included. */
async function spanOf(bench: Bench): Promise<number> {
  const held = bench.grant();
  const before = performance.now();
  await bench.provision(held);
  const span = performance.now() - before;
  await bench.revoke(held);
  return span;
}

/** Begins a verb and breaks the connection after a while. */
async function broken(bench: Bench, held: Held, verb: "provision" | "revoke", afterMs: number): Promise<void> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), afterMs);
  try {
    const target = await bench.open(held, { signal: controller.signal });
    if (verb === "revoke") await target.revoke(held.order, { keep: false });
    else {
      const made = await target.provision(held.order, { secret: held.secret, remainingMs: HOUR_MS });
      held.delivery = made.delivery;
    }
  } catch {
    // That it fails is what this is for.
  } finally {
    clearTimeout(timer);
  }
}

/** What cannot be remembered stops the connector; what it had made by then is taken by its names. */
async function forgotten(bench: Bench): Promise<void> {
  for (const verb of ["provision", "revoke"] as const) {
    const held = bench.grant();
    if (verb === "revoke") await bench.provision(held);
    const order = { ...held.order, remember: () => Promise.reject(new Error("the store is away")) };
    await bench
      .claim(held, async (target) => {
        if (verb === "revoke") await target.revoke(order, { keep: false });
        else await target.provision(order, { secret: held.secret, remainingMs: HOUR_MS });
      })
      .catch(() => undefined);
    await bench.revoke(held);
    await assertGone(bench, held, `${verb} that could remember nothing, revoked`);
    assert.deepEqual(await marked(bench, bench.installation), [], `left by a ${verb} that could remember nothing`);
  }
}
