/** `tidegate login` as people run it: the real command line, a real server, and the real `oidc-provider`. */
import assert from "node:assert/strict";
import { appendFile, chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect } from "../../src/cli/connect.ts";
import { keepSession } from "../../src/cli/login/kept-session.ts";
import { typeCodeIn, WebPerson } from "../support/cli-sign-in.ts";
import {
  CLIENT,
  companyInYaml,
  GROUPS_IN_YAML,
  type RealProvider,
  realProvider,
} from "../support/identity-provider.ts";
import { Served } from "../support/served.ts";
import { until } from "../support/until.ts";
import { cli, type Ended, onlyJson, problem, RunningCli, startStub } from "./cli-harness.ts";

const WALTER = { sub: "user-1", preferred_username: "walter", name: "Walter White", groups: ["payments"] };

let served: Served;
let provider: RealProvider;
let state: string;
const ends: (() => unknown)[] = [];

before(async () => {
  served = await Served.prepare();
  await served.boot();
  const t = { after: (end: () => unknown) => void ends.push(end) } as Parameters<typeof realProvider>[0];
  provider = await realProvider(t, [`${served.url}/auth/callback/company`], WALTER);
  await writeFile(join(served.dir, "secret"), CLIENT.secret);
  const identity = companyInYaml(served.url, provider.issuer, "file:secret", GROUPS_IN_YAML);
  await served.reconfigured(() => appendFile(join(served.dir, "tidegate.yaml"), identity));
  state = await mkdtemp(join(tmpdir(), "tidegate-login-"));
});
after(async () => {
  for (const end of ends) await end();
  await served.stop();
  await rm(state, { recursive: true });
});

const env = () => ({ TIDEGATE_URL: served.url, TIDEGATE_TOKEN: undefined, XDG_STATE_HOME: state });
const run = (...args: string[]): Promise<Ended> => cli(args, env());
const fileOf = async (): Promise<string> => {
  const folder = join(state, "tidegate");
  const [name = "none", ...more] = await readdir(folder);
  assert.deepEqual(more, [], "one file for one server");
  return join(folder, name);
};
const held = async (): Promise<{ token: string; renewAtMs: number; session: string }> =>
  JSON.parse(await readFile(await fileOf(), "utf8"));

test("who is not signed in is told to sign in, by every command", async () => {
  for (const args of [["whoami"], ["requests"], ["psql", "orders-db:read", "--print"]]) {
    const { code, stderr, stdout } = await run(...args);
    assert.equal(code, 1, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /^You are not signed in to http:\S+\.\nSign in: tidegate login\n$/);
  }
  assert.equal(onlyJson(await run("whoami", "--json"))["code"], "unauthenticated");
  const wrong = await cli(["whoami"], { ...env(), TIDEGATE_TOKEN: "tgt_wrong" });
  assert.match(wrong.stderr, /is unknown[^\n]*\nTIDEGATE_TOKEN [^\n]*leave it out and sign in with tidegate login\./);
});

test("tidegate login shows an address and a code, and signs in once somebody has been there", async () => {
  const running = new RunningCli(["login"], env());
  await running.says(/waiting for you/);
  const [address = ""] = /http:\S+user_code=\S+/.exec(running.stderr) ?? [];
  assert.match(running.stderr, /and see that it shows the code {2}[A-Z]{4}-[A-Z]{4}/);
  assert.equal(await typeCodeIn(address, "confirm"), "confirmed");
  const { code, stdout, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /^Signed in to http:\S+ as .*walter.*, through company; .* at the latest you sign in again\.\n$/,
  );
  assert.ok(!(stdout + stderr).includes((await held()).token));
});

test("the token lies in a file and a folder for its owner alone, and other commands use it", async () => {
  const file = await fileOf();
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await stat(join(state, "tidegate"))).mode & 0o777, 0o700);
  const { code, stdout } = await run("whoami");
  assert.equal(code, 0);
  assert.match(stdout, /walter/);
  assert.match(stdout, /signed in with tidegate login through company, .*; ends .* at the latest \(se_\w+\)/);
  assert.match((await run("sessions")).stdout, /tidegate on .* \(this one\)/);
  assert.equal((await run("requests")).code, 0);
});

