/** The rules about what a connector may conclude: who the target is, and what proves nothing. */
import assert from "node:assert/strict";
import type { TargetIdentity } from "../../domain/evidence.ts";
import { TARGET_ERRORS, type Target, TargetError } from "../connector.ts";
import { assertGone, type Bench, type Held, HOUR_MS, insist, sameRight } from "./bench.ts";
import { duringOutage, settled } from "./outage.ts";
import type { Rule } from "./rule.ts";

const identify = (bench: Bench, held: Held): Promise<TargetIdentity> =>
  bench.claim(held, (target) => target.identify());

/** Long enough for an answer that comes at once. Whether what hangs ever ends is another rule's. */
const PATIENCE_MS = 300;

export const EVIDENCE: readonly Rule[] = [
  {
    rule: "identity",
    name: "a target is the same one each time it is asked, whatever was done on it meanwhile",
    after: ["proves"],
    needs: [],
    run: async (bench) => {
      const held = bench.grant();
      const { identity } = await identify(bench, held);
      assert.notEqual(identity, "", "it has no identity");
      await bench.provision(held);
      assert.equal((await identify(bench, held)).identity, identity, "another one after provisioning");
      await bench.revoke(held);
      assert.equal((await identify(bench, held)).identity, identity, "another one after revoking");
    },
  },
  {
    rule: "position",
    name: "the position of a target is a number that never gets smaller, or it has none",
    after: ["proves"],
    needs: [],
    run: async (bench) => {
      const held = bench.grant();
      let last = -1n;
      const look = async (when: string): Promise<void> => {
        const { position } = await identify(bench, held);
        if (position === null) return;
        assert.match(position, /^\d+$/, `no decimal number: ${position}`);
        assert.ok(BigInt(position) >= last, `smaller ${when}: ${position} after ${last}`);
        last = BigInt(position);
      };
      await look("at first");
      await bench.provision(held);
      await look("after provisioning");
      await bench.revoke(held);
      await look("after revoking");
    },
  },
  {
    rule: "another",
    name: "row 22: another target says that it is another one",
    after: ["identity"],
    needs: ["another"],
    run: async (bench) => {
      const { connector, place, installation } = bench;
      const held = bench.grant();
      const here = await identify(bench, held);
      const actor = { installation, grant: held.order.grant, fence: 1 };
      const connection = connector.connection.parse(place.another);
      const target = await connector.open(connection, { signal: AbortSignal.timeout(60_000), actor });
      try {
        assert.notEqual((await target.identify()).identity, here.identity);
      } finally {
        await target.close();
      }
    },
  },
  {
    rule: "unknown",
    name: "S03 a target that does not answer proves nothing: no verb succeeds, and no probe says gone",
    after: ["proves"],
    needs: ["outage"],
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      // Where a grant has a right of its own, nobody needs to look to know that it did not stand before.
      const shared = sameRight(bench, held, bench.grant({ person: held.order.principal.handle }));
      const controller = new AbortController();
      const target = await bench.open(held, { signal: controller.signal });
      await duringOutage(bench, async () => {
        const calls = looks(target, held, bench, shared).map(([verb, call]) => [verb, call()] as const);
        await Promise.all(calls.map(([, work]) => settled(work, PATIENCE_MS)));
        // What only the signal ends must not be taken for an answer either.
        controller.abort();
        for (const [verb, work] of calls) judge(verb, await settled(work, PATIENCE_MS));
      });
      // What had reached the target may have been done when it woke up: the answer was lost, no more.
      await insist(() => bench.revoke(held));
      await assertGone(bench, held, "after the outage, revoked");
    },
  },
];

type Call = readonly [verb: string, call: () => Promise<unknown>];

const looks = (target: Target<unknown>, held: Held, { installation }: Bench, shared: boolean): readonly Call[] => [
  ["probe", () => target.probe(held.order)],
  ...(shared ? [["standing", () => target.standing(held.order)] as const] : []),
  ["observe", () => target.observe(installation, [held.order])],
  ["identify", () => target.identify()],
  ["provision", () => target.provision(held.order, { secret: held.secret, remainingMs: HOUR_MS })],
  ["disable", () => target.disable(held.order, { keep: false })],
  ["revoke", () => target.revoke(held.order, { keep: false })],
];

/** No answer is as good as an error. A verb of the host's words, if it is one. */
function judge(verb: string, answer: { value: unknown } | { error: unknown } | null): void {
  if (answer === null) return;
  if ("error" in answer) {
    const { error } = answer;
    assert.ok(
      error instanceof TargetError && TARGET_ERRORS.includes(error.code),
      `${verb} failed with what is no TargetError of this tidegate/connector: ${String(error)}`,
    );
    assert.equal(error.permanent, false, `${verb} says that this cannot mend itself: ${error.message}`);
    return;
  }
  const { value } = answer;
  assert.ok(
    verb === "probe" && typeof value === "object" && value !== null && "own" in value && "right" in value,
    `${verb} succeeded although the target did not answer`,
  );
  assert.notEqual(value.right, "gone", "a target that did not answer is evidence of gone");
}
