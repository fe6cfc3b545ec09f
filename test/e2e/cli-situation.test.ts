/** Completion as bash, zsh and fish themselves do it, and `tidegate` alone, against a real server. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { RunningDemo } from "../support/demo.ts";
import { skipWithout } from "../support/tools.ts";
import { until } from "../support/until.ts";
import { cli, problem, startStub } from "./cli-harness.ts";

const BIN = resolve(import.meta.dirname, "../../bin");
const REASON = ["--reason", "INC-42 slow checkouts", "--ticket", "INC-42"];

let demo: RunningDemo;
let grantId: string;
let requestId: string;
before(async () => {
  demo = await RunningDemo.start();
  const granted = await demo.run("erin", ["request", "orders-db:read", "--for", "1h", ...REASON, "--wait", "--json"]);
  assert.equal(granted.code, 0, granted.stderr);
  ({ grantId } = JSON.parse(granted.stdout) as { grantId: string });
  const asked = await demo.run("alice", ["request", "orders-db:read", "--for", "30m", ...REASON, "--json"]);
  assert.equal(asked.code, 4, asked.stderr);
  ({ id: requestId } = JSON.parse(asked.stdout) as { id: string });
});
after(() => demo.stop());

/** A shell that waits for what never comes is ended, and the test fails. */
const ENDS_WITHIN_MS = 60_000;

type Shown = { readonly stdout: string; readonly stderr: string };

function execute(program: string, args: readonly string[], env: Record<string, string>): Promise<Shown> {
  const { promise, resolve: done, reject } = Promise.withResolvers<Shown>();
  execFile(program, args, { env: { ...process.env, ...env }, timeout: ENDS_WITHIN_MS }, (error, stdout, stderr) =>
    error === null ? done({ stdout, stderr }) : reject(new Error(`${error.message}: ${stderr}`)),
  );
  return promise;
}

const as = (person: string): Record<string, string> => ({
  PATH: `${BIN}:${process.env["PATH"] ?? ""}`,
  TIDEGATE_URL: demo.state.url,
  TIDEGATE_TOKEN: demo.tokens[person] ?? "",
});

