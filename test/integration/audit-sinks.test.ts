/** The way of the audit log out: at least once, for the first time in order, whoever dies; and what waits for it. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { sql } from "kysely";
import { systemChance } from "../../src/base/chance.ts";
import { systemTimers, type Timers } from "../../src/base/clock.ts";
import type { InstallationId } from "../../src/base/ids.ts";
import { isRefusal } from "../../src/base/problem.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import type { DeclaredSink } from "../../src/domain/sink.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { revokeGrant } from "../../src/operations/revoke-grant.ts";
import { type Sending, startSending } from "../../src/sinks/send.ts";
import type { OpenSink } from "../../src/sinks/sink.ts";
import { SINKS } from "../../src/sinks/sinks.ts";
import { appendEntries, sequenceAll } from "../../src/store/audit.ts";
import { openStore } from "../../src/store/db.ts";
import { missTurn, sinkFigures, takeTurn } from "../../src/store/sinks.ts";
import { organisation } from "../support/api-people.ts";
import { automatically } from "../support/configuration.ts";
import { quietSource } from "../support/metrics-source.ts";
import { stoppedWithTheTest } from "../support/sending.ts";
import { syslogReceiver } from "../support/syslog-receiver.ts";
import { until } from "../support/until.ts";
import { type WebhookReceiver, webhookReceiver } from "../support/webhook-receiver.ts";
import { createWorld, type World } from "../support/world.ts";

const SECRET = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
const USUAL = { from: "beginning", personal: false, withinMs: 300_000, holdsUp: "nothing" } as const;
/** Looks a hundred times as often: what is due is decided by the store all the same. */
const HASTY: Timers = { ...systemTimers, after: (ms, act) => systemTimers.after(ms / 100, act) };

let world: World;
let people: Configuration;
const running = stoppedWithTheTest(() => world);
let dir: string;

before(async () => {
  world = await createWorld({ connections: 20 });
  const usual = organisation(world.directoryName);
  people = { ...usual, policies: [automatically("erin", { when: 'user.name == "erin"' }), ...usual.policies] };
  dir = mkdtempSync(join(tmpdir(), "tidegate-sinks-"));
});
after(async () => {
  rmSync(dir, { recursive: true, force: true });
  await world.stop();
});

type Wanted = Partial<DeclaredSink> & Pick<DeclaredSink, "name" | "sink" | "settings">;
const configure = async (...sinks: Wanted[]): Promise<void> => {
  const all = sinks.map((one): DeclaredSink => ({ ...USUAL, ...one }));
  const audit = { sinks: Object.fromEntries(all.map((one) => [one.name, one])) };
  await world.configure({ ...people, audit });
};

function replica(kinds: Readonly<Record<string, OpenSink>> = SINKS, timers = HASTY): Sending {
  const { context } = world;
  const resolve = (settings: DeclaredSink["settings"]) => ({ ...settings });
  const checkpoint = async () => null;
  const sending = startSending({
    context,
    resolve,
    timers,
    chance: systemChance,
    log: () => undefined,
    checkpoint,
    kinds,
  });
  running.push(sending);
  return sending;
}

/** Entries with some text, all at their positions. Answers the last position. */
async function write(count: number, text = "x"): Promise<number> {
  const { db, installation } = world.context;
  const drafts = Array.from({ length: count }, (_, i) => ({
    ...{ kind: "operation.refused" as const, actor: { system: "jobs" as const }, refs: {} },
    ...{ data: { i, text }, personal: { reason: "because of Ada" } },
  }));
  await db.transaction().execute((tx) => appendEntries(tx, installation as InstallationId, drafts, Date.now()));
  await sequenceAll(db);
  return (await world.entries()).length;
}
const position = async (name: string): Promise<number> =>
  (await world.store.db.selectFrom("sinks").select("position").where("name", "=", name).executeTakeFirst())?.position ??
  -1;
const arrived = (name: string, at: number): Promise<unknown> =>
  until(async () => (await position(name)) === at, { what: `${name} to have ${at}` });
/** As soon as the store lets it be tried again. */
const hasten = () =>
  world.store.pool.query("update sinks set due_at = clock_timestamp() where failing_since is not null");

