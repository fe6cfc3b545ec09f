/** S23 as operators see it: `tidegate serve` on a folder of files that are changed, broken and mended under it. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { hashToken } from "../../src/base/token.ts";
import { createClient } from "../../src/contract/client.ts";
import { until } from "../support/until.ts";

const PROGRAM = resolve(import.meta.dirname, "../../bin/tidegate");
const TOKEN = `tgt_${"a".repeat(43)}`;

const people = (groups: string): string =>
  `principals:
  alice: { groups: [${groups}], tokens: [{ name: test, hash: "${hashToken(TOKEN)}" }], roles: [admin] }
`;
const RESOURCES = `version: 1
resources:
  orders:
    connector: postgres
    connection: { url: "\${file:../admin.url}" }
    entitlements: { read: { max_duration: 1h, scope: { database: orders, role: orders_reader } } }
policies:
  - { name: engineers, when: '"engineers" in user.groups', approve: automatically }
`;

let dir: string;
let config: string;
let serving: Serving;

type Serving = { readonly child: ChildProcess; readonly url: string; readonly output: () => string };

async function serve(): Promise<Serving> {
  const { DATABASE_URL: _, ...env } = process.env;
  const child = spawn(
    PROGRAM,
    ["serve", "--config", config, "--data", join(dir, "data"), "--host", "127.0.0.1", "--port", "0"],
    { env, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  const hear = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  const url = await until(
    () => {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${output}`);
      return /"url":"([^"]+)","msg":"tidegate serves"/.exec(output)?.[1];
    },
    { what: "the server to serve", timeoutMs: 60_000 },
  );
  return { child, url, output: () => output };
}

async function end({ child }: Serving, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const { promise, resolve: gone } = Promise.withResolvers<void>();
  child.on("close", () => gone());
  child.kill(signal);
  await promise;
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "tidegate-config-e2e-"));
  await chmod(dir, 0o711);
  config = join(dir, "config");
  await mkdir(join(config, "people"), { recursive: true });
  // Nothing listens there: what is asked for is decided, and its target is not what this is about.
  await writeFile(join(dir, "admin.url"), "postgres://admin:s3cret@127.0.0.1:1/orders");
  await writeFile(join(config, "base.yaml"), RESOURCES);
  await writeFile(join(config, "people", "alice.yaml"), people("engineers"));
  serving = await serve();
});
after(async () => {
  await end(serving, "SIGTERM");
  await rm(dir, { recursive: true, force: true });
});

const alice = () => createClient({ url: serving.url, token: TOKEN });
const check = async () => (await alice().ready()).checks.configuration;
const groupsAre = (wanted: string) =>
  until(async () => (await alice().me()).groups.join() === wanted, { what: `alice to be in ${wanted}` });

test("S23 a bad file keeps the last good version serving, and says so; mended, a new version is active", async () => {
  const before = await check();
  assert.equal(before.ok, true);
  await writeFile(join(config, "people", "alice.yaml"), people("engineers, leads"));
  await groupsAre("engineers,leads");

  await writeFile(join(config, "base.yaml"), RESOURCES.replace("user.groups", "user.grups"));
  const told = await until(
    async () => {
      const now = await check();
      return now.detail.includes("base.yaml:8:") ? now : null;
    },
    { what: "the mistake to be told" },
  );
  assert.equal(told.ok, false);
  assert.match(
    told.detail,
    /^version 2 is active; since \S+Z config has a mistake: config\/base\.yaml:8:\d+: policies\[0\]\.when: user\.grups: no such field$/,
  );
  const request = await alice().submitRequest({ entitlement: "orders:read", duration: "10m", reason: "still served" });
  assert.equal(request.state, "approved", "the last good version decides");
  assert.match(serving.output(), /base\.yaml:8:\d+: error: .*did you mean groups\?/);

  await writeFile(join(config, "base.yaml"), RESOURCES);
  await writeFile(join(config, "people", "alice.yaml"), people("engineers, security"));
  await groupsAre("engineers,security");
  await until(async () => (await check()).ok, { what: "the mistake to be over" });
  assert.deepEqual(await check(), { ok: true, detail: "version 3 is active" });
});

test("SIGHUP reads the files at once, and ends nothing", async () => {
  const heard = () => serving.output().split("reading the configuration again").length - 1;
  const activated = () => serving.output().split('"msg":"configuration active"').length - 1;
  const before = activated();
  serving.child.kill("SIGHUP");
  await until(() => heard() === 1 && activated() > before, { what: "the files to be read again" });
  await writeFile(join(config, "people", "alice.yaml"), people("engineers, hup"));
  serving.child.kill("SIGHUP");
  await groupsAre("engineers,hup");
  assert.equal(serving.child.exitCode, null);
});

test("killed and started again with a bad file, the server goes on with the last good version", async () => {
  await end(serving, "SIGKILL");
  await writeFile(join(config, "base.yaml"), "version: 1\n\tresources: {}\n");
  serving = await serve();
  const { ok, detail } = await check();
  assert.equal(ok, false);
  assert.match(
    detail,
    /^version \d+ is active; since \S+ config has .*config\/base\.yaml:2:1: a tab cannot indent YAML$/,
  );
  assert.deepEqual((await alice().me()).groups, ["engineers", "hup"]);
  await writeFile(join(config, "base.yaml"), RESOURCES);
  await until(async () => (await check()).ok, { what: "the mended file to be active" });
});