/** What bash offers where the line ends: it sources the script, breaks the line as readline does, and calls the function. */
async function offered(person: string, line: string, env: Record<string, string> = {}): Promise<string[]> {
  const script = `
    source <(tidegate completion bash)
    COMP_LINE="$1"; COMP_POINT=\${#1}; shift
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _tidegate
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const pieces = line.match(/:|[^\s:]+/g) ?? [];
  const words = /\s$/.test(line) ? [...pieces, ""] : pieces;
  const { stdout, stderr } = await execute("bash", ["-c", script, "bash", line, ...words], { ...as(person), ...env });
  assert.equal(stderr, "");
  return stdout.split("\n").filter((each) => each !== "");
}

/** What the server knows: where it did not answer in time there is no offer, and whoever pressed Tab presses it again. */
function offeredSoon(person: string, line: string, ask = offered): Promise<string[]> {
  const something = async (): Promise<string[] | null> => {
    const offers = await ask(person, line);
    return offers.length > 0 ? offers : null;
  };
  return until<string[] | null>(something, { what: `an offer for ${line}` });
}

test("bash completes commands, their options and the values of options", async () => {
  assert.deepEqual(await offered("alice", "tidegate req"), ["request", "requests"]);
  assert.deepEqual(await offered("alice", "tidegate keys ro"), ["rotate"]);
  assert.deepEqual(await offered("alice", "tidegate request --re"), ["--reason"]);
  assert.deepEqual(await offered("alice", "tidegate grants --sta"), ["--state"]);
  assert.deepEqual(await offered("alice", "tidegate grants --state revok"), ["revoking", "revoked"]);
  assert.deepEqual(await offered("alice", "tidegate completion "), ["bash", "zsh", "fish"]);
  assert.deepEqual(await offered("alice", "tidegate help appr"), ["approve"]);
  assert.deepEqual(await offered("alice", "tidegate __"), []);
});

test("bash completes entitlements, also behind the colon at which it breaks words", async () => {
  assert.deepEqual(await offeredSoon("alice", "tidegate psql ord"), ["orders-db:read", "orders-db:fix"]);
  assert.deepEqual(await offeredSoon("alice", "tidegate psql orders-db:"), ["read", "fix"]);
  assert.deepEqual(await offeredSoon("alice", "tidegate request --for 1h orders-db:re"), ["read"]);
  assert.deepEqual(await offeredSoon("alice", "tidegate explain bob orders-db:f"), ["fix"]);
});

test("bash completes what narrows lists: people, resources, kinds of entries, orders", async () => {
  assert.deepEqual(await offeredSoon("bob", "tidegate requests --person al"), ["alice"]);
  assert.deepEqual(await offeredSoon("alice", "tidegate requests list --person m"), ["me"]);
  assert.deepEqual(await offeredSoon("alice", "tidegate grants --resource "), ["orders-db"]);
  assert.deepEqual(await offeredSoon("alice", "tidegate grants --entitlement orders-db:r"), ["read"]);
  assert.deepEqual(await offered("alice", "tidegate grants --order "), ["newest", "oldest"]);
  assert.deepEqual(await offered("carol", "tidegate audit list --kind grant.re"), [
    "grant.revoking",
    "grant.revoked",
    "grant.reopened",
  ]);
  assert.deepEqual(await offeredSoon("carol", "tidegate audit list --actor system:rec"), ["reconciler"]);
  assert.deepEqual(await offeredSoon("erin", "tidegate audit list --grant gr_"), [grantId]);
});

test("bash completes my own grants, and the requests that wait for my review", async () => {
  for (const verb of ["extend", "revoke", "credential"])
    assert.deepEqual(await offeredSoon("erin", `tidegate ${verb} `), [grantId], verb);
  assert.deepEqual(await offered("alice", "tidegate revoke "), []);
  assert.deepEqual(await offeredSoon("bob", "tidegate approve rq_"), [requestId]);
  assert.deepEqual(await offered("alice", "tidegate approve "), []);
  assert.deepEqual(await offeredSoon("alice", "tidegate cancel "), [requestId]);
});

test("where no server answers, or the token is none, completion offers nothing and says nothing", async () => {
  assert.deepEqual(await offered("alice", "tidegate psql ", { TIDEGATE_URL: "http://127.0.0.1:9" }), []);
  assert.deepEqual(await offered("alice", "tidegate psql ", { TIDEGATE_TOKEN: "" }), []);
  assert.deepEqual(await offered("alice", "tidegate psql ", { TIDEGATE_TOKEN: "tgt_gone" }), []);
  const hangs = await startStub({ "GET /v1/resources": () => new Promise(() => undefined) });
  try {
    const asked = async (): Promise<boolean> => {
      assert.deepEqual(await offered("alice", "tidegate psql ", { TIDEGATE_URL: hangs.url }), []);
      return hangs.count("GET /v1/resources") > 0;
    };
    await until(asked, { what: "the server to be asked before the time is up" });
    assert.equal(hangs.count("GET /v1/resources"), 1);
  } finally {
    await hangs.close();
  }
});

/** What fish offers there: a candidate in each line, without what it is. */
async function offeredByFish(person: string, line: string): Promise<string[]> {
  const script = 'tidegate completion fish | source; complete --do-complete "$argv[1]"';
  const { stdout, stderr } = await execute("fish", ["--no-config", "-c", script, line], as(person));
  assert.equal(stderr, "");
  const offers = stdout.split("\n").filter((each) => each !== "");
  return offers.map((each) => each.split("\t")[0] ?? "");
}

test("fish completes commands, options, entitlements behind their colon, and what waits for my review", {
  skip: skipWithout("fish"),
}, async () => {
  assert.deepEqual(await offeredByFish("alice", "tidegate req"), ["request", "requests"]);
  assert.deepEqual(await offeredByFish("alice", "tidegate grants --state revok"), ["revoked", "revoking"]);
  assert.deepEqual((await offeredSoon("alice", "tidegate psql orders-db:", offeredByFish)).sort(), [
    "orders-db:fix",
    "orders-db:read",
  ]);
  assert.deepEqual(await offeredSoon("bob", "tidegate approve rq_", offeredByFish), [requestId]);
  assert.deepEqual(await offeredByFish("alice", "tidegate approve "), []);
});

/** zsh completes only at its own prompt, on a terminal: one of its own making. Answers with what stands there after Tab, and the whole screen. */
async function inZsh(person: string, line: string): Promise<{ buffer: string; screen: string }> {
  const setup = join(demo.dir, "setup.zsh");
  writeFileSync(
    setup,
    `PROMPT=; autoload -Uz compinit; compinit -u -D; source <(tidegate completion zsh); LISTMAX=0
     show() { print -r -- "<<$BUFFER>>" }; zle -N show; bindkey '^X^B' show
     print SET-UP
`,
  );
  const script = `
    zmodload zsh/zpty; zpty -b shell zsh -f -i
    zpty -w shell "source $1"; zpty -r -m shell screen '*SET-UP*'
    zpty -w -n shell "$2"$'\\t\\t\\x18\\x02'; zpty -r -m shell screen '*<<*>>*'
    print -r -- "$screen"; zpty -d shell`;
  const { stdout: screen } = await execute("zsh", ["-f", "-c", script, "zsh", setup, line], {
    ...as(person),
    TERM: "dumb",
    COLUMNS: "200",
  });
  return { buffer: /<<(.*)>>/s.exec(screen)?.[1] ?? "", screen };
}

test("zsh completes commands, options, entitlements behind their colon, and what waits for my review", {
  skip: skipWithout("zsh"),
}, async () => {
  assert.match((await inZsh("alice", "tidegate req")).screen, /request +-- ask for access.*requests +-- /s);
  assert.equal((await inZsh("alice", "tidegate grants --sta")).buffer, "tidegate grants --state ");
  const shows = (person: string, line: string, wanted: RegExp): Promise<unknown> =>
    until(async () => wanted.test((await inZsh(person, line)).screen), { what: `${wanted} on the screen` });
  await shows("alice", "tidegate psql orders-db:", /orders-db:fix .*orders-db:read /s);
  await shows("alice", "tidegate psql orders-db:re", /<<tidegate psql orders-db:read >>/);
  await shows("bob", "tidegate approve rq_", new RegExp(`<<tidegate approve ${requestId} >>`));
});

test("lists are narrowed on a real server: by person, resource, state and time", async () => {
  const listed = async (person: string, ...args: string[]): Promise<string[]> => {
    const { code, stdout, stderr } = await demo.run(person, [...args, "--json"]);
    assert.equal(code, 0, stderr);
    const answer = JSON.parse(stdout) as { grants?: { id: string }[]; requests?: { id: string }[] };
    return (answer.grants ?? answer.requests ?? []).map(({ id }) => id);
  };
  assert.deepEqual(await listed("carol", "grants", "--person", "erin", "--resource", "orders-db"), [grantId]);
  assert.deepEqual(await listed("carol", "grants", "--person", "alice"), []);
  assert.deepEqual(await listed("carol", "grants", "--entitlement", "orders-db:fix"), []);
  assert.deepEqual(await listed("carol", "grants", "--ends-until", "+2h", "--live-at", "+1m"), [grantId]);
  assert.deepEqual(await listed("carol", "grants", "--until", "1d"), []);
  const both = await listed("carol", "requests", "--from", "1d", "--order", "oldest");
  assert.deepEqual([both.length, both.at(-1)], [2, requestId]);
  assert.deepEqual(await listed("bob", "requests", "--role", "approver", "--state", "pending"), [requestId]);
  const log = await demo.run("carol", ["audit", "list", "--kind", "grant.active", "--actor", "system:reconciler"]);
  assert.match(log.stdout, new RegExp(`grant\\.active .*${grantId}`));
  const first = await demo.run("carol", ["requests", "--limit", "1"]);
  const next = /--cursor (\d+)/.exec(first.stderr)?.[1] ?? "";
  assert.deepEqual(await listed("carol", "requests", "--limit", "1", "--cursor", next), [both[0]]);
});

test("tidegate alone shows my situation: who I am, my grants, my requests, what waits for me, what I could ask for", async () => {
  const erin = await demo.run("erin", []);
  assert.equal(erin.code, 0, erin.stderr);
  assert.match(erin.stdout, /^You are erin[^\n]*on call, tier 1\./);
  assert.match(
    erin.stdout,
    new RegExp(`Your grants\n.*\n {2}${grantId} +active +orders-db:read +ends .*in (1h|\\d+m)`),
  );
  assert.match(erin.stdout, /You could ask for\n.*\n(.*\n)* {2}orders-db:read/);
  const alice = await demo.run("alice", []);
  assert.match(
    alice.stdout,
    new RegExp(`You hold no access now\\.[\\s\\S]*Your requests\n.*\n {2}${requestId} .*waiting for approval`),
  );
  const bob = await demo.run("bob", []);
  assert.match(bob.stdout, new RegExp(`Waiting for your review\n.*\n {2}${requestId} +alice +orders-db:read for 30m`));
  const json = await demo.run("bob", ["status", "--json"]);
  assert.deepEqual(Object.keys(JSON.parse(json.stdout) as object), [
    "me",
    "grants",
    "requests",
    "toReview",
    "emergencies",
    "drift",
    "askable",
  ]);
});

test("tidegate alone without a token is the help; with one and no server it says that too", async () => {
  const none = await cli([], { TIDEGATE_TOKEN: undefined });
  assert.equal(none.code, 2);
  assert.match(none.stderr, /^Usage: tidegate/);
  const nobody = await cli([], { TIDEGATE_URL: "http://127.0.0.1:9" });
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /^Usage: tidegate[\s\S]*Cannot reach http:\/\/127\.0\.0\.1:9/);
});

test("a token that has expired is told, with what to do", async () => {
  const detail = "The token has expired.";
  const stub = await startStub({ "GET /v1/me": problem("unauthenticated", 401, detail) });
  try {
    const ended = await cli(["whoami"], { TIDEGATE_URL: stub.url });
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /The token has expired\.\n.*TIDEGATE_TOKEN/);
  } finally {
    await stub.close();
  }
});

test("extend --wait waits until an approver has decided, and then says until when the grant goes on", async () => {
  const approved = await demo.run("bob", ["approve", requestId]);
  assert.equal(approved.code, 0, approved.stderr);
  const mine = await until(
    async () => (await demo.client("alice").listGrants({ person: "me", state: "active" })).grants[0] ?? null,
    { what: "alice's grant" },
  );
  const waiting = demo.spawn("alice", ["extend", mine.id, "--for", "30m", ...REASON.slice(0, 2), "--wait", "--json"]);
  const more = await until(
    async () => {
      const { requests } = await demo.client("bob").listRequests({ role: "approver", state: "pending" });
      return requests.find(({ extendsGrantId }) => extendsGrantId === mine.id) ?? null;
    },
    { what: "the request for more time" },
  );
  assert.equal(waiting.child.exitCode, null);
  await demo.client("bob").reviewRequest(more.id, { verdict: "approve" });
  const { code, stdout, stderr } = await waiting.done;
  assert.equal(code, 0, stderr);
  const extended = JSON.parse(stdout) as { id: string; expiresAt: string };
  assert.equal(extended.id, mine.id);
  assert.ok(extended.expiresAt > mine.expiresAt);
});
