import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { RecordedRequestView } from "../contract/policy.ts";
import { POLICY_EXAMPLES } from "../contract/policy-examples.ts";
import { linesOf, requestsOfFile, requestsOfServer } from "./recorded-requests.ts";

const folder = mkdtempSync(join(tmpdir(), "tidegate-recorded-"));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, "requests.jsonl");

const example = POLICY_EXAMPLES.requests.answers[0]?.body.requests[0] as RecordedRequestView;
const at = (hour: number): RecordedRequestView => ({ ...example, at: `2026-01-31T1${hour}:00:00.000Z` });
const newestFirst = [at(4), at(3), at(2), at(1)];
const write = (lines: Iterable<object>): void =>
  writeFileSync(path, [...lines].map((line) => `${JSON.stringify(line)}\n`).join(""));

test("what was exported is read as it was, within a span and up to a limit that says so", async () => {
  write(linesOf(newestFirst, {}, 0));
  assert.deepEqual(await requestsOfFile(path, { limit: 10 }), { requests: newestFirst, more: false });
  assert.deepEqual(await requestsOfFile(path, { limit: 4 }), { requests: newestFirst, more: false });
  assert.deepEqual(await requestsOfFile(path, { limit: 3 }), { requests: newestFirst.slice(0, 3), more: true });
  const span = { from: "2026-01-31T12:00:00.000Z", until: "2026-01-31T14:00:00.000Z" };
  assert.deepEqual(await requestsOfFile(path, { ...span, limit: 10 }), { requests: [at(3), at(2)], more: false });
  write(linesOf([], {}, 0));
  assert.deepEqual(await requestsOfFile(path, { limit: 10 }), { requests: [], more: false });
});

test("another file is refused with the line and what is wrong in it", async () => {
  const refused = async (text: string, says: RegExp) => {
    writeFileSync(path, text);
    await assert.rejects(requestsOfFile(path, { limit: 10 }), says);
  };
  const header = JSON.stringify([...linesOf([], {}, 0)][0]);
  for (const text of ["", "version: 1\n", "[]\n", '{"tidegate":"recorded-requests","version":2}\n'])
    await refused(text, /holds no recorded requests\. Make such a file with: tidegate policy requests --out/);
  await refused(
    `${header}\n${JSON.stringify(example)}\n{"id":"rq_1"}\n`,
    /requests\.jsonl:3: this is no recorded request: at: /,
  );
  await refused(`${header}\n\n${JSON.stringify(example)}\n`, /requests\.jsonl:2: this is no recorded request/);
  await refused(`${header}\n{"id":`, /requests\.jsonl:2: this is no recorded request/);
  await assert.rejects(requestsOfFile(join(folder, "nowhere"), { limit: 1 }), /cannot be read/);
});

test("a server is asked page after page, and for no more than was wanted", async () => {
  const asked: unknown[] = [];
  const pages = [
    { requests: newestFirst.slice(0, 2), next: "2" },
    { requests: newestFirst.slice(2), next: null },
  ];
  const listRecordedRequests = async (query: unknown) => {
    asked.push(query);
    return pages[asked.length - 1];
  };
  const client = { listRecordedRequests } as unknown as Parameters<typeof requestsOfServer>[0];
  const span = { from: "2026-01-01T00:00:00.000Z" };
  assert.deepEqual(await requestsOfServer(client, { ...span, limit: 2_500 }), { requests: newestFirst, more: false });
  assert.deepEqual(asked, [
    { ...span, limit: 1_000 },
    { ...span, limit: 1_000, cursor: "2" },
  ]);
  asked.length = 0;
  assert.deepEqual(await requestsOfServer(client, { limit: 2 }), { requests: newestFirst.slice(0, 2), more: true });
  assert.equal(asked.length, 1);
});
