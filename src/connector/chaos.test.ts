import assert from "node:assert/strict";
import { test } from "node:test";
import { type GrantId, grantId, newInstallationId } from "../base/ids.ts";
import { memory, memoryDirectory } from "../connectors/memory.ts";
import { type Chaos, type ChaosOptions, chaos } from "./chaos.ts";
import { type ChaosPlan, type ChaosVerb, FAULTS, type Fault, faultFor, faultsOf } from "./chaos-plan.ts";
import { type Order, TargetError } from "./connector.ts";

type Scope = { readonly group: string };
const installation = newInstallationId();
let directories = 0;

/** A directory with the group `admins`, and memory shaken by the plan; every wait is over at once. */
function world(plan: ChaosPlan, options: Partial<ChaosOptions> = {}) {
  const name = `chaos-${++directories}`;
  const directory = memoryDirectory(name);
  directory.members.set("admins", new Set());
  const shaken = chaos(memory, { plan, sleep: async () => {}, ...options });
  const open = (grant: GrantId = grantId.make(), signal = new AbortController().signal) =>
    shaken.connector.open({ directory: name }, { signal, actor: { installation, grant, fence: 1 } });
  return { directory, shaken, open, isMember: () => directory.members.get("admins")?.has("alice") === true };
}

function orderFor(grant: GrantId, remember: Order<Scope>["remember"] = async () => {}): Order<Scope> {
  const principal = { handle: "alice", email: null };
  const intent = { installation, grant, scope: { group: "admins" }, scopeHash: "x", principal };
  return { ...intent, names: memory.intend(intent).names, details: {}, remember };
}
const HOUR = { secret: null, remainingMs: 3_600_000 };

/** The fault on the first call of the verb, and none after. */
const once = (verb: ChaosVerb, fault: Fault): ChaosPlan => ({
  seed: 1,
  script: (call) => (call.verb === verb && call.nth === 1 ? fault : null),
});

const isUnreachable = (error: unknown): boolean => error instanceof TargetError && error.code === "unreachable";

async function provisionUnder(fault: Fault, remember?: Order<Scope>["remember"]) {
  const it = world(once("provision", fault));
  const grant = grantId.make();
  const target = await it.open(grant);
  const answer = await target.provision(orderFor(grant, remember), HOUR).then(
    () => "ok",
    (error: unknown) => (error instanceof TargetError ? error.code : String(error)),
  );
  return { ...it, target, answer, event: it.shaken.events.find(({ verb }) => verb === "provision") };
}

test("each fault does what its name says, and the record tells it", async () => {
  const cases: readonly [Fault, answer: RegExp, member: boolean, did: string][] = [
    ["refused-for-good", /^not-supported$/, false, "nothing"],
    ["error-before", /^(unreachable|cannot-sign-in|not-permitted|conflict|failed)$/, false, "nothing"],
    ["lost-reply", /^unreachable$/, true, "once"],
    ["delay", /^ok$/, true, "once"],
    ["duplicate", /^ok$/, true, "twice"],
    ["nothing", /^ok$/, false, "nothing"],
    ["restart", /^unreachable$/, false, "nothing"],
  ];
  for (const [fault, answer, member, did] of cases) {
    const seen = await provisionUnder(fault);
    assert.match(seen.answer, answer, fault);
    assert.equal(seen.isMember(), member, fault);
    assert.equal(seen.event?.did, did, fault);
    assert.match(seen.shaken.story(), new RegExp(`^2 provision of grant 1, fence 1, call 1: ${fault}; did ${did}; `));
  }
});

test("the same seed gives the same faults, whatever the order in which grants meet", async () => {
  const rates = { "lost-reply": 0.2, duplicate: 0.2, nothing: 0.2 };
  const faults = async (seed: number, interleaved: boolean): Promise<string[]> => {
    const { shaken, open } = world({ seed, rates: { revoke: rates } });
    const grants = [grantId.make(), grantId.make()];
    const targets = await Promise.all(grants.map((grant) => open(grant)));
    const work = async (index: number): Promise<void> => {
      const order = orderFor(grants[index] as GrantId);
      for (let round = 0; round < 20; round++)
        await targets[index]?.revoke(order, { keep: false }).catch(() => undefined);
    };
    if (interleaved) await Promise.all([work(0), work(1)]);
    else for (const index of [0, 1]) await work(index);
    return shaken.events.map(({ verb, grantNumber, nth, fault }) => `${grantNumber} ${verb} ${nth} ${fault}`).sort();
  };
  const some = await faults(7, false);
  assert.deepEqual(await faults(7, true), some);
  assert.notDeepEqual(await faults(8, false), some);
});

