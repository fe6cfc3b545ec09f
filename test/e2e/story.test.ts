import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { test } from "node:test";
import { skipWithout } from "../support/tools.ts";

const PROGRAM = resolve(import.meta.dirname, "../../bin/tidegate");

/** A network namespace of its own has no way out, and only root may make one. */
const skip =
  process.getuid?.() === 0 ? skipWithout("ip") || skipWithout("unshare") : "only root may take the network away";

test("S25 with no network but localhost the demo plays its whole story, and every step is seen to hold", {
  skip,
}, () => {
  const script = `ip link set lo up && exec "${PROGRAM}" demo --exit`;
  const { status, stdout, stderr } = spawnSync("unshare", ["--net", "sh", "-c", script], { encoding: "utf8" });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /The story held: every step was seen/);
  assert.doesNotMatch(stdout, /NOT SEEN/);
});

test("without psql the story goes the same way with the driver, says so, and is seen to hold", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-nopsql-"));
  // The account that runs PostgreSQL must be able to pass through.
  chmodSync(folder, 0o711);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const programs = new Map<string, string>();
  for (const dir of (process.env["PATH"] ?? "").split(delimiter).filter(existsSync).reverse())
    for (const name of readdirSync(dir)) programs.set(name, join(dir, name));
  programs.delete("psql");
  for (const [name, path] of programs) symlinkSync(path, join(folder, name));
  const { status, stdout, stderr } = spawnSync(PROGRAM, ["demo", "--dir", join(folder, "demo"), "--exit"], {
    encoding: "utf8",
    env: { ...process.env, PATH: folder },
  });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /psql is not installed here: instead of the one command/);
  assert.match(stdout, /The story held: every step was seen/);
});