/** What came, without what came again: it must be everything, in its order. */
const first = (seqs: readonly number[]): number[] => [...new Set(seqs)];
const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);

type Body = { data: { from: number; to: number; entries: { seq: number; leaf: object; personal?: object }[] } };
const seqsOf = (hooks: WebhookReceiver["hooks"]): number[] =>
  hooks.flatMap(({ body }) => (body as unknown as Body).data.entries.map(({ seq }) => seq));

describe("every entry goes out, in order", () => {
  test("to a webhook, in batches, signed; without personal texts unless they are asked for", async (t) => {
    const receiver = await webhookReceiver(SECRET);
    t.after(() => receiver.close());
    const settings = { url: receiver.url, secret: SECRET };
    await configure({ name: "hook", sink: "webhook", settings });
    const last = await write(450);
    replica();
    await arrived("hook", last);
    assert.deepEqual(seqsOf(receiver.hooks), upTo(last));
    assert.ok(receiver.hooks.length >= 3 && receiver.hooks.every(({ verified }) => verified));
    const sent = JSON.stringify(receiver.hooks);
    assert.doesNotMatch(sent, /because of Ada/);
    const [{ body, id } = assert.fail()] = receiver.hooks;
    const { data } = body as unknown as Body;
    assert.ok(id.startsWith(`${world.context.installation}-${data.from}-${data.to}-`), id);
    await configure({ name: "all", sink: "webhook", settings, personal: true });
    await arrived("all", last);
    assert.match(JSON.stringify(receiver.hooks), /because of Ada/);
  });

  test("to syslog and to a file alike, each entry word for word as it is in the log", async (t) => {
    const receiver = await syslogReceiver();
    t.after(() => receiver.close());
    const path = join(dir, "alike.jsonl");
    await configure(
      { name: "siem", sink: "syslog", settings: { address: `tcp://127.0.0.1:${receiver.port}` } },
      { name: "copy", sink: "file", settings: { path } },
    );
    const last = await write(300, "„ümläut“");
    replica();
    await Promise.all([arrived("siem", last), arrived("copy", last)]);
    const { rows } = await sql<{ seq: number; leaf: string }>`
      select p.seq, e.leaf from audit_positions p join audit_entries e on e.id = p.entry_id order by seq`.execute(
      world.store.db,
    );
    assert.deepEqual(
      receiver.received.map(({ data, text }) => [Number(data["seq"]), text]),
      rows.map(({ seq, leaf }) => [seq, leaf]),
    );
    assert.equal(readFileSync(path, "utf8"), rows.map(({ seq, leaf }) => `{"seq":${seq},"leaf":${leaf}}\n`).join(""));
  });

  test("from the beginning or from now, and one that was away from the configuration goes on where it was", async () => {
    const path = join(dir, "now.jsonl");
    const now = { name: "new", sink: "file", settings: { path }, from: "now" } as const;
    await configure(now);
    const before = await write(3);
    const sending = replica();
    await arrived("new", before);
    const last = await write(2);
    await arrived("new", last);
    await sending.stop();
    await configure();
    await write(2);
    replica();
    await configure(now);
    await arrived("new", (await world.entries()).length);
    const seqs = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { seq: number }).seq);
    assert.deepEqual(seqs, upTo((await world.entries()).length).slice(before));
  });
});

