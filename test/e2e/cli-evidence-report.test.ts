/** The report of a period: counts that add up, or say loudly that they do not; nothing in it runs, whoever wrote what. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import type { EvidenceAnswer, EvidenceRow } from "../../src/contract/evidence.ts";
import { EVIDENCE_EXAMPLES } from "../../src/contract/evidence-examples.ts";
import { EXAMPLES } from "../../src/contract/examples.ts";
import { cli, type StubServer, startStub } from "./cli-harness.ts";

const EXAMPLE = EVIDENCE_EXAMPLES.ask.answers[0]?.body as EvidenceAnswer;
const CHECKPOINT = EXAMPLES.audit.checkpoint.answers[0]?.body;
const EVIL = "<script>alert(1)</script> [x](javascript:1) | **b** \u001b[2J\u202E";
const row = (more: Partial<EvidenceRow>): EvidenceRow => ({ ...(EXAMPLE.rows[0] as EvidenceRow), ...more });
/** More than a server gives at once: it is how many there are in all that is tried here. */
const PAGE = 25_000;
const counted = (what: string, counts: Record<string, number>): EvidenceRow[] =>
  Object.entries(counts).map(([state, count]) => row({ what, state, count, note: "", entries: [] }));

let rows: Record<string, EvidenceRow[]>;
let times: EvidenceAnswer["times"];
let stub: StubServer;
const sound = (): void => {
  rows = {
    totals: [
      ...counted("requests", { all: 6, automatic: 2, "approved-by-people": 1, "denied-by-people": 1, pending: 2 }),
      ...counted("grants", { all: 5, scheduled: 1, active: 1, revoking: 1, revoked: 1, cancelled: 1 }),
      ...counted("log", { "grant.created": 5 }),
    ],
    approvals: [
      ...["approve", "approve", "deny", "approve, void"].map((state) => row({ what: "review.recorded", state })),
      row({ state: "approve", by: [] }),
    ],
    emergencies: [row({ state: "reviewed", note: EVIL }), row({ state: "missing" })],
    endings: [row({ ms: 90_000, note: "expired" }), row({ until: null, state: "still live", note: "deactivated" })],
    unused: [row({ state: "never used" }), row({ state: "never used" }), row({ state: "not known" })],
    policy: [row({ what: "version 3", state: "ab".repeat(32), note: EVIL })],
  };
  times = { count: 2, open: 1, p50Ms: 90_000, p95Ms: 90_000, maxMs: 90_000 };
};
before(async () => {
  stub = await startStub({
    "GET /v1/evidence": ({ query }) => {
      const question = query.get("question") ?? "";
      const more = { question, of: null, times: question === "endings" ? times : null };
      const all = rows[question] ?? [];
      const [at, end] = [Number(query.get("cursor") ?? 0), Number(query.get("cursor") ?? 0) + PAGE];
      const next = end < all.length ? String(end) : null;
      return { body: { ...EXAMPLE, ...more, rows: all.slice(at, end), next } };
    },
    "GET /v1/audit/checkpoint": { body: CHECKPOINT },
  });
});
after(() => stub.close());
beforeEach(() => {
  sound();
  stub.calls.length = 0;
});
const run = (...args: string[]) =>
  cli(["evidence", "report", "--from", "2026-01-01", ...args], { TIDEGATE_URL: stub.url, TZ: "UTC" });

