/** The rules about what must not be seen: secrets, and in what is kept for ever, people. */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { Secret } from "../../base/secret.ts";
import { assertGone, assertIn, type Bench, type Held, HOUR_MS, newSecret } from "./bench.ts";
import { duringOutage, settled } from "./outage.ts";
import type { Rule } from "./rule.ts";

const PATIENCE_MS = 300;

export const SECRETS: readonly Rule[] = [
  {
    rule: "secrets",
    name: "S24 no secret is in what a verb returns, remembers, shows or throws, whatever goes wrong",
    after: ["proves"],
    needs: [],
    run: async (bench) => {
      const { place } = bench;
      const held = bench.grant();
      const seen: [string, unknown][] = [];
      const made = await bench.provision(held);
      seen.push(["the delivery", made], ["what was remembered", held.order.details], ["the names", held.order.names]);
      seen.push(["the probe", await bench.probe(held)]);
      seen.push(["what is observed", await (await bench.openSweep()).observe(bench.installation, [held.order])]);
      for (const [name, error] of await mishaps(bench, held)) seen.push([`the error of ${name}`, error]);
      const secrets = [...place.secrets, ...(held.secret === null ? [] : [held.secret.reveal()])];
      for (const [what, value] of seen) assertNone(what, value, secrets);
      await bench.revoke(held);
      await assertGone(bench, held, "revoked");
      assertNone("the probe after the end", await bench.probe(held), secrets);
    },
  },
  {
    rule: "log",
    name: "S30 a target that logs everything logs no secret",
    after: ["proves"],
    needs: ["log"],
    run: async (bench) => {
      const read = async (): Promise<string> => (await bench.place.log?.()) ?? "";
      const before = await read();
      const held = bench.grant();
      await bench.provision(held);
      const first = held.secret;
      await assertIn(bench, held, "provisioned");
      if (held.secret !== null) {
        held.secret = newSecret();
        await bench.provision(held);
      }
      await bench.claim(held, (target) => target.extend(held.order, { remainingMs: HOUR_MS }));
      await bench.claim(held, async (target) => target.mend?.(held.order, { remainingMs: HOUR_MS, give: true }));
      await bench.probe(held);
      await bench.claim(held, (target) => target.disable(held.order, { keep: false }));
      await bench.revoke(held);
      await assertGone(bench, held, "revoked");
      const logged = await read();
      assert.ok(logged.length > before.length, "the target has logged nothing of this: the fixture proves nothing");
      const secrets = [first, held.secret].filter((secret) => secret !== null).map((secret) => secret.reveal());
      assertNone("the target's log", logged.slice(before.length), [...bench.place.secrets, ...secrets]);
    },
  },
  {
    rule: "no-people",
    name: "observations name no people: they go into the log for ever",
    after: ["proves"],
    needs: [],
    run: async (bench) => {
      const held = bench.grant();
      await bench.provision(held);
      const live = await bench.probe(held);
      await bench.revoke(held);
      const told = JSON.stringify([live.observations, (await bench.probe(held)).observations]);
      assert.equal(told.includes(held.order.principal.handle), false, `the person is named: ${told}`);
    },
  },
];

/** What goes wrong, as the host gets it. */
async function mishaps(bench: Bench, held: Held): Promise<[string, unknown][]> {
  const errors: [string, unknown][] = [];
  const collect = async (name: string, work: Promise<unknown>): Promise<void> => {
    await work.catch((error: unknown) => errors.push([name, error]));
  };
  const provision = (one: Held) =>
    bench.claim(one, (target) => target.provision(one.order, { secret: held.secret, remainingMs: HOUR_MS }));
  if (bench.place.missing !== undefined)
    await collect("a scope that names what is not there", provision(bench.grant({ scope: bench.place.missing })));
  const absent = bench.grant();
  await collect(
    "extending the absent",
    bench.claim(absent, (target) => target.extend(absent.order, { remainingMs: 1 })),
  );
  const unnamed = { ...held, order: { ...held.order, names: {} } };
  await collect("a lease without names", provision(unnamed));
  await collect("an aborted signal", bench.open(held, { signal: AbortSignal.abort() }));
  if (bench.place.outage === undefined) return errors;
  const controller = new AbortController();
  const target = await bench.open(held, { signal: controller.signal });
  await duringOutage(bench, async () => {
    const work = target.provision(held.order, { secret: held.secret, remainingMs: HOUR_MS });
    const collected = collect("an outage", work);
    await settled(collected, PATIENCE_MS);
    controller.abort();
    await settled(collected, PATIENCE_MS);
    const opening = bench.open(held, { signal: AbortSignal.timeout(PATIENCE_MS) });
    await settled(collect("opening in an outage", opening), 2 * PATIENCE_MS);
  });
  return errors;
}

/** As it would be printed, logged or stored; deep down, causes and stacks included. */
function assertNone(what: string, value: unknown, secrets: readonly string[]): void {
  const shown =
    typeof value === "string" ? value : `${inspect(value, { depth: 20 })} ${JSON.stringify(value)} ${String(value)}`;
  for (const secret of secrets)
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")])
      assert.equal(shown.includes(form), false, `a secret can be seen in ${what}`);
  assert.ok(!(value instanceof Secret), `${what} is a bare secret`);
}