describe("at least once, whatever happens", () => {
  test("a receiver that fails, resets, is slow to close or hangs anywhere gets everything, for the first time in order", async (t) => {
    const receiver = await syslogReceiver();
    t.after(() => receiver.close());
    await write(60, "y".repeat(500));
    await configure({ name: "siem", sink: "syslog", settings: { address: `tcp://127.0.0.1:${receiver.port}` } });
    const dying = fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(dying, async (limits) => {
        await world.store.pool.query("truncate sinks");
        receiver.received.length = 0;
        const begun = receiver.connections;
        receiver.manner = (connection) => {
          const resetAfter = limits[connection - begun - 1];
          return resetAfter === undefined ? "reads" : { resetAfter };
        };
        const sending = replica();
        const last = (await world.entries()).length;
        await until(
          async () => {
            await hasten();
            return (await position("siem")) === last;
          },
          { what: "everything to arrive" },
        );
        await sending.stop();
        assert.deepEqual(first(receiver.received.map(({ data }) => Number(data["seq"]))), upTo(last));
      }),
      { numRuns: 12 },
    );
  });

  test("what was sent and not recorded is sent again, by whoever comes next, and nothing is left out", async () => {
    // Each round ends after sending: as where a process dies before it says so.
    const got: number[] = [];
    let deaths = 3;
    const dying: OpenSink = () => ({
      send: async ({ entries }) => {
        got.push(...entries.map(({ seq }) => seq));
        if (deaths-- > 0) throw new Error("died");
        return { sent: true };
      },
    });
    await configure({ name: "copy", sink: "file", settings: { path: "/unused" } });
    const last = await write(250);
    replica({ file: dying });
    await until(
      async () => {
        await hasten();
        return (await position("copy")) === last;
      },
      { what: "everything to arrive" },
    );
    assert.deepEqual(first(got), upTo(last));
    assert.ok(got.length > last);
  });

  test("of many replicas one sends at a time, and another goes on when it stops", async () => {
    let [at, most] = [0, 0];
    const got: number[] = [];
    const counting: OpenSink = () => ({
      send: async ({ entries }) => {
        at += 1;
        most = Math.max(most, at);
        await new Promise((resolve) => setImmediate(resolve));
        got.push(...entries.map(({ seq }) => seq));
        at -= 1;
        return { sent: true };
      },
    });
    await configure({ name: "copy", sink: "file", settings: { path: "/unused" } });
    const replicas = Array.from({ length: 4 }, () => replica({ file: counting }));
    for (let round = 0; round < 4; round += 1) {
      const last = await write(30);
      await arrived("copy", last);
      await replicas[round]?.stop();
      if (round === 2) assert.equal(running.length, 4);
    }
    assert.equal(most, 1);
    assert.deepEqual(got, upTo((await world.entries()).length));
  });

  test("who took too long moves nothing, once another has taken over", async () => {
    const { db } = world.store;
    await configure({ name: "copy", sink: "file", settings: { path: join(dir, "late.jsonl") } });
    const sending = replica();
    await arrived("copy", await write(1));
    await sending.stop();
    const last = await write(5);
    const late = await takeTurn(db, "entries", "copy", 0);
    assert.ok(late !== null);
    assert.ok((await takeTurn(db, "entries", "copy", 60_000)) !== null);
    assert.equal(await takeTurn(db, "entries", "copy", 60_000), null);
    await missTurn(db, late, { error: "late", retryInMs: 0 });
    assert.equal(await takeTurn(db, "entries", "copy", 60_000), null);
    assert.equal(await position("copy"), last - 5);
  });

  test("a sink that hangs delays no other", async (t) => {
    const receiver = await syslogReceiver();
    receiver.manner = () => "hangs";
    t.after(() => receiver.close());
    await configure(
      { name: "hung", sink: "syslog", settings: { address: `tcp://127.0.0.1:${receiver.port}` } },
      { name: "copy", sink: "file", settings: { path: join(dir, "other.jsonl") } },
    );
    replica();
    await until(() => receiver.connections > 0, { what: "the sink to hang" });
    for (let i = 0; i < 3; i += 1) await arrived("copy", await write(1));
    assert.equal(await position("hung"), 0);
  });
});

