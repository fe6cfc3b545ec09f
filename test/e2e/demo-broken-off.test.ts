/** The demo, broken off in the middle of its story. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { createClient } from "../../src/contract/client.ts";
import { until } from "../support/until.ts";

const INCIDENT = { entitlement: "orders-db:read", reason: "checkouts fail", ticket: "INC-42", duration: "1h" };
const MAIN = resolve(import.meta.dirname, "../../src/main.ts");

test("broken off while Alice's session is open, by a signal to the demo alone, it stops what it started and ends; told again, it holds", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "tidegate-demo-broken-off-"));
  await chmod(dir, 0o711);
  const demo = spawn(process.execPath, [MAIN, "demo", "--dir", dir, "--port", "0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(async () => {
    demo.kill("SIGKILL");
    await rm(dir, { recursive: true, force: true });
  });
  let told = "";
  demo.stdout.on("data", (chunk: Buffer) => {
    told += chunk.toString();
  });
  const ended = once(demo, "close");
  await until(() => told.includes("her session is still open. Waiting"), {
    what: "the seventh step",
    timeoutMs: 180_000,
  });
  // Alice's access may be over before the second story begins; this is not.
  const { url } = JSON.parse(await readFile(join(dir, "demo.json"), "utf8")) as { url: string };
  const tokens = JSON.parse(await readFile(join(dir, "tokens.json"), "utf8")) as Record<string, string>;
  await createClient({ url, token: tokens["erin"] ?? "" }).submitRequest(INCIDENT);
  demo.kill("SIGINT");
  await until(() => demo.exitCode !== null, { what: "the demo to end" });
  assert.deepEqual(await ended, [130, null]);
  assert.match(told, /\nBroken off; stopping what was started\.\n$/);
  const args = [MAIN, "demo", "--dir", dir, "--port", "0", "--exit"];
  const again = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.match(again.stdout, /What is left from before is ended first\.\n.*The story held/s);
  assert.equal(again.status, 0);
});
