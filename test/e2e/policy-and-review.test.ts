/** `tidegate policy requests`, `policy diff` and `review`, as somebody runs them beside a server and in CI without one. */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Served } from "../support/served.ts";

let served: Served;
let configuration: string;
const there = (name: string): string => join(served.dir, name);

before(async () => {
  served = await Served.prepare();
  await served.boot();
  configuration = readFileSync(there("tidegate.yaml"), "utf8");
  await served.granted("30m");
  const asked = ["orders-db:read", "--for", "1h", "--reason", "looking into slow checkouts"];
  assert.equal((await served.as("alice", "request", ...asked)).code, 4);
  assert.equal((await served.as("dave", "request", ...asked)).code, 3);
});
after(() => served.stop());

/** The same policy, but nobody on call gets anything at once. */
function withoutOnCall(): string {
  const path = there("stricter.yaml");
  const stricter = configuration
    .replace("oncall.tier in [1, 2]", "oncall.tier in [7]")
    .replaceAll("min_length: 15", "min_length: 5");
  assert.notEqual(stricter, configuration);
  writeFileSync(path, stricter);
  return path;
}

test("the same policy decides the same, and that exits with 0", async () => {
  for (const [before, after] of [
    ["@active", there("tidegate.yaml")],
    ["@active", "@1"],
    ["@1", "@active"],
  ] as const) {
    const { code, stdout, stderr } = await served.as("carol", "policy", "diff", before, after);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "Nothing would be decided otherwise: 3 requests were replayed.\n");
  }
});

test("what would be decided otherwise is a table with its sums, and exits with 1", async () => {
  const { code, stdout } = await served.as("carol", "policy", "diff", "@active", withoutOnCall());
  assert.equal(code, 1);
  const [titles, row, , sums, kind] = stdout.split("\n");
  assert.match(titles ?? "", /^WHO +ENTITLEMENT +WHEN +FOR +REQUEST +OLD +NEW$/);
  assert.match(
    row ?? "",
    /^erin +orders-db:read +\S+ +30m +rq_\w+ +automatic by on-call-reads-in-an-incident +needs-approval by payments-engineers \(1 of owners\)$/,
  );
  assert.equal(sums, "1 of 3 requests would be decided otherwise:");
  assert.equal(kind, "  1 from automatic to needs-approval");
});

test("as JSON it is the whole of it", async () => {
  const { code, stdout } = await served.as("carol", "policy", "diff", "@active", withoutOnCall(), "--json");
  assert.equal(code, 1);
  const said = JSON.parse(stdout);
  assert.deepEqual(
    [said.requests, said.asOfNow, said.unlikeThen, said.complete, said.changes.length],
    [3, 0, 0, true, 1],
  );
  assert.deepEqual(said.changes[0].request.user.handle, "erin");
  assert.deepEqual(said.changes[0].new.steps, [{ by: ["owners"], count: 1 }]);
});

test("a time and a number narrow what is replayed, and what is left out is told", async () => {
  const none = await served.as("carol", "policy", "diff", "@1", "@active", "--until", "2020-01-01");
  assert.match(none.stderr, /Nothing lies between/);
  assert.equal(none.code, 2);
  const early = ["--since", "2019-01-01", "--until", "2020-01-01"];
  const nothing = await served.as("carol", "policy", "diff", "@1", withoutOnCall(), ...early);
  assert.deepEqual([nothing.code, nothing.stdout], [0, "No request was made in that time: nothing was replayed.\n"]);
  const { stdout } = await served.as("carol", "policy", "diff", "@1", "@active", "--limit", "2");
  assert.match(stdout, /2 requests were replayed\.\nOnly the newest 2 were replayed; --limit lets more in\./);
});

test("what was exported is replayed without a server, by whoever has the file", async () => {
  const file = there("requests.jsonl");
  const { code, stderr } = await served.as("carol", "policy", "requests", "--out", file);
  assert.deepEqual([code, stderr], [0, `3 requests in ${file}.\n`]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await served.as("carol", "policy", "requests", "--out", file)).code, 2, "nothing is written over");
  const config = there("tidegate.yaml");
  const url = served.url;
  served.url = "http://127.0.0.1:9";
  try {
    const same = await served.as("nobody", "policy", "diff", config, config, "--requests", file);
    assert.deepEqual([same.code, same.stderr], [0, ""]);
    const other = await served.as("nobody", "policy", "diff", config, withoutOnCall(), "--requests", file, "--json");
    assert.deepEqual([other.code, JSON.parse(other.stdout).changes.length], [1, 1]);
  } finally {
    served.url = url;
  }
  const { stdout } = await served.as("carol", "policy", "requests", "--limit", "1");
  assert.deepEqual(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => Object.keys(JSON.parse(line))[0]),
    ["tidegate", "id"],
  );
});

test("what goes wrong exits with 2 or 3, never with the 1 of a difference", async () => {
  const config = there("tidegate.yaml");
  const broken = there("broken.yaml");
  writeFileSync(broken, configuration.replace("version: 1", "version: 2"));
  const diff = (...args: string[]) => served.as("carol", "policy", "diff", ...args);
  const invalid = await diff(config, broken);
  assert.equal(invalid.code, 2);
  assert.match(invalid.stderr, /broken\.yaml:\d+:\d+: error: version must be 1\n/);
  assert.match(invalid.stderr, /is not a valid configuration: nothing was replayed/);
  const json = await diff(config, broken, "--json");
  assert.deepEqual([json.code, JSON.parse(json.stdout).mistakes.length], [2, 1]);
  const noVersion = await diff("@99", config);
  assert.deepEqual([noVersion.code, /There is no version 99/.test(noVersion.stderr)], [2, true]);
  const away = await diff("@active", config, "--url", "http://127.0.0.1:9");
  assert.deepEqual([away.code, /Cannot reach/.test(away.stderr)], [2, true]);
  assert.equal((await served.as("alice", "policy", "diff", "@active", config)).code, 3);
});

test("an access review is Markdown, CSV and JSON of the same numbers, for auditors and admins", async () => {
  const file = there("review.md");
  const span = ["--since", "1d"];
  const { code, stderr } = await served.as("carol", "review", ...span, "--out", file);
  assert.equal(code, 0, stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const markdown = readFileSync(file, "utf8");
  const json = JSON.parse((await served.as("carol", "review", ...span, "--json")).stdout);
  assert.equal(json.requests.total, 3);
  assert.match(markdown, /^## Requests made within the period: 3$/m);
  assert.match(markdown, /^\| erin \| 1 \| by on-call-reads-in-an-incident \|$/m);
  for (const { title, rows } of json.findings) assert.ok(markdown.includes(`## ${title}: ${rows.length}\n`), title);
  const csv = (await served.as("carol", "review", ...span, "--format", "csv")).stdout;
  assert.match(csv, /^requests,,,,3,,,in all\r$/m);
  const refused = await served.as("alice", "review");
  assert.deepEqual([refused.code, refused.stdout], [3, ""]);
  assert.equal((await served.as("carol", "review", "--since", "1h", "--until", "2h")).code, 2);
});