describe("row 37: where the log is sent to is down", () => {
  /** A required sink that fails, and an entry that has waited for longer than it may. */
  async function down(t: { after(undo: () => Promise<unknown>): void }, holdsUp: DeclaredSink["holdsUp"]) {
    const receiver = await webhookReceiver(SECRET);
    receiver.answers = () => 503;
    t.after(() => receiver.close());
    const settings = { url: receiver.url, secret: SECRET };
    const siem = { name: "siem", sink: "webhook", settings, holdsUp, withinMs: 60_000 } as const;
    await configure({ ...siem, withinMs: 3_600_000 });
    replica();
    await until(async () => (await position("siem")) === 0, { what: "the sink to begin" });
    const grant = await world.granted("erin", "orders:read");
    const waits = await world.ask("alice", "orders:read");
    assert.ok(!isRefusal(waits));
    // By the store's time this happened long ago.
    await world.store.pool.query("update sinks set created_at = created_at - interval '2 hours'");
    const superuser = openStore(world.superuserUrl, { connections: 1 });
    await superuser.pool.query("set session_replication_role = replica");
    await superuser.pool.query(
      `update audit_entries set leaf = replace(leaf, leaf::jsonb ->> 'at', '2020-01-01T00:00:00.000Z')
        where id = (select entry_id from audit_positions where seq = 1)`,
    );
    await superuser.close();
    await configure(siem);
    return { receiver, grant, waits: waits.requestId };
  }

  test("row 37: nothing new is granted, nor approved, and it is said why; ends never wait", async (t) => {
    const { receiver, grant, waits } = await down(t, "everything");
    for (const no of [
      await world.ask("erin", "orders:read"),
      await world.ask("erin", "orders:read", { emergency: true }),
      await world.review("bob", waits),
    ]) {
      assert.ok(isRefusal(no));
      assert.equal(no.refused, "audit-sink-late");
      assert.match(no.detail, /has not reached siem for \d+ min.*ends on time.*tidegate health/);
      assert.equal(no.extra["sink"], "siem");
    }
    // Denying gives nobody anything.
    assert.ok(!isRefusal(await world.review("frank", waits, { verdict: "deny", comment: "not now" })));
    world.reconciler();
    const erin = await world.principal("erin");
    assert.ok(!isRefusal(await revokeGrant(world.context, erin, grant, "done")));
    await world.grantWhen(grant, ({ state }) => state === "revoked" || state === "cancelled", "ended");
    receiver.answers = () => 200;
    await until(
      async () => {
        await hasten();
        return (await position("siem")) === (await world.entries()).length;
      },
      { what: "the log to arrive" },
    );
    const again = await world.ask("erin", "orders:read");
    assert.ok(!isRefusal(again), JSON.stringify(again));
  });

  test("row 37: emergencies are granted where the configuration says so, and what is not required holds up nothing", async (t) => {
    await down(t, "ordinary");
    const no = await world.ask("erin", "orders:read");
    assert.ok(isRefusal(no) && no.refused === "audit-sink-late");
    assert.match(no.detail, /An emergency is granted all the same/);
    const emergency = await world.ask("erin", "orders:read", { emergency: true });
    assert.ok(!isRefusal(emergency) || emergency.refused !== "audit-sink-late");
    const { audit } = (await world.context.catalog.active(world.context.ledger))?.configuration ?? {};
    const siem = audit?.sinks["siem"];
    assert.ok(siem !== undefined);
    await configure({ ...siem, holdsUp: "nothing" });
    assert.ok(!isRefusal(await world.ask("erin", "orders:read")));
  });

  test("row 37: the health page turns red and says what holds up what, and figures say so", async (t) => {
    await down(t, "everything");
    const outlets = async () =>
      (await world.context.catalog.active(world.context.ledger))?.configuration.audit ?? assert.fail();
    await until(
      async () => {
        const metrics = createMetrics(quietSource({ db: world.store.db, outlets }));
        const { checks } = await metrics.health();
        const check = checks.find(({ name }) => name === "sink");
        assert.equal(check?.level, "red");
        assert.match(await metrics.text(), /tidegate_audit_sink_late\{sink="siem"\} 1/);
        return /siem has the log up to 0; \d+ entries wait.*it answered 503.*Nothing new is granted/.test(check.says);
      },
      { what: "the page to say why" },
    );
  });
});

test("a hole in the log is not passed over", async () => {
  const path = join(dir, "hole.jsonl");
  await configure({ name: "copy", sink: "file", settings: { path }, from: "now" });
  const sending = replica();
  await until(async () => (await position("copy")) >= 0, { what: "the sink to begin" });
  const at = await write(1);
  await arrived("copy", at);
  await sending.stop();
  await write(3);
  const superuser = openStore(world.superuserUrl, { connections: 1 });
  await superuser.pool.query(`set session_replication_role = replica`);
  await superuser.pool.query(
    `delete from audit_entries where id = (select entry_id from audit_positions where seq = ${at + 2})`,
  );
  await superuser.close();
  replica();
  const why = await until(async () => (await sinkFigures(world.store.db, ["copy"])).get("copy")?.lastError, {
    what: "the hole to be met",
  });
  assert.match(why, new RegExp(`the log lacks position ${at + 2}`));
  assert.equal(await position("copy"), at + 1);
});
