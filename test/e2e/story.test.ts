import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
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
