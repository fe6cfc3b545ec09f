import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { systemChance } from "../../src/base/chance.ts";
import { systemTimers } from "../../src/base/clock.ts";
import type { RequestId } from "../../src/base/ids.ts";
import type { DeclaredChannel } from "../../src/domain/channel.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import { type Notify, type Outcome, startNotify } from "../../src/notify/dispatch.ts";
import { type Delivery, deliveriesOf, handOver, takeUp } from "../../src/store/deliveries.ts";
import { forgetMessages, listMessages } from "../../src/store/messages.ts";
import { organisation } from "../support/api-people.ts";
import { until } from "../support/until.ts";
import { type WebhookReceiver, webhookReceiver } from "../support/webhook-receiver.ts";
import { createWorld, type World } from "../support/world.ts";

const SECRET = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;

let world: World;
let receiver: WebhookReceiver;
let people: Configuration;
let running: Notify[] = [];
let logged: string[] = [];
let outcomes: Outcome[] = [];

before(async () => {
  world = await createWorld();
  people = organisation(world.directoryName);
});
beforeEach(async (t) => {
  [running, logged, outcomes] = [[], [], []];
  await world.store.pool.query("truncate messages cascade");
  receiver = await webhookReceiver(SECRET);
  (t as { after(undo: () => Promise<void>): void }).after(async () => {
    await Promise.all(running.map((one) => one.stop()));
    await receiver.close();
  });
});
after(() => world.stop());

/** Channels by name, all of them to the receiver. */
async function configure(...channels: (Partial<DeclaredChannel> & { name: string })[]): Promise<void> {
  // What is the same is no new version.
  const settings = { url: receiver.url, secret: `\${env:HOOK_SECRET}` };
  const all = channels.map((one): DeclaredChannel => ({ channel: "webhook", settings, kinds: null, ...one }));
  await world.configure({ ...people, notify: Object.fromEntries(all.map((one) => [one.name, one])) });
}

const replica = (secret: string | null = SECRET): Notify => {
  const notify = startNotify({
    context: world.context,
    changes: { subscribe: () => () => undefined },
    resolve: (settings) => {
      if (secret === null) throw new Error("HOOK_SECRET is not set");
      return { ...settings, secret };
    },
    timers: systemTimers,
    chance: systemChance,
    log: (level, what, more) => logged.push(`${level} ${what} ${JSON.stringify(more)}`),
    attempted: (_channel, outcome) => outcomes.push(outcome),
  });
  running.push(notify);
  return notify;
};

/** Something that owners are told of. */
async function ask(): Promise<RequestId> {
  const asked = await world.ask("alice", "orders:read", { reason: "the queue is stuck" });
  assert.ok("requestId" in asked);
  return asked.requestId;
}

async function deliveries(): Promise<Delivery[]> {
  const messages = await listMessages(world.context.db, { order: "oldest", limit: 200 });
  const ids = messages.map(({ message }) => message.id);
  const found = await deliveriesOf(world.context.db, ids);
  return ids.flatMap((id) => found.get(id) ?? []);
}
/** Told a moment after the store knows. */
const whenTold = (count: number): Promise<unknown> =>
  until(() => outcomes.length >= count, { what: `${count} attempts to be told` });
const whenAll = (state: Delivery["state"], count: number): Promise<unknown> =>
  until(async () => (await deliveries()).filter((one) => one.state === state).length === count, {
    what: `${count} ${state}`,
  });