test("the name alone shows how things are, as with a token", async () => {
  const { code, stdout, stderr } = await run();
  assert.equal(code, 0, stderr);
  assert.notEqual(stdout, "");
});

test("TIDEGATE_TOKEN and --token-file come first", async () => {
  const file = join(state, "wrong");
  await writeFile(file, "tgt_wrong", { mode: 0o600 });
  assert.equal((await run("whoami", "--token-file", file)).code, 1);
  assert.equal((await cli(["whoami"], { ...env(), TIDEGATE_TOKEN: "tgt_wrong" })).code, 1);
});

test("it is exchanged while it is used, unasked; commands at once get the same", async () => {
  const file = await fileOf();
  const old = await held();
  await writeFile(file, JSON.stringify({ ...old, renewAtMs: 0 }));
  const all = await Promise.all(Array.from({ length: 4 }, () => run("whoami")));
  assert.deepEqual(
    all.map(({ code }) => code),
    [0, 0, 0, 0],
    all.map(({ stderr }) => stderr).join(""),
  );
  const now = await held();
  assert.notEqual(now.token, old.token);
  assert.ok(now.renewAtMs > Date.now());
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await run("whoami")).code, 0);
});

test("a command that goes on for long sends the token of now, and the one there is where it cannot be exchanged", async () => {
  const stub = await startStub({
    "GET /v1/me": { body: { id: "pr_4h6k8m1n3p5q7r9s", handle: "walter" } },
    "POST /v1/login/renew": problem("unavailable", 503, "Not now."),
  });
  try {
    const other = { XDG_STATE_HOME: await mkdtemp(join(state, "other-")) };
    const kept = { url: stub.url, session: "se_4h6k8m1n3p5q7r9s", renewAtMs: Date.now() + 60_000 };
    await keepSession({ ...kept, token: "tgs_first" }, other);
    const { client } = await connect({ url: stub.url }, other);
    await client.me();
    await keepSession({ ...kept, token: "tgs_second" }, other);
    await client.me();
    await keepSession({ ...kept, token: "tgs_third", renewAtMs: 0 }, other);
    await client.me();
    const sent = stub.calls.filter(({ path }) => path === "/v1/me").map(({ token }) => token);
    assert.deepEqual(sent, ["tgs_first", "tgs_second", "tgs_third"]);
    const [asked] = stub.calls.filter(({ path }) => path === "/v1/login/renew");
    assert.deepEqual(asked?.body, { token: "tgs_third" });
  } finally {
    await stub.close();
  }
});

test("a file that others may read is not used, and it is said how to mend it", async () => {
  const file = await fileOf();
  await chmod(file, 0o640);
  const { code, stderr } = await run("whoami");
  assert.equal(code, 1);
  assert.match(stderr, /others may read it, so it is not used\. Sign in again.*chmod 600/);
  await chmod(file, 0o600);
  assert.equal((await run("whoami")).code, 0);
  const whole = await readFile(file, "utf8");
  await writeFile(file, "{");
  assert.match((await run("whoami")).stderr, /does not hold what tidegate login wrote. Again: tidegate login/);
  await writeFile(file, whole);
});

test("a restart of the server loses nothing, not even a sign-in that is under way", async () => {
  const running = new RunningCli(["login", "--json"], env());
  await running.says(/waiting for you/);
  const [address = ""] = /http:\S+user_code=\S+/.exec(running.stderr) ?? [];
  const { url } = served;
  await served.end("SIGKILL");
  await served.boot("--port", new URL(url).port);
  assert.equal(await typeCodeIn(address, "confirm"), "confirmed");
  const before = (await held()).session;
  const ended = await running.ended;
  assert.equal(ended.code, 0, ended.stderr);
  const { session, person, file } = onlyJson(ended) as { session: string; person: { handle: string }; file: string };
  assert.equal(person.handle, "walter");
  assert.equal(file, await fileOf());
  const all = onlyJson(await run("sessions", "--json"))["sessions"] as { id: string; current: boolean }[];
  assert.ok(all.some(({ id, current }) => id === session && current));
  assert.ok(!all.some(({ id }) => id === before), "the session that was there before is over");
});

