/** The journal's file: whole after a torn write, and on a full disk. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openJournalFile, PLACE_BYTES } from "./journal-file.ts";

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "tidegate-journal-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test("row 6: what was kept last is read again by another process, and only its owner can read the file", async (t) => {
  const path = join(folder(t), "journal", "journal");
  const file = await openJournalFile(path);
  assert.equal(await file.read(), null);
  for (const text of ["one", "two", "three"]) await file.write(Buffer.from(text));
  await file.close();
  const again = await openJournalFile(path);
  assert.equal(String(await again.read()), "three");
  await again.write(Buffer.from("four"));
  await again.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(path).size, 2 * PLACE_BYTES);
  const last = await openJournalFile(path);
  assert.equal(String(await last.read()), "four");
  await last.close();
});

test("row 6: of a write that was torn, wherever, the one before is left", async (t) => {
  const path = join(folder(t), "journal");
  const file = await openJournalFile(path);
  await file.write(Buffer.from("the first, at place 0"));
  await file.write(Buffer.alloc(1_000, "b"));
  await file.close();
  const whole = readFileSync(path);
  // The second write went to the second place: a power cut may have left any part of it.
  for (const bytes of [0, 1, 18, 19, 30, 62, 63, 64, 500, 1_062]) {
    const torn = Buffer.from(whole);
    torn.fill(0, PLACE_BYTES + bytes, PLACE_BYTES + 2_000);
    writeFileSync(path, torn);
    const again = await openJournalFile(path);
    assert.equal(String(await again.read()), "the first, at place 0", `${bytes} bytes were written`);
    await again.close();
  }
  const cut = await openJournalFile(path);
  await cut.write(Buffer.from("after it"));
  await cut.close();
  const last = await openJournalFile(path);
  assert.equal(String(await last.read()), "after it");
  await last.close();
});

test("row 6: what is too large for its place is refused, and what was kept stays", async (t) => {
  const file = await openJournalFile(join(folder(t), "journal"));
  await file.write(Buffer.from("kept"));
  await assert.rejects(file.write(Buffer.alloc(PLACE_BYTES)), /holds at most/);
  assert.equal(String(await file.read()), "kept");
  await file.close();
});

test("row 7: on a disk that is full the journal is written on, and read again", { skip: cannotMount() }, async (t) => {
  const disk = join(folder(t), "disk");
  mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", disk]);
  try {
    const path = join(disk, "journal");
    const file = await openJournalFile(path);
    await file.write(Buffer.from("before"));
    fill(join(disk, "other"));
    assert.throws(() => writeFileSync(join(disk, "another"), "x".repeat(100_000)), { code: "ENOSPC" });
    for (let round = 0; round < 3; round += 1) await file.write(Buffer.alloc(3_000_000, `${round}`));
    await file.close();
    const again = await openJournalFile(path);
    assert.equal((await again.read())?.toString().slice(0, 3), "222");
    await again.close();
  } finally {
    execFileSync("umount", [disk]);
  }
});

/** Until nothing more fits. */
function fill(path: string): void {
  const file = openSync(path, "w");
  const block = Buffer.alloc(64 * 1024);
  const write = (): void => {
    for (;;) writeSync(file, block);
  };
  try {
    assert.throws(write, { code: "ENOSPC" });
  } finally {
    closeSync(file);
  }
}

function cannotMount(): string | false {
  return process.platform === "linux" && process.getuid?.() === 0 ? false : "needs root on Linux, for a small disk";
}
