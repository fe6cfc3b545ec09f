import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findProgram } from "./find-program.ts";

test("a program is found as a shell would: the first executable file of that name on PATH", async () => {
  const root = await mkdtemp(join(tmpdir(), "tidegate-path-"));
  try {
    const [a, b, c] = ["a", "b", "c"].map((name) => join(root, name)) as [string, string, string];
    await mkdir(join(a, "psql"), { recursive: true });
    await mkdir(b);
    await mkdir(c);
    await writeFile(join(b, "psql"), "not executable", { mode: 0o644 });
    await writeFile(join(c, "psql"), "#!/bin/sh\n", { mode: 0o755 });
    assert.equal(await findProgram("psql", `${a}:${b}:${c}`), join(c, "psql"));
    assert.equal(await findProgram("psql", `${a}::${b}`), null);
    assert.equal(await findProgram("psql", undefined), null);
  } finally {
    await rm(root, { recursive: true });
  }
});