describe("messages go out through a webhook", () => {
  test("signed, in words and as facts, with who is meant and what to type", async () => {
    await configure({ name: "ops" });
    replica();
    const request = await ask();
    await whenAll("delivered", 1);
    const [hook, ...more] = receiver.hooks;
    assert.deepEqual(more, []);
    assert.equal(hook?.verified, true);
    const body = hook?.body as { type: string; data: { [key: string]: unknown; to: { handle: string }[] } };
    assert.equal(body.type, "request.needs-approval");
    assert.equal(body.data["id"], hook?.id);
    assert.match(String(body.data["text"]), /^alice asks for orders:read for 10m: the queue is stuck\./);
    assert.equal(body.data["next"], `tidegate approve ${request}`);
    assert.deepEqual(body.data.to.map(({ handle }) => handle).sort(), ["ada", "bob", "frank"]);
    await whenTold(1);
    assert.deepEqual(outcomes, ["delivered"]);
  });

  test("once each, however many replicas there are and however many messages", async () => {
    await configure({ name: "ops" });
    for (let i = 0; i < 3; i += 1) replica();
    for (let i = 0; i < 25; i += 1) await ask();
    await whenAll("delivered", 25);
    assert.equal(new Set(receiver.hooks.map(({ id }) => id)).size, 25);
    assert.equal(receiver.hooks.length, 25);
  });

  test("again after an error, under the same id and signed anew, until they are taken", async () => {
    await configure({ name: "ops" });
    receiver.answers = (_hook, count) => (count < 3 ? 500 : 200);
    replica();
    await ask();
    await whenAll("delivered", 1);
    assert.equal(receiver.hooks.length, 3);
    assert.equal(new Set(receiver.hooks.map(({ id }) => id)).size, 1);
    assert.ok(receiver.hooks.every(({ verified }) => verified));
    await whenTold(3);
    assert.deepEqual(outcomes, ["missed", "missed", "delivered"]);
    // Said once when it begins and once when it is over.
    await until(() => logged.length >= 2, { what: "the end of it to be said" });
    assert.deepEqual(
      logged.map((line) => line.split(" ")[0]),
      ["warn", "info"],
    );
  });

  test("while nobody is there, and then somebody is", async () => {
    const absent = await webhookReceiver(SECRET);
    await absent.close();
    await configure({ name: "ops", settings: { url: absent.url, secret: "" } });
    replica();
    await ask();
    const tried = async () => (await deliveries()).some(({ lastError }) => lastError?.includes("ECONNREFUSED"));
    await until(tried, { what: "it to be refused" });
    await configure({ name: "ops" });
    await whenAll("delivered", 1);
  });

  test("once more, under the same id, where a replica died between sending and saying so", async () => {
    await configure({ name: "ops" });
    await ask();
    const { db } = world.context;
    await handOver(db, [{ name: "ops", kinds: null }], 10);
    const [taken] = await takeUp(db, "ops", 10, 5_000);
    assert.ok(taken !== undefined);
    assert.deepEqual(await takeUp(db, "ops", 10, 5_000), [], "nobody else takes it up meanwhile");
    await fetch(receiver.url, { method: "POST", body: "{}", headers: { "webhook-id": taken.message.id } });
    // The one that sent it is dead.
    replica();
    await whenAll("delivered", 1);
    assert.deepEqual(
      receiver.hooks.map(({ id }) => id),
      [taken.message.id, taken.message.id],
    );
    assert.equal((await deliveries())[0]?.attempts, 2);
  });

  test("of the kinds that a channel takes, and of no others", async () => {
    await configure({ name: "approvals", kinds: ["request.needs-approval"] }, { name: "all" });
    replica();
    await world.review("bob", await ask());
    await whenAll("delivered", 3);
    assert.deepEqual(
      (await deliveries()).map(({ channel }) => channel),
      ["all", "approvals", "all"],
    );
  });

  test("only those written since the channel is there; what waits for one that was removed is given up", async () => {
    await configure();
    const first = replica();
    await ask();
    await until(async () => (await handedOver()) === 1, { what: "it to be seen" });
    receiver.answers = () => 500;
    await configure({ name: "new" });
    await ask();
    await until(() => receiver.hooks.length > 0, { what: "an attempt" });
    assert.equal((await deliveries()).length, 1);
    await first.stop();
    await configure();
    replica();
    await whenAll("failed", 1);
    assert.match(String((await deliveries())[0]?.lastError), /removed from the configuration/);
  });

  test("are given up after three days, and that is told", async () => {
    await configure({ name: "ops" });
    receiver.answers = () => 503;
    await ask();
    await world.store.pool.query("update messages set created_at = created_at - interval '73 hours'");
    replica();
    await whenAll("failed", 1);
    await whenTold(1);
    assert.deepEqual(outcomes, ["given-up"]);
  });

  test("no more for an hour to who answered 410, and at once through every other channel", async () => {
    await configure({ name: "gone", kinds: ["request.needs-approval"] }, { name: "well" });
    receiver.answers = ({ body }) =>
      body["type"] === "request.needs-approval" && !seen.has("gone") ? goneOnce() : 200;
    const seen = new Set<string>();
    const goneOnce = (): number => {
      seen.add("gone");
      return 410;
    };
    replica();
    await ask();
    await until(async () => logged.some((line) => line.includes("410")), { what: "it to be said" });
    for (let i = 0; i < 3; i += 1) await ask();
    const ofOther = async () =>
      (await deliveries()).filter((it) => it.state === "delivered" && it.channel !== goneName());
    const goneName = (): string =>
      /"channel":"(\w+)"/.exec(logged.find((line) => line.includes("410")) ?? "")?.[1] ?? "";
    await until(async () => (await ofOther()).length === 4, { what: "the other channel to go on" });
    const ofGone = (await deliveries()).filter(({ channel }) => channel === goneName());
    assert.deepEqual(ofGone.map(({ attempts }) => attempts).sort(), [0, 0, 0, 1]);
  });

  test("and who does not answer delays nothing: what is decided is decided, and others are told", async () => {
    await configure({ name: "dead", settings: { url: receiver.url, secret: "" }, kinds: ["request.needs-approval"] });
    receiver.answers = () => "silence";
    const notify = replica();
    const request = await ask();
    await until(() => receiver.hooks.length === 1, { what: "the receiver to be asked" });
    const approved = await world.review("bob", request);
    assert.ok("requestId" in approved);
    assert.equal((await world.request(request)).state, "approved");
    assert.equal((await deliveries()).filter(({ state }) => state === "pending").length, 1, "it is still not answered");
    // Stopped, it leaves the message due at once for somebody else.
    await notify.stop();
    receiver.answers = () => 200;
    replica();
    await whenAll("delivered", 1);
  });

  test("by a replica that has the secret, where another has not", async () => {
    await configure({ name: "ops" });
    replica(null);
    await ask();
    await until(() => logged.some((line) => line.includes("HOOK_SECRET is not set")), { what: "it to be said" });
    await whenAll("pending", 1);
    assert.equal((await deliveries())[0]?.attempts, 0, "it was not tried with nothing to sign it");
    replica();
    await whenAll("delivered", 1);
  });

  test("S24 and the secret is nowhere: not in the store, not in a log", async () => {
    await configure({ name: "ops" });
    receiver.answers = (_hook, count) => (count === 1 ? 500 : 200);
    replica();
    await ask();
    await whenAll("delivered", 1);
    const { rows } = await world.store.pool.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = current_schema()",
    );
    for (const { name } of rows) {
      const held = await world.store.pool.query(`select t::text from "${name}" t`);
      assert.ok(!JSON.stringify(held.rows).includes(SECRET.slice(6, 40)), name);
    }
    assert.ok(!logged.join().includes(SECRET.slice(6, 40)));
  });
});

const handedOver = async (): Promise<number> =>
  (await world.store.pool.query("select from messages where handed_over")).rowCount ?? 0;

test("messages are forgotten after their time, but for those on their way", async () => {
  await configure({ name: "ops" });
  await ask();
  await ask();
  const { db } = world.context;
  await handOver(db, [{ name: "ops", kinds: null }], 1);
  await world.store.pool.query("update messages set created_at = created_at - interval '31 days'");
  assert.equal(await forgetMessages(db, 30), 0, "one is on its way, and nobody has looked at the other");
  await handOver(db, [], 10);
  assert.equal(await forgetMessages(db, 30), 1);
  assert.equal(await forgetMessages(db, 30), 0);
});