test("who says no at the provider ends it with 3; Ctrl-C ends it cleanly, and what was there stays", async () => {
  const token = (await held()).token;
  const denied = new RunningCli(["login"], env());
  await denied.says(/waiting for you/);
  const [address = ""] = /http:\S+user_code=\S+/.exec(denied.stderr) ?? [];
  assert.equal(await typeCodeIn(address, "abort"), "denied");
  const { code, stderr } = await denied.ended;
  assert.equal(code, 3, stderr);
  assert.match(stderr, /Denied: It was denied at The company: nobody was signed in/);
  for (const args of [["login"], ["login", "--browser"]]) {
    const broken = new RunningCli(args, env());
    await broken.says(/waiting for you/);
    broken.kill("SIGINT");
    const ended = await broken.ended;
    assert.equal(ended.code, 130, ended.stderr);
    assert.match(ended.stderr, /Broken off: you are not signed in\.\n$/);
  }
  assert.equal((await held()).token, token);
  assert.equal((await run("whoami")).code, 0);
});

test("--browser: a browser on this machine signs in and comes back; --open opens the address", async () => {
  const opened = join(state, "opened");
  const bin = join(state, "bin");
  await mkdir(bin);
  await writeFile(
    join(bin, "xdg-open"),
    `#!/bin/sh\nprintf %s "$1" > ${opened}.part && mv ${opened}.part ${opened}\n`,
    {
      mode: 0o755,
    },
  );
  const path = `${bin}:${process.env["PATH"] ?? ""}`;
  const running = new RunningCli(["login", "--browser", "--open"], { ...env(), PATH: path });
  const address = await until(() => readFile(opened, "utf8").catch(() => null), { what: "the address to be opened" });
  const person = new WebPerson();
  await person.open(address);
  // Who is not signed in here goes through the provider first.
  const [through = ""] = /\/auth\/sign-in\/company[^"]*/.exec(person.page) ?? [];
  await person.open(new URL(through.replaceAll("&amp;", "&"), served.url).href);
  assert.match(person.page, /Sign in a command line/);
  await person.submit();
  assert.match(person.page, /Go back to your terminal/);
  const { code, stdout, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /Signed in/);
  assert.equal((await run("whoami")).code, 0);
});

test("tidegate logout ends the session at the server and removes the token", async () => {
  const { token } = await held();
  const file = await fileOf();
  const { code, stdout } = await run("logout");
  assert.equal(code, 0);
  assert.match(stdout, /^Signed out of http:\S+\.\n$/);
  await assert.rejects(stat(file));
  const { status } = await fetch(`${served.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(status, 401);
  assert.match((await run("whoami")).stderr, /not signed in/);
  assert.deepEqual(onlyJson(await run("logout", "--json")), { url: served.url, signedOut: false });
});

test("where the server cannot be told, the token is removed all the same, and it is said what goes on", async () => {
  const running = new RunningCli(["login"], env());
  await running.says(/waiting for you/);
  await typeCodeIn(/http:\S+user_code=\S+/.exec(running.stderr)?.[0] ?? "", "confirm");
  assert.equal((await running.ended).code, 0);
  await served.end("SIGTERM");
  const { code, stderr } = await run("logout");
  assert.equal(code, 1);
  assert.match(stderr, /removed here, but http:\S+ could not be told .*session se_\w+ goes on until it expires/);
  assert.deepEqual(await readdir(join(state, "tidegate")), []);
});
