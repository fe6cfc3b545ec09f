/** Health on a real store: who may see it, and that it turns before anybody notices and back again. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { TargetError } from "../../src/connector/connector.ts";
import type { HealthCheckView, HealthView } from "../../src/contract/health.ts";
import { type Health, THRESHOLDS } from "../../src/domain/health-facts.ts";
import { listenForMetrics } from "../../src/metrics/listen.ts";
import { createMetrics, type MetricsSource } from "../../src/metrics/metrics.ts";
import { enterQuarantine } from "../../src/operations/enter-quarantine.ts";
import { sequenceAll } from "../../src/store/audit.ts";
import { openStore } from "../../src/store/db.ts";
import { type Api, createApi } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { quietSource } from "../support/metrics-source.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;
before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world);
});
after(async () => {
  await api.close();
  await world.stop();
});

const named = (checks: readonly HealthCheckView[], name: string): HealthCheckView => {
  const found = checks.find((check) => check.name === name);
  assert.ok(found !== undefined, `there is a check ${name}`);
  return found;
};
const levelOf = ({ checks }: Health, name: string, subject: string | null = null) =>
  checks.find((check) => check.name === name && check.subject === subject)?.level;

describe("how well the server is", () => {
  test("is for operators, auditors and admins, and names no person", async () => {
    for (const who of ["otto", "audrey", "ada"]) {
      const { status, body, text } = await api.get(who, "/v1/health");
      assert.equal(status, 200);
      assert.equal((body as HealthView).level, "green");
      assert.doesNotMatch(text, /alice|otto|pr_/);
    }
    assert.equal((await api.get("alice", "/v1/health")).body.code, "forbidden");
    assert.equal((await api.get(null, "/v1/health")).status, 401);
  });

  test("tells each configured target, and figures tell the same", async () => {
    const { checks }: HealthView = (await api.get("ada", "/v1/health")).body;
    const targets = checks.filter(({ name }) => name === "target");
    assert.ok(targets.length > 0);
    const { text } = await api.get("ada", "/metrics");
    for (const { subject, level } of targets) {
      assert.equal(level, "green");
      assert.match(text, new RegExp(`^tidegate_target_up\\{resource="${subject}"\\} 1$`, "m"));
    }
    assert.match(text, /^tidegate_health\{check="store"\} 0$/m);
    assert.match(text, /^tidegate_quarantine 0$/m);
  });

  test("a panic is yellow until it is lifted, and a token of a service that ends this week is counted", async () => {
    const pressed = await api.post("ada", "/v1/panics", { resource: "nothing-there", reason: "a drill" });
    const over =
      pressed.status === 201 ? pressed : await api.post("ada", "/v1/panics", { all: true, reason: "a drill" });
    assert.equal(over.status, 201, over.text);
    const seen = async () => named((await api.get("ada", "/v1/health")).body.checks, "panics");
    const yellow = await until(async () => ((await seen()).level === "yellow" ? seen() : null), { what: "yellow" });
    assert.match(yellow.says, /^1 panic is in force/);
    assert.doesNotMatch(yellow.says, /drill/);
    await api.post("ada", `/v1/panics/${over.body.id}/lift`, { reason: "over" });
    await until(async () => (await seen()).level === "green", { what: "green again" });

    const { pool } = world.store;
    await pool.query(`insert into principals (id, kind, handle, name, created_at)
      values ('pr_0000000000000srv', 'service', 'scraper', 'Scraper', clock_timestamp())`);
    for (const [id, ends] of [
      ["soon", "6 days"],
      ["later", "8 days"],
      ["ended", "-1 day"],
    ])
      await pool.query(
        `insert into api_tokens (id, principal_id, name, hash, source, expires_at, created_at)
         values ($1, 'pr_0000000000000srv', $1, 'sha256:' || repeat(md5($1), 2), 'file', clock_timestamp() + $2::interval, clock_timestamp())`,
        [id, ends],
      );
    const tokens = async () => named((await api.get("ada", "/v1/health")).body.checks, "tokens");
    await until(async () => (await tokens()).says.startsWith("1 token of a service ends"), { what: "the token" });
  });

  test("quarantine is red", async () => {
    const own = await createWorld();
    await own.configure(organisation(own.directoryName));
    try {
      const metrics = createMetrics(quietSource({ db: own.store.db }));
      assert.equal(levelOf(await metrics.health(), "quarantine"), "green");
      await enterQuarantine(own.context, { why: "an older backup was restored", facts: {} });
      await until(async () => levelOf(await metrics.health(), "quarantine") === "red", { what: "red" });
      assert.match(await metrics.text(), /^tidegate_quarantine 1$/m);
    } finally {
      await own.stop();
    }
  });

  test("a store that does not answer is yellow, then red, and what only it knows is no longer told", async () => {
    const store = openStore("postgres://nobody@127.0.0.1:1/nothing");
    const metrics = createMetrics(quietSource({ db: store.db }));
    const first = await metrics.health();
    assert.equal(levelOf(first, "store"), "yellow");
    assert.equal(levelOf(first, "overdue"), "yellow");
    assert.doesNotMatch(await metrics.text(), /^tidegate_(target_up|quarantine|clean_up_pending)/m);
    await until(async () => levelOf(await metrics.health(), "store") === "red", { what: "red", timeoutMs: 60_000 });
    await store.close();
  });

  test("a journal that ends access knows longer than we do that the store is away", async () => {
    const store = openStore("postgres://nobody@127.0.0.1:1/nothing");
    const journal = { ageMs: 60_000, grants: 3, atWork: true, unkept: false, full: false };
    const metrics = createMetrics(quietSource({ db: store.db, journal: () => journal }));
    assert.equal(levelOf(await metrics.health(), "store"), "red");
    await store.close();
  });
});

describe("the page", () => {
  const served = async (given: Partial<MetricsSource>, ask: (url: string) => Promise<void>) => {
    // Here no job does: entries that wait for long are a check that is red.
    await sequenceAll(world.store.db);
    const metrics = createMetrics(quietSource({ db: world.store.db, resources: async () => ["dir"], ...given }));
    const listener = await listenForMetrics(metrics, 0);
    try {
      await ask(new URL("/health", listener.url).href);
    } finally {
      await listener.close();
    }
  };

  test("shows each check with a word, not with colour alone, loads itself, and needs no script and nothing from elsewhere", async () => {
    await served({}, async (url) => {
      const response = await fetch(url);
      assert.equal(response.status, 200);
      assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
      const policy = response.headers.get("content-security-policy") ?? "";
      assert.match(policy, /default-src 'none'; style-src 'sha256-/);
      const html = await response.text();
      assert.match(html, /<html lang="en">/);
      assert.match(html, /<meta http-equiv="refresh" content="\d+">/);
      assert.match(html, /<th scope="row">Target dir<\/th><td class="level green">.*green<\/td>/);
      assert.doesNotMatch(html, /<script|src=|href=|url\(|https?:|alice|pr_/);
    });
  });

  test("what is wrong stands first, is escaped, and names its section of the runbook", async () => {
    const configurationTrouble = () => 'since noon a.yaml has a mistake: "<script>alert(1)</script>" is no name';
    await served({ configurationTrouble }, async (url) => {
      const html = await (await fetch(url)).text();
      assert.match(html, /<title>yellow: Tidegate<\/title>/);
      assert.ok(html.indexOf(">Configuration<") < html.indexOf(">Store<"));
      assert.match(html, /&lt;script&gt;alert/);
      assert.match(html, /docs\/operations\.md#tidegateconfigurationbad/);
    });
  });

  test("its status is 503 when it is red", async () => {
    const reconciler = () => ({ running: false, lastTickMs: null, inFlight: 0, silent: [] });
    await served({ reconciler }, async (url) => assert.equal((await fetch(url)).status, 503));
  });

  test("is given only to who asks by the name of this machine: no other site's page can read it", async () => {
    await served({}, async (url) => {
      const { request } = await import("node:http");
      const asked = Promise.withResolvers<number>();
      request(url, { headers: { host: "rebound.example.com" } }, (response) => {
        response.resume();
        asked.resolve(response.statusCode ?? 0);
      }).end();
      assert.equal(await asked.promise, 404);
    });
  });
});

test("S02: while a target is away access past its end turns yellow and red and reads revoking, still live; when it is back all is green again without a human", async () => {
  const own = await createWorld();
  try {
    own.directory.members.set("readers", new Set());
    const resource = directoryResource("team", own.directoryName, { read: { group: "readers" } });
    await own.configure(
      configuration({ resources: [resource], principals: [person("alice")], policies: [automatically("all")] }),
    );
    const reconciler = own.reconciler();
    const metrics = createMetrics(quietSource({ db: own.store.db, resources: async () => ["team"] }));
    const grant = await own.granted("alice", "team:read");
    await own.grantWhen(grant, ({ state }) => state === "active", "active");
    assert.equal(levelOf(await metrics.health(), "overdue"), "green");
    own.directory.fail = () => {
      throw new TargetError("unreachable", "the directory is away");
    };
    await own.endNow(grant);
    // As it was seen above.
    const seen = ["green"];
    await until(
      async () => {
        const health = await metrics.health();
        const [overdue, target] = [levelOf(health, "overdue"), levelOf(health, "target", "team")];
        if (overdue !== undefined && seen.at(-1) !== overdue) seen.push(overdue);
        return overdue === "red" && target !== "green";
      },
      { what: "access past its end to be red and the target yellow", timeoutMs: 90_000 },
    );
    // Under heavy load a look may miss yellow; it never misses red, and never goes from red to yellow.
    assert.deepEqual(
      seen.filter((level) => level !== "yellow"),
      ["green", "red"],
    );
    const { checks } = await metrics.health();
    const overdue = checks.find(({ name }) => name === "overdue");
    assert.match(overdue?.says ?? "", /^1 grant is revoking, still live/);
    assert.equal(overdue?.runbook, "tidegateaccessoverdue");
    const text = await metrics.text();
    assert.match(text, /^tidegate_target_up\{resource="team"\} 0$/m);
    assert.match(text, /^tidegate_target_grants_in_trouble\{resource="team",code="unreachable"\} 1$/m);
    assert.ok(Number(/^tidegate_target_attempts\{resource="team"\} (\d+)$/m.exec(text)?.[1]) >= 2);
    assert.ok(
      Number(/^tidegate_grants_overdue_oldest_seconds (.+)$/m.exec(text)?.[1]) > THRESHOLDS.overdue.red / 1_000,
    );
    await until(() => reconciler.logged.some(({ what }) => what === "access-still-live"), { what: "it to say so" });

    own.directory.fail = null;
    await own.grantWhen(grant, ({ state }) => state === "revoked", "revoked");
    await until(
      async () => {
        // Here no job gives positions to the entries of the log.
        await sequenceAll(own.store.db);
        return (await metrics.health()).level === "green";
      },
      { what: "green again", timeoutMs: 60_000 },
    );
    assert.match(await metrics.text(), /^tidegate_target_up\{resource="team"\} 1$/m);
  } finally {
    await own.stop();
  }
});
