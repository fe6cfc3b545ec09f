/** The files with which Tidegate is run in earnest. No container engine is needed: what can be checked without one is. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { findTool } from "../support/tools.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const UNIT = join(ROOT, "deploy/tidegate.service");
/** Of 100, in tenths of what it shows; systemd itself calls everything below 50 OK. */
const EXPOSURE_MAX = 15;

// A container in which tests run has no systemd, and need not have one.
const skip = findTool("systemd-analyze") === null ? "systemd-analyze (package systemd) is not installed" : false;

/** The unit with a program that is here, since systemd looks whether it is. */
function installedUnit(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-unit-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "tidegate.service");
  writeFileSync(path, readFileSync(UNIT, "utf8").replaceAll("/usr/local/bin/tidegate", join(ROOT, "bin/tidegate")));
  return path;
}

const analyze = (...args: string[]) => spawnSync("systemd-analyze", args, { encoding: "utf8" });

test("systemd understands every line of the unit", { skip }, (t) => {
  const { status, stdout, stderr } = analyze("verify", "--man=no", installedUnit(t));
  assert.equal(status, 0, stdout + stderr);
  assert.doesNotMatch(stdout + stderr, /tidegate\.service/);
});

test("the unit leaves the service little that it does not need", { skip }, (t) => {
  const offline = ["security", "--offline=yes", "--no-pager", `--threshold=${EXPOSURE_MAX}`];
  const { status, stdout, stderr } = analyze(...offline, installedUnit(t));
  assert.equal(status, 0, stdout + stderr);
});

test("the Containerfile builds from official images without a registry's name, and takes only what is there", () => {
  const lines = readFileSync(join(ROOT, "Containerfile"), "utf8").split("\n");
  const images = lines.filter((line) => line.startsWith("FROM ")).map((line) => line.split(" ")[1]);
  assert.deepEqual([...new Set(images)], ["node:24-slim"]);
  const copied = lines
    .filter((line) => line.startsWith("COPY ") && !line.includes("--from="))
    .flatMap((line) => line.split(" ").slice(1, -1));
  const sent = readFileSync(join(ROOT, ".containerignore"), "utf8");
  for (const path of copied) {
    assert.ok(existsSync(join(ROOT, path)), `${path} is there`);
    assert.ok(sent.includes(`!${path.replace(/^tsconfig.*/, "tsconfig*.json")}\n`), `${path} is sent to the engine`);
  }
  const users = lines.filter((line) => line.startsWith("USER "));
  const [, user, group] = /^USER ([1-9]\d*):([1-9]\d*)$/.exec(users.at(-1) ?? "") ?? [];
  assert.ok(user !== undefined && group !== undefined, "it ends as somebody who is not root");
  // A system account would get a group of another number, and the process would run with one that nobody is in.
  const text = lines.join("\n");
  assert.ok(text.includes(`groupadd --gid ${group} tidegate`), "the group of that number is the account's");
  assert.ok(text.includes(`useradd --uid ${user} --gid ${group} `), "so is the user");
});
