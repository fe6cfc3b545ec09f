import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { register } from "prom-client";
import { TargetError } from "../../src/connector/connector.ts";
import { listenForMetrics } from "../../src/metrics/listen.ts";
import { createMetrics, type Metrics } from "../../src/metrics/metrics.ts";
import { openStore } from "../../src/store/db.ts";
import { type Api, createApi } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { labelsOfSeries } from "../support/labels-of-series.ts";
import { quietSource } from "../support/metrics-source.ts";
import { namedIn } from "../support/promql.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;
let metrics: Metrics;

before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world);
  metrics = createMetrics(quietSource({ db: world.store.db, pool: world.store.pool, resources: async () => ["dir"] }));
});
after(async () => {
  await api.close();
  await world.stop();
});

/** The value of a series; null where there is none. `series` is the name with its labels, as written. */
const figureOf = (text: string, series: string): number | null => {
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
};

describe("figures", () => {
  test("are for operators, auditors and admins, in the text form of Prometheus", async () => {
    for (const who of ["otto", "audrey", "ada"]) {
      const { status, text, headers } = await api.get(who, "/metrics");
      assert.equal(status, 200);
      assert.match(String(headers["content-type"]), /^text\/plain; version=0\.0\.4/);
      assert.equal(figureOf(text, "tidegate_store_up"), 1);
    }
    assert.equal((await api.get("alice", "/metrics")).body.code, "forbidden");
    assert.equal((await api.get(null, "/metrics")).status, 401);
  });

  test("answers are counted by route, method and status; no address of a caller becomes a name", async () => {
    await api.get("alice", "/v1/grants/gr_0000000000000000");
    await api.get("alice", "/v1/nothing-at-all");
    await api.get("alice", "/v1/grants/gr_0000000000000000?wait=1");
    const { text } = await api.get("ada", "/metrics");
    const count = "tidegate_http_request_duration_seconds_count";
    assert.equal(figureOf(text, `${count}{route="/v1/grants/:id",method="GET",status="404"}`), 1);
    assert.equal(figureOf(text, `${count}{route="none",method="any",status="404"}`), 1);
    assert.doesNotMatch(text, /nothing-at-all|gr_0000/);
  });

  test("nothing of ours is in the registry that all libraries share", async () => {
    assert.equal(await register.metrics(), "\n");
  });

  test("without the store the rest is told, and no old figure is", async () => {
    const store = openStore("postgres://nobody@127.0.0.1:1/nothing");
    const own = createMetrics(quietSource({ db: store.db, pool: store.pool }));
    const text = await own.text();
    assert.equal(figureOf(text, "tidegate_store_up"), 0);
    assert.doesNotMatch(text, /^tidegate_grants/m);
    assert.match(text, /^process_resident_memory_bytes \d/m);
    await store.close();
  });

  test("they are there without a token on the loopback address, where that is asked for", async () => {
    const listener = await listenForMetrics(metrics, 0);
    assert.match(listener.url, /^http:\/\/127\.0\.0\.1:/);
    assert.match(await (await fetch(listener.url)).text(), /^tidegate_grants\{state="active"\} 0$/m);
    assert.equal((await fetch(new URL("/", listener.url))).status, 404);
    assert.equal((await fetch(listener.url, { method: "POST" })).status, 404);
    await listener.close();
  });
});

test("a grant that ends on time is counted with its lag; one that cannot end is overdue, by resource and code", async () => {
  const own = await createWorld();
  const counting = createMetrics(
    quietSource({ db: own.store.db, pool: own.store.pool, resources: async () => ["team"] }),
  );
  try {
    own.directory.members.set("readers", new Set());
    const resource = directoryResource("team", own.directoryName, { read: { group: "readers" } });
    await own.configure(
      configuration({ resources: [resource], principals: [person("alice")], policies: [automatically("all")] }),
    );
    own.reconciler({
      watch: { performed: (action) => counting.performed(action), closed: (grant) => void counting.closed(grant) },
    });
    const short = await own.granted("alice", "team:read");
    await own.grantWhen(short, ({ state }) => state === "active", "active");
    await own.endNow(short);
    await own.grantWhen(short, ({ state }) => state === "revoked", "revoked");
    const lag = "tidegate_revocation_lag_seconds_count";
    await until(async () => figureOf(await counting.text(), lag) === 1, { what: "the lag to be counted" });
    const text = await counting.text();
    assert.ok((figureOf(text, 'tidegate_reconciler_actions_total{resource="team",action="provision"}') ?? 0) >= 1);
    assert.equal(figureOf(text, "tidegate_grants_overdue"), 0);

    const stuck = await own.granted("alice", "team:read");
    await own.grantWhen(stuck, ({ state }) => state === "active", "active");
    own.directory.fail = () => {
      throw new TargetError("unreachable", "the directory is away");
    };
    await own.endNow(stuck);
    await until(async () => (figureOf(await counting.text(), "tidegate_grants_overdue_oldest_seconds") ?? 0) > 0, {
      what: "it to be overdue",
    });
    await own.grantWhen(stuck, ({ trouble }) => trouble !== null, "in trouble");
    // The second look at the first one is in trouble, too, once its time has come.
    await until(async () => (figureOf(await counting.text(), "tidegate_grants_in_trouble") ?? 0) > 0, {
      what: "the trouble",
    });
    assert.equal(figureOf(await counting.text(), "tidegate_grants_overdue"), 1);
    // Counted a moment after the trouble is written.
    const failed = /^tidegate_reconciler_failures_total\{resource="team",action="revoke",code="unreachable"\} \d/m;
    await until(async () => failed.test(await counting.text()), { what: "the failure to be counted" });
    own.directory.fail = null;
    await own.grantWhen(stuck, ({ state }) => state === "revoked", "revoked");
  } finally {
    await own.stop();
  }
});