test("rates come out as often as they say, and every possible fault comes", () => {
  const counts = new Map<Fault | null, number>();
  const calls = 40_000;
  for (let nth = 1; nth <= calls; nth++) {
    const call = { number: nth, verb: "revoke" as const, grant: null, grantNumber: 3, fence: 1, nth };
    const fault = faultFor({ seed: 11, rates: 0.5 }, call);
    counts.set(fault, (counts.get(fault) ?? 0) + 1);
  }
  const possible = faultsOf("revoke");
  for (const fault of possible) {
    const share = ((counts.get(fault) ?? 0) / calls) * possible.length;
    assert.ok(share > 0.4 && share < 0.6, `${fault}: ${share}`);
  }
  assert.equal(
    [...counts.keys()].every((fault) => fault === null || possible.includes(fault)),
    true,
  );
  assert.deepEqual(
    (Object.keys(FAULTS) as Fault[]).filter((fault) => !verbs.some((verb) => faultsOf(verb).includes(fault))),
    [],
    "every fault belongs to some verb",
  );
});
const verbs: readonly ChaosVerb[] = [
  "open",
  "identify",
  "standing",
  "provision",
  "extend",
  "revoke",
  "probe",
  "observe",
];

test("a fault that makes no sense for a verb is a mistake of whoever planned it", async () => {
  await assert.rejects(world({ seed: 1, script: () => "blind" }).open(), /blind makes no sense for open/);
  await assert.rejects(world({ seed: 1, rates: { open: { forget: 1 } } }).open(), /forget makes no sense for open/);
});

test("what hangs, hangs until the signal aborts, done or not", async () => {
  for (const fault of ["hang", "hang-after"] as const) {
    const { shaken, open, isMember } = world(once("provision", fault));
    const grant = grantId.make();
    const controller = new AbortController();
    const target = await open(grant, controller.signal);
    const answer = assert.rejects(target.provision(orderFor(grant), HOUR), isUnreachable);
    await target.observe(installation);
    assert.equal(shaken.events.find(({ verb }) => verb === "provision")?.answer, null, "there is no answer yet");
    assert.equal(isMember(), fault === "hang-after");
    controller.abort();
    await answer;
  }
});

test("a delay runs on the clock that was given, and ends with the signal", async () => {
  const waited: number[] = [];
  const sleep = async (ms: number): Promise<void> => void waited.push(ms);
  const { open } = world(once("probe", "delay"), { sleep, delayMaxMs: 90_000 });
  const grant = grantId.make();
  await (await open(grant)).probe(orderFor(grant));
  assert.equal(waited.length, 2);
  assert.ok(waited.every((ms) => ms >= 0 && ms <= 90_000 && Number.isInteger(ms)));
  const stopped = world(once("probe", "delay"), { sleep: () => Promise.reject(new Error("aborted")) });
  await assert.rejects((await stopped.open(grant)).probe(orderFor(grant)), isUnreachable);
});

test("a restart ends every connection to that target, and new ones work", async () => {
  const { open, shaken, directory } = world({
    seed: 1,
    script: ({ verb, grantNumber }) => (verb === "extend" && grantNumber === 1 ? "restart" : null),
  });
  const [first, second] = [grantId.make(), grantId.make()];
  const [one, two] = [await open(first), await open(second)];
  const elsewhere = await shaken.connector.open(
    { directory: "another" },
    { signal: new AbortController().signal, actor: { installation, grant: second, fence: 1 } },
  );
  await assert.rejects(one.extend(orderFor(first), HOUR), isUnreachable);
  await assert.rejects(two.probe(orderFor(second)), isUnreachable);
  await elsewhere.probe(orderFor(second));
  assert.equal((await (await open(second)).identify()).identity, directory.identity);
  shaken.restart();
  await assert.rejects(elsewhere.probe(orderFor(second)), isUnreachable);
});