test("counts that add up, with the checkpoint that the report was drawn up at; every question is asked of one period", async () => {
  const { code, stdout, stderr } = await run();
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout, /NOT ADD UP|\| NO \|/);
  for (const line of [
    "| requests = decided + open | 6 | 6 | yes |",
    "| grants = proven gone + not gone + never made | 5 | 5 | yes |",
    "| bob (pr\\_5d7f9h1k3m5p7r9t) | 2 | 1 | 1 |",
    "| a rule alone | 1 | 0 | 0 |",
    "| expired | 1 | 0 | 90 |",
    "| deactivated | 1 | 1 | 0 |",
    "| 2 | 0 | 0 | 1 |",
  ])
    assert.ok(stdout.includes(`${line}\n`), line);
  assert.match(stdout, new RegExp(`${"ab".repeat(32)} \\|`), "the hash is whole");
  assert.ok(stdout.includes(`checkpoint of ${CHECKPOINT?.size} entries`));
  const asked = stub.calls.filter(({ path }) => path === "/v1/evidence").map(({ query }) => query);
  assert.deepEqual(
    [...new Set(asked.slice(1).map((query) => query.get("until")))],
    [EXAMPLE.until],
    "until the same moment",
  );
  for (const control of ["CC6.1", "CC6.2", "CC6.3", "A.5.15", "A.5.16", "A.5.18", "A.8.2", "8.2.5"])
    assert.match(stdout, new RegExp(`\\| [^|]*${control.replaceAll(".", "\\.")} \\| [^|]+ \\| [\\d, ]+ \\| [^|]+ \\|`));
  // Counts and hashes answer neither: there it says which command does.
  for (const control of ["A.5.17", "7.2.4"])
    assert.match(
      stdout,
      new RegExp(`\\| [^|]*${control.replaceAll(".", "\\.")} \\| [^|]+ \\| none \\| [^|]*tidegate [^|]+ \\|`),
    );
  for (const control of ["PCI DSS 4.0 10", "AC-2", "AC-6", "AU-9"]) assert.ok(stdout.includes(`${control} |`), control);
});

test("the longest time to a proof is found among as many endings as there are", async () => {
  const one = row({ ms: 1_000, note: "expired" });
  rows["endings"] = [...Array.from({ length: 150_000 }, () => one), row({ ms: 90_000, note: "expired" })];
  times = { count: 150_001, open: 0, p50Ms: 1_000, p95Ms: 1_000, maxMs: 90_000 };
  const { code, stdout, stderr } = await run();
  assert.equal(code, 0, stderr);
  assert.ok(stdout.includes("| expired | 150001 | 0 | 90 |\n"));
});

test("whatever does not add up is said on top, on stderr and by the exit code, after a second look", async () => {
  const wrongs: [() => void, RegExp][] = [
    [() => (rows["totals"] ?? []).splice(1, 1), /requests = decided \+ open: 6 and 4/],
    [() => (rows["totals"] ?? []).splice(-3, 1), /grants = proven gone \+ not gone \+ never made: 5 and 4/],
    [
      () => rows["totals"]?.push(...counted("log", { "grant.created": 6 })),
      /grants = their entries in the log: 5 and 6/,
    ],
    [() => (rows["endings"] ?? []).pop(), /endings counted = endings listed: 2 and 1/],
    [() => rows["emergencies"]?.push(row({ state: "lost" })), /emergencies = reviewed \+ open \+ missing: 3 and 2/],
    [
      () => rows["policy"]?.push(row({ entries: [{ seq: 999_999, id: "en_1", kind: "x" }] })),
      /entries that are named = those under the checkpoint/,
    ],
  ];
  for (const [spoil, why] of wrongs) {
    sound();
    spoil();
    stub.calls.length = 0;
    const { code, stdout, stderr } = await run();
    assert.equal(code, 1, String(why));
    assert.match(stderr, why);
    assert.match(stdout, /^# .*\n\n\*\*THE COUNTS DO NOT ADD UP: /);
    assert.match(stdout, /\| NO \|/);
    assert.equal(stub.count("GET /v1/audit/checkpoint"), 2, "looked at twice");
  }
});

test("the page to print is one file of its owner, with nothing that runs or comes from elsewhere, whoever wrote what", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-report-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "q1.html");
  const { code, stdout, stderr } = await run("--format", "html", "--out", file);
  assert.deepEqual([code, stdout], [0, ""], stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await run("--format", "html", "--out", file)).code, 2);
  const page = readFileSync(file, "utf8");
  assert.match(page, /^<!doctype html>.*default-src 'none'/);
  assert.doesNotMatch(page, /<script|<img|<link|<a |src=|href=|\son\w+=/i);
  assert.ok(!["\u001b", "\u202e"].some((sign) => page.includes(sign)));
  assert.match(page, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/);
  const opened = page.match(/<(h1|h2|p|table|thead|tbody|tr|th|td)\b/g)?.length;
  assert.equal(opened, page.match(/<\/(h1|h2|p|table|thead|tbody|tr|th|td)>/g)?.length);
  const markdown = (await run()).stdout;
  assert.ok(markdown.includes("\\<script\\>alert(1)\\</script\\> \\[x\\](javascript:1) \\| \\*\\*b\\*\\*"), markdown);
});
