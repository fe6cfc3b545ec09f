/** The health page, the command and the figures of a real server whose target, store and files fail, as the runbook tells it. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { HealthView } from "../../src/contract/health.ts";
import { OwnStore } from "../support/own-store.ts";
import { Served } from "../support/served.ts";
import { until } from "../support/until.ts";

let served: Served;
let store: OwnStore;
beforeEach(async () => {
  served = await Served.prepare();
  store = new OwnStore(served);
});
afterEach(async () => {
  await served.stop();
  await store.stop();
});

const LONG = { timeoutMs: 90_000 };

async function boot(): Promise<URL> {
  await served.boot("--metrics-port", "0");
  const figures = /"url":"(http:[^"]+\/metrics)"/.exec(served.output)?.[1];
  assert.ok(figures !== undefined, served.output);
  return new URL("/health", figures);
}

/** Waits until the page has a row of this level that says so; answers its status. */
const pageSays = (page: URL, level: string, says: RegExp) =>
  until(
    async () => {
      const response = await fetch(page);
      const rows = (await response.text()).split("\n").filter((line) => line.startsWith(`<tr class="${level}"`));
      return rows.some((row) => says.test(row)) ? response.status : null;
    },
    { what: `the page to be ${level} and say ${says}`, ...LONG },
  );
const pageIsGreen = (page: URL) =>
  until(async () => (await (await fetch(page)).text()).includes("<title>green: Tidegate</title>"), {
    what: "the page to be green",
    ...LONG,
  });

test("S02, row 18: while the target is stopped the page, the command and the figures say revoking, still live, before anybody notices; when it is back all turn green by themselves", async () => {
  const page = await boot();
  await pageIsGreen(page);
  assert.equal((await served.as("carol", "health")).code, 0);
  const grant = await served.granted("15s");
  process.kill(served.target.pid, "SIGSTOP");
  try {
    const status = await pageSays(page, "red", /Access past its end.*revoking, still live/);
    assert.equal(status, 503);
    await pageSays(page, "yellow", /Target orders-db.*does not answer.*tidegatetargetdown/);
    const { code, stdout } = await served.as("carol", "health", "--json");
    assert.equal(code, 1);
    const { level, checks } = JSON.parse(stdout) as HealthView;
    assert.equal(level, "red");
    assert.match(checks.find(({ name }) => name === "overdue")?.says ?? "", /revoking, still live/);
    const shown = await served.as("erin", "grants", "show", grant);
    assert.match(shown.stdout, /STILL LIVE/);
    const figures = await (await fetch(new URL("/metrics", page))).text();
    assert.match(figures, /^tidegate_target_up\{resource="orders-db"\} 0$/m);
    assert.match(figures, /^tidegate_health\{check="overdue"\} 2$/m);
    const refused = await served.as("erin", "health");
    assert.deepEqual([refused.code, refused.stdout], [3, ""]);
  } finally {
    process.kill(served.target.pid, "SIGCONT");
  }
  await served.grantIs(grant, "revoked");
  await pageIsGreen(page);
});

test("while the store is stopped the page is red, says so, and is green when it is back", async () => {
  await store.start();
  const page = await boot();
  await pageIsGreen(page);
  await store.stop();
  await pageSays(page, "red", /Store.*does not answer.*tidegatestoreaway/);
  await pageSays(page, "yellow", /Journal.*ends access while the store is away/);
  const { code, stderr } = await served.as("carol", "health");
  assert.equal(code, 1);
  assert.match(stderr, /store does not answer/);
  await store.start();
  await pageIsGreen(page);
});

test("a bad configuration file is yellow until it is mended, and the command that watches says both", async () => {
  const page = await boot();
  await pageIsGreen(page);
  const file = join(served.dir, "tidegate.yaml");
  const good = readFileSync(file, "utf8");
  const watching = served.watch("carol", "health", "--watch");
  await until(() => watching.output().includes("All is well"), { what: "the first verdict", ...LONG });
  writeFileSync(file, good.replace("connector: postgres", "connector: postgrse"));
  assert.equal(await pageSays(page, "yellow", /Configuration.*a mistake.*tidegateconfigurationbad/), 200);
  await until(() => /configuration: green → YELLOW/.test(watching.output()), { what: "it to be told", ...LONG });
  assert.equal((await served.as("carol", "health")).code, 4);
  writeFileSync(file, good);
  await pageIsGreen(page);
  await until(() => /configuration: YELLOW → green/.test(watching.output()), { what: "that to be told", ...LONG });
  assert.equal(await watching.interrupt(), 0);
});
