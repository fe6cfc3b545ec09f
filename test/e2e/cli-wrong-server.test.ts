/** The command line before what it does not expect: a token that has ended, something that is no Tidegate, a Tidegate of another version. */
import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { tidegateVersion } from "../../src/base/version.ts";
import { RunningDemo } from "../support/demo.ts";
import { cli, onlyJson } from "./cli-harness.ts";

const ROOT = resolve(import.meta.dirname, "../..");

test("a token that has expired is told as that, since when, and how to come by another", async (t) => {
  const demo = await RunningDemo.start();
  t.after(() => demo.stop());
  assert.equal((await demo.run("dave", ["whoami"])).code, 0);
  await demo.store(
    `update api_tokens set expires_at = '2026-01-31T12:00:00Z'
      where principal_id = (select id from principals where handle = 'dave')`,
  );
  for (const args of [["whoami"], ["grants"], ["request", "orders-db:read", "--for", "1h", "--reason", "x"]]) {
    const ended = await demo.run("dave", args);
    assert.equal(ended.code, 1, args.join(" "));
    assert.equal(ended.stdout, "");
    assert.match(ended.stderr, /^This token expired at 2026-01-31T12:00:00\.000Z\.\n.*TIDEGATE_TOKEN.*token create/);
  }
  const json = await demo.run("dave", ["whoami", "--json"]);
  assert.equal((JSON.parse(json.stdout) as { code: string }).code, "unauthenticated");
  const doctor = await demo.run("dave", ["doctor", "--url"]);
  assert.equal(doctor.code, 1);
  assert.match(doctor.stdout, /✗ token: This token expired at 2026-01-31/);
  const unknown = await demo.run("dave", ["whoami"], { TIDEGATE_TOKEN: "tgt_nobody" });
  assert.match(
    unknown.stderr,
    /^This token is unknown, has expired or was revoked\./,
    "who does not hold it is told nothing",
  );
});

/** Somebody else at an address, for as long as the test goes. */
async function somebodyElse(t: TestContext, server: Server | ReturnType<typeof createTcpServer>): Promise<string> {
  const { promise, resolve: listening } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening());
  await promise;
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("what is no Tidegate is told as that, whatever it says, with what to look at", async (t) => {
  const answers: [number, Record<string, string>, string, RegExp][] = [
    [200, { "content-type": "text/html" }, "<html>hello</html>", /answered 200 with something that is not Tidegate's/],
    [302, { location: "https://sso.example.com/login" }, "", /a redirect to https:\/\/sso\.example\.com\/login/],
    [404, { "content-type": "application/json" }, '{"code":"not_found","message":"no"}', /not Tidegate's: .*not_found/],
    [503, { "content-type": "application/problem+json" }, '{"type":"about:blank","code":"x"}', /answered 503/],
  ];
  for (const [status, headers, body, said] of answers) {
    const place = await somebodyElse(
      t,
      createServer((_request, response) => response.writeHead(status, headers).end(body)),
    );
    const ended = await cli(["grants"], { TIDEGATE_URL: `http://${place}` });
    assert.equal(ended.code, 1);
    assert.equal(ended.stdout, "");
    assert.match(ended.stderr, said);
    assert.match(ended.stderr, /\nIs this the address of Tidegate.*TIDEGATE_URL/);
    assert.equal(
      onlyJson(await cli(["grants", "--json"], { TIDEGATE_URL: `http://${place}` }))["code"],
      "unexpected-answer",
    );
  }
  const ssh = await somebodyElse(
    t,
    createTcpServer((socket) => void socket.on("error", () => undefined).end("SSH-2.0-OpenSSH_9.2\r\n")),
  );
  const ended = await cli(["grants"], { TIDEGATE_URL: `http://${ssh}` });
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /what answers there does not speak HTTP.*\n.*TIDEGATE_URL/);
});

/** A Tidegate of another version, from the sources that are here: `change` is what that version did to its API. */
function anotherVersion(t: TestContext, version: string, change: (contract: string) => string): string {
  const checkout = mkdtempSync(join(tmpdir(), "tidegate-version-"));
  t.after(() => rmSync(checkout, { recursive: true, force: true }));
  chmodSync(checkout, 0o711);
  for (const part of ["bin", "src", "package.json"])
    cpSync(join(ROOT, part), join(checkout, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"));
  const description = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Record<string, unknown>;
  writeFileSync(join(checkout, "package.json"), JSON.stringify({ ...description, version }));
  const contract = join(checkout, "src/contract");
  for (const name of readdirSync(contract)) {
    const file = join(contract, name);
    writeFileSync(file, change(readFileSync(file, "utf8")));
  }
  return join(checkout, "bin/tidegate");
}

test("a server of another version is told as that by whatever fails there, and by doctor", async (t) => {
  const ours = tidegateVersion();
  // That version has moved its grants, and asks more of a request than this command knows.
  const program = anotherVersion(t, "7.1.0", (text) =>
    text.replaceAll('"/v1/grants', '"/v7/grants').replaceAll('"/v1/explain', '"/v7/explain'),
  );
  const demo = await RunningDemo.start(program);
  t.after(() => demo.stop());
  const whoami = await demo.run("alice", ["whoami"]);
  assert.equal(whoami.code, 0, "what both understand just works");
  assert.equal(whoami.stderr, "");

  const moved = await demo.run("alice", ["grants"]);
  assert.equal(moved.code, 1);
  assert.match(
    moved.stderr,
    /^There is nothing at GET \/v1\/grants\.\nThe server does not know this call: it is of another version than this command/m,
  );

  const refused = await demo.run("alice", ["requests", "show", "rq_0000000000000000"]);
  assert.equal(refused.code, 1);
  const apart = `The server is Tidegate 7.1.0 and this command is ${ours}: they may not understand each other. Use the command of the server's version.`;
  assert.ok(refused.stderr.startsWith(`${apart}\n`), refused.stderr);

  const doctor = await demo.run("alice", ["doctor", "--url"]);
  assert.equal(doctor.code, 1);
  assert.match(
    doctor.stdout,
    /✗ version: the server is 7\.1\.0, this command .*\n +Use the command of the server's version/,
  );
});
