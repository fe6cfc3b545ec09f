/** The rules about what a grant is: names, scope, in, out, and proven. */
import assert from "node:assert/strict";
import { assertGone, assertIn, assertRefused, enter, HOUR_MS, marked, newSecret, refusal } from "./bench.ts";
import type { Rule } from "./rule.ts";

const NO_SECRET = "its access comes without a secret";

export const LIFE: readonly Rule[] = [
  {
    rule: "names",
    name: "the names are known before anything is made: the same intent gives the same names and the same right",
    after: [],
    needs: [],
    run: async (bench) => {
      const { connector } = bench;
      const { order } = bench.grant();
      const again = connector.intend(order);
      assert.deepEqual(JSON.parse(JSON.stringify(again.names)), order.names, "a second intend gives other names");
      assert.equal(connector.intend(order).right, again.right, "a second intend gives another right");
      assert.notEqual(again.right, "", "the right has no name");
    },
  },
  {
    rule: "scope",
    name: "a scope that opens a back door is refused, and one that is taken reads the same after parsing again",
    after: [],
    needs: [],
    run: async ({ connector, place }) => {
      const scope = connector.scope.parse(place.scope);
      assert.deepEqual(connector.scope.parse(scope), scope, "parsing changes a parsed scope");
      assert.deepEqual(
        connector.scope.parse(JSON.parse(JSON.stringify(scope))),
        scope,
        "a scope changes when it is stored as JSON",
      );
      assert.notEqual(place.refused.length, 0, "the fixture names no scope that must be refused");
      for (const refused of place.refused)
        assert.equal(connector.scope.safeParse(refused).success, false, `taken: ${JSON.stringify(refused)}`);
      const sentences = connector.describe(scope);
      assert.ok(
        sentences.length > 0 && sentences.every((sentence) => sentence.trim() !== ""),
        "the approver has nothing to read",
      );
      assert.equal(connector.includes(scope, scope), true, "a scope does not include itself");
    },
  },
  {
    rule: "gives",
    name: "who is given access gets in, and nobody before",
    after: ["names"],
    needs: [],
    run: async (bench) => {
      const held = bench.grant();
      assert.equal(await bench.claim(held, (target) => target.standing(held.order)), false, "it stands already");
      await bench.provision(held);
      await assertIn(bench, held, "provisioned");
    },
  },
  {
    rule: "takes",
    name: "who is revoked is refused, and nothing of the grant is left",
    after: ["gives"],
    needs: [],
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      await bench.revoke(held);
      await assertRefused(bench, held, "revoked");
      assert.deepEqual(await marked(bench, bench.installation), [], "left on the target");
    },
  },
  {
    rule: "proves",
    name: "S03 the probe says live while nothing was revoked, and gone with nothing remaining afterwards",
    after: ["takes"],
    needs: [],
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      const live = await bench.probe(held);
      assert.equal(live.right, "live", "the right is there and the probe does not see it");
      if (held.secret !== null) assert.equal(live.own, "live", "the credential works and the probe does not see it");
      assert.ok(live.observations.length > 0, "the probe does not say what it saw");
      await bench.revoke(held);
      await assertGone(bench, held, "revoked");
      assert.ok((await bench.probe(held)).observations.length > 0, "the probe does not say what it saw");
    },
  },
  {
    rule: "looks",
    name: "S03 the probe looks at the target, and believes nothing that a verb has said or remembered",
    after: ["proves"],
    needs: [],
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      const target = await bench.open(held);
      await target.revoke(held.order, { keep: false });
      await target.probe(held.order);
      // As a worker would that was late: behind the back of whoever revoked, who has only what was remembered.
      const late = { ...held, order: { ...held.order, details: {}, remember: async () => {} } };
      await bench.provision(late);
      const seen = await bench.probe(held);
      assert.notEqual(seen.right, "gone", "access that came back is taken for gone, for it was revoked once");
      if (held.secret !== null) assert.notEqual(seen.own, "gone", "a credential that came back is taken for gone");
      await bench.revoke(held);
      await assertGone(bench, held, "revoked again");
    },
  },
  {
    rule: "absent",
    name: "revoking and disabling what was never made succeeds, and makes nothing",
    after: ["proves"],
    needs: [],
    run: async (bench) => {
      const held = bench.grant();
      for (const _ of [1, 2]) {
        await bench.revoke(held);
        await bench.claim(held, (target) => target.disable(held.order, { keep: false }));
      }
      await assertGone(bench, held, "never made");
      assert.deepEqual(await marked(bench, bench.installation), [], "made on the target");
    },
  },
  {
    rule: "extend",
    name: "S08 extending keeps the credential, and the live session where there is one",
    after: ["proves"],
    needs: [],
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      const visit = await enter(bench, held, "provisioned");
      await bench.claim(held, (target) => target.extend(held.order, { remainingMs: 2 * HOUR_MS }));
      assert.ok(await visit.works(), "the live session was ended");
      await visit.leave();
      await assertIn(bench, held, "extended");
      await bench.revoke(held);
      await assertGone(bench, held, "extended and revoked");
    },
  },
  {
    rule: "end-of-its-own",
    name: "where the target ends access by itself, it does so when what remains is over, and moves with an extension",
    after: ["proves"],
    needs: ["marks"],
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      const remaining = async (): Promise<number | null> => {
        const sweep = await bench.openSweep();
        const seen = await sweep.observe(bench.installation, [held.order]);
        return seen.find(({ as, grant }) => as === "own" && grant === held.order.grant)?.remainingMs ?? null;
      };
      const slackMs = HOUR_MS / 4;
      const first = await remaining();
      // No end of its own: the grant is ended by Tidegate alone.
      if (first === null) return;
      assert.ok(Math.abs(first - HOUR_MS) < slackMs, `an hour was given, and it ends in ${first} ms`);
      await bench.claim(held, (target) => target.extend(held.order, { remainingMs: 2 * HOUR_MS }));
      const then = await remaining();
      assert.ok(
        then !== null && Math.abs(then - 2 * HOUR_MS) < slackMs,
        `extended to two hours, it ends in ${then} ms`,
      );
    },
  },
  {
    rule: "rotate",
    name: "a new secret kills the old one",
    after: ["proves"],
    needs: [],
    exempt: ({ connector }) => (connector.credential === "password" ? null : NO_SECRET),
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      const old = { ...held };
      held.secret = newSecret();
      await bench.provision(held);
      await assertIn(bench, held, "with the new secret");
      await assertRefused(bench, old, "with the old secret");
    },
  },
  {
    rule: "sessions",
    name: "S04 live sessions are ended by the revocation",
    after: ["proves"],
    needs: ["sessions"],
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      const visits = [await enter(bench, held, "provisioned"), await enter(bench, held, "provisioned")];
      await bench.revoke(held);
      for (const visit of visits)
        assert.equal(await visit.works(), false, "a live session goes on after the revocation");
      await assertGone(bench, held, "revoked");
    },
  },
  {
    rule: "disable",
    name: "disabling shuts the access and ends its sessions, remembers nothing, and leaves revoke its work",
    after: ["proves"],
    needs: [],
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      const visit = await enter(bench, held, "provisioned");
      // As the journal does it while the store is away: for no grant, and nothing can be stored.
      const order = { ...held.order, remember: () => Promise.reject(new Error("the store is away")) };
      for (const _ of [1, 2]) await (await bench.openSweep()).disable(order, { keep: false });
      await assertRefused(bench, held, "disabled");
      assert.equal(await visit.works(), false, "a live session goes on after disabling");
      assert.equal((await bench.probe(held)).own, "gone", "the probe cannot tell that access is gone");
      await bench.revoke(held);
      await assertGone(bench, held, "disabled and revoked");
      assert.deepEqual(await marked(bench, bench.installation), [], "left on the target");
    },
  },
  {
    rule: "missing",
    name: "S14 a scope that names what is not there is refused for good, before anything is made",
    after: ["absent"],
    needs: ["missing"],
    run: async (bench) => {
      const held = bench.grant({ scope: bench.place.missing });
      const error = await refusal(bench.provision(held), "what is not there was given");
      assert.equal(error.permanent, true, `it would be tried again and again: ${error.code}`);
      assert.notEqual(error.message, "", "it does not say what is missing");
      assert.deepEqual(await marked(bench, bench.installation), [], "made on the target");
      await bench.revoke(held);
      await assertGone(bench, held, "refused");
    },
  },
  {
    rule: "mend",
    name: "mending a grant that is as it should be changes nothing: secret and session go on",
    after: ["proves"],
    needs: [],
    exempt: ({ connector }) => (connector.credential === "password" ? null : NO_SECRET),
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      const visit = await enter(bench, held, "provisioned");
      const mended = await bench.claim(held, async (target) => {
        await target.mend?.(held.order, { remainingMs: HOUR_MS, give: true });
        return target.mend !== undefined;
      });
      assert.ok(mended, "a connector whose access comes with a secret needs a way to mend without a new one");
      assert.ok(await visit.works(), "the live session was ended");
      await assertIn(bench, held, "mended");
    },
  },
];
