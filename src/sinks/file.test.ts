import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { InstallationId } from "../base/ids.ts";
import { openFileSink } from "./file.ts";
import type { Batch } from "./sink.ts";

const dir = mkdtempSync(join(tmpdir(), "tidegate-file-sink-"));
after(() => rmSync(dir, { recursive: true, force: true }));

const batch = (...seqs: number[]): Batch => ({
  installation: "abcdefgh" as InstallationId,
  personal: false,
  entries: seqs.map((seq) => {
    const leaf = `{"id":${seq}}`;
    return { seq, kind: "grant.active", at: "", actor: "", leaf, line: `{"seq":${seq},"leaf":${leaf}}` };
  }),
});
const send = (path: string, ...seqs: number[]) =>
  openFileSink({ path }).send(batch(...seqs), AbortSignal.timeout(5_000));
const seqsIn = (path: string): number[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { seq: number }).seq);

test("entries are lines at the end of the file, which nobody but its owner reads", async () => {
  const path = join(dir, "one.jsonl");
  assert.deepEqual(await send(path, 1, 2), { sent: true });
  assert.deepEqual(await send(path, 3), { sent: true });
  assert.deepEqual(seqsIn(path), [1, 2, 3]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("a file that is rotated away stays as it was, and another begins", async () => {
  const path = join(dir, "two.jsonl");
  await send(path, 1, 2);
  renameSync(path, `${path}.1`);
  await send(path, 3);
  assert.deepEqual([seqsIn(`${path}.1`), seqsIn(path)], [[1, 2], [3]]);
});

test("half a line, as a machine leaves that dies while writing, spoils no other", async () => {
  const path = join(dir, "three.jsonl");
  await send(path, 1);
  appendFileSync(path, '{"seq":2,"le');
  await send(path, 2, 3);
  const lines = readFileSync(path, "utf8").split("\n");
  assert.deepEqual(
    lines.map((line) => line.slice(0, 12)),
    ['{"seq":1,"le', '{"seq":2,"le', '{"seq":2,"le', '{"seq":3,"le', ""],
  );
  assert.throws(() => JSON.parse(lines[1] ?? ""));
  JSON.parse(lines[2] ?? "");
});

test("a file that cannot be written is an answer, with why", async () => {
  assert.deepEqual(await send(join(dir, "nowhere", "x"), 1), { sent: false, why: "it cannot be written: ENOENT" });
  assert.deepEqual(await send(dir, 1), { sent: false, why: "it cannot be written: EISDIR" });
});
