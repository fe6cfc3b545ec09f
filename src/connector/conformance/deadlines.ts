/** The rules about claims that end: signals, and workers that wake up late. */
import assert from "node:assert/strict";
import type { Target } from "../connector.ts";
import { assertGone, assertIn, type Held, HOUR_MS, insist, marked, refusal } from "./bench.ts";
import { duringOutage, settled } from "./outage.ts";
import type { Rule } from "./rule.ts";

const BEFORE_ABORT_MS = 200;

/** As many as `verbsOf` has. */
const VERBS = 9;

type Call = readonly [verb: string, call: () => Promise<unknown>];

/** Every verb but `close`, each of which must end with the signal. */
function verbsOf(target: Target<unknown>, { order, secret }: Held): Call[] {
  const observed = { as: "own", name: "nothing", what: "nothing", grant: null, scopeHash: null, since: null } as const;
  const nothing = { ...observed, by: null, remainingMs: null, more: [], less: [] };
  return [
    ["identify", () => target.identify()],
    ["standing", () => target.standing(order)],
    ["provision", () => target.provision(order, { secret, remainingMs: HOUR_MS })],
    ["extend", () => target.extend(order, { remainingMs: HOUR_MS })],
    ["revoke", () => target.revoke(order, { keep: false })],
    ["disable", () => target.disable(order, { keep: false })],
    ["probe", () => target.probe(order)],
    ["observe", () => target.observe(order.installation, [order])],
    ["remove", () => target.remove(nothing)],
  ];
}

export const DEADLINES: readonly Rule[] = [
  {
    rule: "aborted",
    name: "after the signal has aborted nothing is changed any more, and no change is said to be done",
    after: ["proves"],
    needs: [],
    run: async (bench) => {
      const [fresh, given] = [bench.grant(), bench.grant()];
      await bench.provision(given);
      const before = await marked(bench, bench.installation);
      for (const held of [fresh, given]) {
        const controller = new AbortController();
        const target = await bench.open(held, { signal: controller.signal });
        controller.abort();
        for (const [verb, call] of verbsOf(target, held)) {
          // Extending may be nothing at all, where the target ends nothing by itself.
          if (!["provision", "revoke", "disable"].includes(verb)) continue;
          const answer = await settled(call(), bench.letGoMs);
          assert.ok(answer !== null && "error" in answer, `${verb} did not stop at the signal`);
        }
      }
      assert.deepEqual(await marked(bench, bench.installation), before, "something was made or taken");
      assert.notEqual((await bench.probe(fresh)).right, "live", "access was given after the signal");
      await assertIn(bench, given, "the grant that was there");
    },
  },
  {
    rule: "hangs",
    name: "row 19: a target that hangs holds nobody: every verb, opening too, ends with the signal",
    after: ["aborted"],
    needs: ["outage", "hangs"],
    run: async (bench) => {
      const controller = new AbortController();
      const { signal } = controller;
      const calls: Call[] = [];
      const all: Held[] = [];
      for (const index of Array(VERBS).keys()) {
        // A grant each: a later claim of the same one would end the earlier.
        const held = bench.grant();
        all.push(held);
        await bench.provision(held);
        const call = verbsOf(await bench.open(held, { signal }), held)[index];
        if (call !== undefined) calls.push(call);
      }
      calls.push(["open", () => bench.open(bench.grant(), { signal })]);
      await duringOutage(bench, async () => {
        const started = calls.map(([verb, call]) => [verb, call()] as const);
        await Promise.all(started.map(([, work]) => settled(work, BEFORE_ABORT_MS)));
        controller.abort();
        const ended = await Promise.all(started.map(([, work]) => settled(work, bench.letGoMs)));
        for (const [index, answer] of ended.entries())
          assert.ok(answer !== null, `${calls[index]?.[0]} went on waiting after the signal`);
      });
      // What had reached the target may have been done when it woke up: the answer was lost, no more.
      for (const held of all) {
        await insist(() => bench.revoke(held));
        await assertGone(bench, held, "revoked after the outage");
      }
    },
  },
  {
    rule: "fencing",
    name: "S29 a later claim ends what an earlier one of the same grant has open; other grants' sessions go on",
    after: ["proves"],
    needs: ["fencing"],
    run: async (bench) => {
      const [held, other] = [bench.grant(), bench.grant()];
      const [early, late] = [1_000, 1_001];
      const paused = await bench.open(held, { fence: early });
      const bystander = await bench.open(other, { fence: 1 });
      const successor = await bench.open(held, { fence: late });
      await refusal(
        paused.provision(held.order, { secret: held.secret, remainingMs: HOUR_MS }),
        "a worker that was taken over has given access",
      );
      assert.equal((await successor.probe(held.order)).right, "gone", "a worker that was taken over has given access");
      await refusal(bench.open(held, { fence: early }), "an earlier claim has opened after a later one");
      await bystander.identify();
      const made = await bystander.provision(other.order, { secret: other.secret, remainingMs: HOUR_MS });
      other.delivery = made.delivery;
      await assertIn(bench, other, "another grant, worked on meanwhile");
      const given = await successor.provision(held.order, { secret: held.secret, remainingMs: HOUR_MS });
      held.delivery = given.delivery;
      await held.order.remember(given.details);
      await assertIn(bench, held, "the grant, by the later claim");
      await Promise.all([paused.close(), bystander.close(), successor.close()]);
      const last = await bench.open(held, { fence: late + 1 });
      await last.revoke(held.order, { keep: false });
      assert.equal((await last.probe(held.order)).right, "gone", "revoked by the last claim");
    },
  },
];
