/** The program of examples/ against a real server and a real production database. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { type Ran, RunningDemo } from "../support/demo.ts";

const EXAMPLE = resolve(import.meta.dirname, "../../examples/client.ts");
const AS_INSTALLED = pathToFileURL(resolve(import.meta.dirname, "../support/as-installed.ts")).href;

let demo: RunningDemo;
before(async () => {
  demo = await RunningDemo.start();
});
after(() => demo?.stop());

function run(person: string, args: readonly string[]): Promise<Ran> {
  const env = { ...process.env, TIDEGATE_URL: demo.state.url, TIDEGATE_TOKEN: demo.tokens[person] ?? "" };
  const child = spawn(process.execPath, ["--import", AS_INSTALLED, EXAMPLE, ...args], { env });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const { promise, resolve: done } = Promise.withResolvers<Ran>();
  child.on("close", (code) => done({ code: code ?? -1, stdout, stderr }));
  return promise;
}

test("the example program gets access, gives it back, and ends with the proof that it is gone", async () => {
  const { code, stdout, stderr } = await run("erin", ["orders-db:read", "INC-42"]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /automatic by /);
  assert.match(stdout, /signed in as tg_/);
  assert.match(stdout, /is revoked; audit entry \d+:/);
  const roles = await demo.production<{ rolname: string }>("select rolname from pg_roles where rolname like 'tg\\_%'");
  assert.deepEqual(roles, []);
});

test("the example program says why policy said no", async () => {
  const { code, stderr } = await run("dave", ["orders-db:read", "INC-42"]);
  assert.equal(code, 3, stderr);
  assert.match(stderr, /^policy-denied: /);
});