test("a connection that breaks half-way aborts what is under way, and is dead", async () => {
  const { open, directory } = world(once("revoke", "cut"));
  const grant = grantId.make();
  directory.members.get("admins")?.add("alice");
  const target = await open(grant);
  await assert.rejects(target.revoke(orderFor(grant), { keep: false }), /in the middle of revoke/);
  await assert.rejects(target.probe(orderFor(grant)), isUnreachable);
});

test("what cannot be remembered stops the connector on the way", async () => {
  const kept: unknown[] = [];
  const remembering = {
    ...memory,
    open: async (...args: Parameters<typeof memory.open>) => {
      const target = await memory.open(...args);
      return {
        ...target,
        provision: async (order: Order<Scope>, grant: typeof HOUR) => {
          await order.remember({ step: 1 });
          const made = await target.provision(order, grant);
          await order.remember({ step: 2 });
          return made;
        },
      };
    },
  };
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    kept.length = 0;
    const name = `forgetting-${seed}`;
    memoryDirectory(name).members.set("admins", new Set());
    const shaken: Chaos<{ directory: string }, Scope> = chaos(remembering, {
      plan: { ...once("provision", "forget"), seed },
    });
    const grant = grantId.make();
    const actor = { installation, grant, fence: 1 };
    const target = await shaken.connector.open({ directory: name }, { signal: new AbortController().signal, actor });
    const order = orderFor(grant, async (details) => void kept.push(details));
    await assert.rejects(target.provision(order, HOUR), /nothing can be remembered now/);
    outcomes.add(`${kept.length} ${memoryDirectory(name).members.get("admins")?.size}`);
    assert.equal(shaken.events[1]?.did, "some");
  }
  assert.deepEqual([...outcomes].sort(), ["0 0", "1 1"]);
});

test("row 22: another server, and an older copy, say who they are and have nothing of ours", async () => {
  for (const fault of ["another-server", "older-copy"] as const) {
    const { open, directory, isMember } = world(once("open", fault));
    const grant = grantId.make();
    directory.members.get("admins")?.add("alice");
    const target = await open(grant);
    const seen = await target.identify();
    assert.equal(seen.identity === directory.identity, fault === "older-copy");
    assert.equal(seen.position, fault === "older-copy" ? "0" : String(directory.position));
    await target.revoke(orderFor(grant), { keep: false });
    assert.equal((await target.probe(orderFor(grant))).right, "gone", "which is why one must ask who it is");
    assert.equal(isMember(), true);
    assert.equal((await (await open(grant)).probe(orderFor(grant))).right, "live");
  }
});

test("a probe that could not look says unknown, never gone", async () => {
  const { open } = world(once("probe", "blind"));
  const grant = grantId.make();
  const target = await open(grant);
  assert.deepEqual(((seen) => [seen.own, seen.right])(await target.probe(orderFor(grant))), ["unknown", "unknown"]);
  assert.equal((await target.probe(orderFor(grant))).right, "gone");
});

test("a session whose opening was never answered can still be let go", async () => {
  let closed = 0;
  const counting = {
    ...memory,
    open: async (...args: Parameters<typeof memory.open>) => ({
      ...(await memory.open(...args)),
      close: async () => void closed++,
    }),
  };
  const shaken = chaos(counting, { plan: { seed: 1, script: ({ nth }) => (nth === 1 ? "lost-reply" : "duplicate") } });
  const context = { signal: new AbortController().signal, actor: { installation, grant: grantId.make(), fence: 1 } };
  await assert.rejects(shaken.connector.open({ directory: "x" }, context), isUnreachable);
  const target = await shaken.connector.open({ directory: "x" }, context);
  await target.close();
  assert.equal(closed, 2, "opened twice, closed twice");
  await shaken.release();
  assert.equal(closed, 3);
});

test("after calm there are no more faults", async () => {
  const { open, shaken } = world({ seed: 1, script: () => "error-before" });
  await assert.rejects(open());
  shaken.calm();
  await (await open()).identify();
  assert.deepEqual(
    shaken.events.map(({ fault }) => fault),
    ["error-before", null, null],
  );
});
