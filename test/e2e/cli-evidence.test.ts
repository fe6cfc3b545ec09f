/** What auditors ask, as a command: what is sent, every format, every page, and the exit codes. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import type { EvidenceAnswer } from "../../src/contract/evidence.ts";
import { EVIDENCE_EXAMPLES } from "../../src/contract/evidence-examples.ts";
import { cli, onlyJson, type StubServer, startStub } from "./cli-harness.ts";

const EXAMPLE = EVIDENCE_EXAMPLES.ask.answers[0]?.body as EvidenceAnswer;
const [ROW] = EXAMPLE.rows;
assert.ok(ROW);
const EVIL = { ...ROW, note: '=cmd|"/c calc"!A1', person: { id: "pr_1", handle: "@SUM(A1)", name: "" } };

let stub: StubServer;
before(async () => {
  stub = await startStub({ "GET /v1/evidence": { body: { ...EXAMPLE, rows: [ROW, EVIL] } } });
});
after(() => stub.close());
beforeEach(() => {
  stub.calls.length = 0;
});
const run = (...args: string[]) => cli(["evidence", ...args], { TIDEGATE_URL: stub.url, TZ: "UTC" });
const ACCESS = ["access", "orders-db:read", "--from", "2026-01-01", "--until", "2026-02-01"];

test("a question is sent with its period, and the table says what it means and how far the log went", async () => {
  const { code, stdout, stderr } = await run(...ACCESS);
  assert.equal(code, 0, stderr);
  const { limit, ...query } = Object.fromEntries(stub.calls[0]?.query ?? []);
  assert.deepEqual(query, {
    ...{ question: "access", of: "orders-db:read" },
    ...{ from: "2026-01-01T00:00:00.000Z", until: "2026-02-01T00:00:00.000Z" },
  });
  assert.equal(limit, "1000");
  assert.match(stdout, /^WHAT +STATE +AT +UNTIL +WHO +BY +ENTITLEMENT +ABOUT/);
  assert.match(stdout, /proven gone +2026-01-31T12:00:02\.000Z +2026-01-31T12:30:01\.000Z +alice +bob +orders-db:read/);
  assert.match(stderr, /may have lived within the period.*\n2 rows from 2026-01-01.*log up to 412\./);
  await run("policy", "--at", "2026-03-01");
  assert.equal(stub.calls[1]?.query.get("from"), "2026-03-01T00:00:00.000Z");
  assert.equal(stub.calls[1]?.query.get("until"), "2026-03-01T00:00:00.001Z");
});

test("CSV has a row for each with the id beside the handle, and no cell is a formula", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-evidence-"));
  try {
    const file = join(folder, "access.csv");
    const { code, stdout, stderr } = await run(...ACCESS, "--format", "csv", "--out", file);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const lines = readFileSync(file, "utf8").split("\r\n");
    assert.equal(lines.length, 4);
    assert.match(lines[0] ?? "", /^what,state,at,until,person,person_id,by,by_ids,/);
    assert.match(lines[1] ?? "", /,alice,pr_0a2c4e6g8j1k3m5n,bob,pr_5d7f9h1k3m5p7r9t,/);
    assert.match(lines[1] ?? "", /,410:grant\.revoked:en_qvye0h2n4k628vy5$/);
    assert.match(lines[2] ?? "", /,'@SUM\(A1\),.*,"'=cmd\|""\/c calc""!A1",/);
    assert.equal((await run(...ACCESS, "--format", "csv", "--out", file)).code, 2);
    const piped = await run(...ACCESS, "--format", "csv");
    assert.equal(piped.stdout.replaceAll("\r\n", "\n"), readFileSync(file, "utf8").replaceAll("\r\n", "\n"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("JSON is the whole answer and JSON lines are its rows", async () => {
  const whole = onlyJson(await run(...ACCESS, "--json")) as EvidenceAnswer;
  assert.deepEqual([whole.question, whole.rows.length, whole.head], ["access", 2, 412]);
  const { stdout } = await run(...ACCESS, "--format", "jsonl");
  assert.deepEqual(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
    [ROW, EVIL],
  );
});

test("what is not a question, or lacks what it is about, is a mistake in typing; what the server forbids is denied", async () => {
  for (const args of [
    ["access"],
    ["person"],
    ["everything"],
    ["totals", "orders"],
    ["policy", "--at", "x"],
    ["unused", "--format", "xls"],
  ])
    assert.equal((await run(...args)).code, 2, args.join(" "));
  const back = await run("totals", "--from", "2026-02-01", "--until", "2026-01-01");
  assert.equal(back.code, 2);
  assert.match(back.stderr, /must be the earlier one/);
  assert.equal(stub.calls.length, 0);
  assert.match((await run("access", "--help")).stdout, /Example:\n {2}\$ tidegate evidence access orders-db:read/);
});