type Shown = { expr: string; legendFormat?: string };

/** Every expression of the dashboard. The alerts' are in test/alerts.test.ts. */
function expressions(): Shown[] {
  const dashboard = JSON.parse(readFileSync(resolve(DOCS, "grafana-dashboard.json"), "utf8"));
  const shown: Shown[] = dashboard.panels.flatMap(({ targets = [] }: { targets?: Shown[] }) => targets);
  const variables: { query: string }[] = dashboard.templating.list;
  const queried = variables.flatMap(({ query }) => /^label_values\((\w+), (\w+)\)$/.exec(query) ?? []);
  assert.ok(shown.length > 20 && queried.length === 3);
  return [...shown, { expr: `${queried[1]}{${queried[2]}=""}` }];
}

const DOCS = resolve(import.meta.dirname, "../../docs");
test("the dashboard names only series and labels that /metrics gives", async () => {
  const series = await labelsOfSeries(metrics);
  assert.deepEqual(series.get("tidegate_reconciler_failures_total"), ["resource", "action", "code", "job", "instance"]);
  for (const { expr, legendFormat = "" } of expressions()) {
    const named = namedIn(expr);
    for (const name of named.metrics) {
      const known = series.get(name);
      assert.ok(known !== undefined, `${name} is no series: ${expr}`);
      for (const label of named.labels) assert.ok(known.includes(label), `${name} has no label ${label}: ${expr}`);
      // What an aggregation drops cannot stand in the legend.
      const kept = /\b(sum|max|min|avg|count)\b/.test(expr) ? named.labels : known;
      for (const [, label = ""] of legendFormat.matchAll(/\{\{\s*(\w+)\s*\}\}/g))
        assert.ok(kept.includes(label), `the legend of ${expr} names ${label}, which is not there`);
    }
  }
});

test("S17 the dashboard shows emergencies that wait for their review, and no panel lies upon another", async () => {
  const shown = new Set(expressions().flatMap(({ expr }) => namedIn(expr).metrics));
  const emergencies = [...(await labelsOfSeries(metrics)).keys()].filter((name) => /^tidegate_emergenc/.test(name));
  assert.ok(emergencies.length >= 3);
  for (const name of emergencies) assert.ok(shown.has(name), `no panel shows ${name}`);
  type Panel = { id: number; gridPos: { x: number; y: number; w: number; h: number } };
  const { panels } = JSON.parse(readFileSync(resolve(DOCS, "grafana-dashboard.json"), "utf8")) as { panels: Panel[] };
  const taken = new Map<string, number>();
  for (const { id, gridPos: at } of panels)
    for (let x = at.x; x < at.x + at.w; x += 1)
      for (let y = at.y; y < at.y + at.h; y += 1) {
        assert.equal(taken.get(`${x} ${y}`), undefined, `panel ${id} lies upon another`);
        taken.set(`${x} ${y}`, id);
      }
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
});

test("what an expression names is told, down to labels in lists and selectors", () => {
  const one = namedIn(
    'histogram_quantile(0.95, sum by (le, route) (rate(a_bucket{job=~"$job",x!="y{z}"}[5m] offset 1d)))',
  );
  assert.deepEqual(one, { metrics: ["a_bucket"], labels: ["le", "route", "job", "x"] });
  const two = namedIn("min(up_a) == 0 or absent(b) > 1e3 and on (instance) c");
  assert.deepEqual(two, { metrics: ["up_a", "b", "c"], labels: ["instance"] });
});

test("docs/metrics.md explains every figure of ours, and no other", async () => {
  const names = new Set((await metrics.registry.getMetricsAsJSON()).map(({ name }) => name));
  const text = readFileSync(resolve(DOCS, "metrics.md"), "utf8");
  for (const name of names)
    if (name.startsWith("tidegate_")) assert.ok(text.includes(`\`${name}\``), `${name} is not explained`);
  for (const [, name = ""] of text.matchAll(/`(tidegate_[a-z_]+)`/g))
    assert.ok(names.has(name), `${name} is no figure`);
});
