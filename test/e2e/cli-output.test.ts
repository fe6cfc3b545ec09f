/** What the command line prints and how it ends, above all where something is wrong. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { findTool, skipWithout } from "../support/tools.ts";
import { cli, onlyJson, problem, type StubServer, startStub } from "./cli-harness.ts";
import { GRANT_ID, grantedView, grantView, REQUEST_ID, requestView, revokedView } from "./cli-views.ts";

const ME = {
  id: "pr_1",
  handle: "alice",
  name: "Alice Archer",
  email: null,
  kind: "user",
  type: "employee",
  groups: ["payments"],
  roles: ["member"],
  onCallTier: 0,
};
const ASK = ["request", "orders-db:read", "--for", "1h", "--reason", "slow checkouts"];
const TRACE = [{ rule: "no-contractors", result: "denies", why: "it is the case: user.type" }];

let stub: StubServer;
before(async () => {
  stub = await startStub({});
});
after(() => stub.close());

/** Runs against the stub, which answers as given. */
async function against(
  routes: Parameters<typeof startStub>[0],
  args: readonly string[],
  env: Record<string, string> = {},
) {
  stub.routes.clear();
  stub.calls.length = 0;
  for (const [key, route] of Object.entries(routes))
    stub.routes.set(key, typeof route === "function" ? route : () => route);
  return cli(args, { TIDEGATE_URL: stub.url, ...env });
}

test("an unknown command or option is answered with what was probably meant, and 2", async () => {
  const command = await cli(["reqest"]);
  assert.equal(command.code, 2);
  assert.match(command.stderr, /unknown command 'reqest'\n\(Did you mean request\?\)/);
  assert.equal(command.stdout, "");
  const option = await cli(["request", "--fr", "1h"]);
  assert.equal(option.code, 2);
  const within = await cli(["grants", "shwo", GRANT_ID]);
  assert.equal(within.code, 2);
  assert.match(within.stderr, /no such command as "shwo": did you mean show\?/);
  assert.match(option.stderr, /Did you mean --for\?[\s\S]*tidegate request --help/);
});

test("what is typed wrongly is a usage error before anything is sent", async () => {
  for (const args of [
    ["request", "orders-db:", "--for", "1h"],
    ["request", "incident-kit", "orders-db:read", "--for", "1h"],
    ["request", "orders-db:read", "incident-kit", "--for", "1h"],
    ["request", "orders-db:read", "--for", "an hour"],
    ["approve", GRANT_ID],
    ["grants", "--state", "gone"],
    ["deny", REQUEST_ID],
    ["audit", "list", "--limit", "0"],
    ["whoami", "--url", "ftp://x"],
  ]) {
    const ended = await against({}, args);
    assert.equal(ended.code, 2, args.join(" "));
    assert.equal(ended.stdout, "", args.join(" "));
  }
  assert.equal(stub.calls.length, 0);
});

test("without a terminal nobody is asked: what is missing is named, and it ends with 2", async () => {
  const ended = await against({}, ["request", "orders-db:read"]);
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /Missing: --for, --reason\. Example: tidegate request/);
  assert.equal(stub.calls.length, 0);
});

test("help is on stdout with 0, for the whole and for each command, with an example", async () => {
  const whole = await cli(["--help"]);
  assert.equal(whole.code, 0);
  assert.match(whole.stdout, /Exit codes: 0 done, 1 failed, 2 usage, 3 denied, 4 pending/);
  for (const command of [
    "psql",
    "request",
    "approve",
    "deny",
    "cancel",
    "credential",
    "extend",
    "revoke",
    "whoami",
    "resources",
    "explain",
  ]) {
    const { code, stdout } = await cli([command, "--help"]);
    assert.equal(code, 0, command);
    assert.match(stdout, new RegExp(`Examples?:\\n  \\$ .*tidegate ${command}`), command);
  }
});

test("without a token, or with a broken one, it is said how to give one; the token itself is never shown", async () => {
  const none = await cli(["whoami"], { TIDEGATE_TOKEN: undefined });
  assert.equal(none.code, 2);
  assert.match(none.stderr, /TIDEGATE_TOKEN.*--token-file/);
  const broken = await cli(["whoami"], { TIDEGATE_TOKEN: "tgt_one tgt_two" });
  assert.equal(broken.code, 2);
  assert.ok(!broken.stderr.includes("tgt_one"));
});

test("the token may lie in a file, which wins over the environment; an open one is warned of", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tidegate-cli-"));
  try {
    const file = join(dir, "token");
    await writeFile(file, "tgt_from_file\n", { mode: 0o600 });
    const ended = await against({ "GET /v1/me": { body: ME } }, ["whoami", "--token-file", file]);
    assert.equal(ended.code, 0, ended.stderr);
    assert.equal(stub.calls[0]?.token, "tgt_from_file");
    assert.equal(ended.stderr, "");
    await chmod(file, 0o644);
    const open = await against({ "GET /v1/me": { body: ME } }, ["whoami", "--token-file", file]);
    assert.match(open.stderr, /chmod 600/);
    const missing = await cli(["whoami", "--token-file", join(dir, "none")]);
    assert.equal(missing.code, 2);
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("a server that is not there is named, with 1", async () => {
  const gone = await startStub({});
  await gone.close();
  const ended = await cli(["whoami"], { TIDEGATE_URL: gone.url });
  assert.equal(ended.code, 1);
  assert.ok(ended.stderr.includes(gone.url), ended.stderr);
  assert.match(ended.stderr, /connection refused/);
});

test("401 says how to sign in, with 1", async () => {
  const ended = await against({ "GET /v1/me": problem("unauthenticated", 401, "The token is not known.") }, ["whoami"]);
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /The token is not known\.\nSet TIDEGATE_TOKEN/);
});

test("a denial shows the trace, with 3", async () => {
  const refusal = problem("policy-denied", 403, "The rule no-contractors denies this.", {
    trace: TRACE,
    requestId: REQUEST_ID,
  });
  const ended = await against({ "POST /v1/requests": refusal }, ASK);
  assert.equal(ended.code, 3);
  assert.equal(ended.stdout, "");
  assert.match(
    ended.stderr,
    /^Denied: The rule no-contractors denies this\.\n {2}✗ no-contractors denies: it is the case/,
  );
});

test("each kind of no about who may do what leaves with 3", async () => {
  for (const code of ["self-review", "not-an-approver", "forbidden", "principal-deactivated"]) {
    const refusal = problem(code, 403, "No.");
    const ended = await against({ [`POST /v1/requests/${REQUEST_ID}/reviews`]: refusal }, ["approve", REQUEST_ID]);
    assert.equal(ended.code, 3, code);
  }
});

test("a server in trouble is a failure, with its own words", async () => {
  const failed = await against({ "GET /v1/me": problem("internal", 500, "Tidegate failed; its log says what.") }, [
    "whoami",
  ]);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /its log says what/);
});

test("an answer that is not Tidegate's is refused, never shown as if it were one", async () => {
  const strange: Parameters<typeof startStub>[0][] = [
    { "GET /v1/me": { body: "<html>sign in to the hotel's wifi</html>", type: "text/html" } },
    { "GET /v1/me": { body: { hello: "world" } } },
    { "GET /v1/me": { body: "null" } },
    { "GET /v1/me": { status: 502, body: "<html>bad gateway</html>", type: "text/html" } },
  ];
  for (const routes of strange) {
    const ended = await against(routes, ["whoami"]);
    assert.equal(ended.code, 1);
    assert.equal(ended.stdout, "");
    assert.match(ended.stderr, /not Tidegate's/);
  }
});

test("with --json stdout holds one JSON value and nothing else: answers", async () => {
  const answers: [Parameters<typeof startStub>[0], string[], number][] = [
    [{ "GET /v1/me": { body: ME } }, ["whoami"], 0],
    [{ "GET /v1/resources": { body: { resources: [] } } }, ["resources"], 0],
    [{ "GET /v1/requests": { body: { requests: [requestView()], next: "7" } } }, ["requests"], 0],
    [{ "GET /v1/grants": { body: { grants: [grantView()], next: null } } }, ["grants"], 0],
    [{ [`GET /v1/grants/${GRANT_ID}`]: { body: revokedView() } }, ["grants", "show", GRANT_ID], 0],
    [{ "POST /v1/requests": { status: 201, body: requestView() } }, ASK, 4],
    [
      {
        "POST /v1/requests": { status: 201, body: grantedView() },
        [`GET /v1/grants/${GRANT_ID}`]: { body: grantView() },
      },
      ASK,
      0,
    ],
  ];
  for (const [routes, args, code] of answers) {
    const ended = await against(routes, [...args, "--json"]);
    assert.equal(ended.code, code, args.join(" ") + ended.stderr);
    onlyJson(ended);
    assert.equal(ended.stderr, "", args.join(" "));
  }
});

test("with --json stdout holds one JSON value and nothing else: problems, wherever they come from", async () => {
  const refusal = problem("policy-denied", 403, "No.", { trace: TRACE });
  const denied = await against({ "POST /v1/requests": refusal }, [...ASK, "--json"]);
  assert.equal(denied.code, 3);
  assert.equal(onlyJson(denied)["code"], "policy-denied");
  assert.deepEqual(onlyJson(denied)["trace"], TRACE);
  const usage = await cli(["request", "--json", "--fr"]);
  assert.equal(usage.code, 2);
  assert.equal(onlyJson(usage)["code"], "usage");
  const token = await cli(["whoami", "--json"], { TIDEGATE_TOKEN: undefined });
  assert.equal(onlyJson(token)["code"], "usage");
  const gone = await cli(["whoami", "--json"], { TIDEGATE_URL: "http://127.0.0.1:9" });
  assert.equal(onlyJson(gone)["code"], "unreachable");
  for (const ended of [denied, usage, token, gone]) assert.equal(ended.stderr, "");
});

test("a pending request leaves with 4 and says who can approve; a granted one with 0 and says until when", async () => {
  const pending = await against({ "POST /v1/requests": { status: 201, body: requestView() } }, ASK);
  assert.equal(pending.code, 4);
  assert.match(pending.stdout, /Waiting for approval[\s\S]*bob or frank can approve/);
  const granted = await against(
    {
      "POST /v1/requests": { status: 201, body: grantedView() },
      [`GET /v1/grants/${GRANT_ID}`]: { body: grantView() },
    },
    ASK,
  );
  assert.equal(granted.code, 0);
  assert.match(granted.stdout, /^Granted by rule on-call until /);
});

test("--wait stays until it is decided, and a denial by a person leaves with 3 and their words", async () => {
  const denial = {
    id: "rv_1",
    reviewer: { id: "p", handle: "bob", name: "Bob" },
    verdict: "deny" as const,
    comment: "use the replica",
    duration: null,
    entitlement: "orders-db:read",
    at: "2026-11-23T14:05:00.000Z",
    counts: true,
  };
  const ended = await against(
    {
      "POST /v1/requests": { status: 201, body: requestView() },
      [`GET /v1/requests/${REQUEST_ID}`]: () => ({
        body: requestView(stub.calls.length > 2 ? { state: "denied", reviews: [denial] } : {}),
      }),
    },
    [...ASK, "--wait"],
  );
  assert.equal(ended.code, 3);
  assert.match(ended.stdout, /bob \(Bob\) denied the request: “use the replica”/);
  assert.equal(
    ended.stderr.match(/Waiting for approval by bob or frank/g)?.length,
    1,
    "said once where there is no terminal",
  );
});

test("a server that goes away for a moment while somebody waits is borne", async () => {
  let asked = 0;
  const ended = await against(
    {
      "POST /v1/requests": { status: 201, body: requestView() },
      [`GET /v1/requests/${REQUEST_ID}`]: () => {
        asked += 1;
        return asked === 1 ? problem("unavailable", 503, "starting") : { body: grantedView() };
      },
      [`GET /v1/grants/${GRANT_ID}`]: { body: grantView() },
    },
    [...ASK, "--wait"],
  );
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stderr, /Tidegate does not answer \(starting\)/);
});

test("the audit log as JSON is one entry in each line, over as many pages as were asked for", async () => {
  const entry = (seq: number) => ({
    seq,
    leafHash: "x",
    v: 1,
    id: `en_${seq}`,
    at: "2026-11-23T14:05:00.000Z",
    installation: "i",
    kind: "grant.active",
    actor: { system: "reconciler" },
    refs: {},
    data: {},
    who: "reconciler",
    personal: {},
  });
  const log = (call: { query: URLSearchParams }) => {
    const from = Number(call.query.get("after"));
    return { body: { entries: [entry(from + 1), entry(from + 2)], next: from < 4 ? from + 2 : null } };
  };
  const ended = await against({ "GET /v1/audit": log }, ["audit", "list", "--json", "--limit", "2000"]);
  assert.equal(ended.code, 0);
  const seqs = ended.stdout
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { seq: number }).seq);
  assert.deepEqual(seqs, [1, 2, 3, 4, 5, 6]);
});

test("text by others cannot drive the terminal of an approver", async () => {
  const evil = requestView({ reason: "please\u001b[2K\u001b[1A approved\u202e", canReview: true });
  const ended = await against({ [`GET /v1/requests/${REQUEST_ID}`]: { body: evil } }, ["requests", "show", REQUEST_ID]);
  assert.equal(ended.code, 0);
  for (const character of ["\u001b", "\u202e"]) assert.ok(!ended.stdout.includes(character));
  assert.match(ended.stdout, /please�\[2K/);
});

test("there are colours on a terminal, none in a pipe, and none where NO_COLOR is set", {
  skip: skipWithout("script"),
}, async () => {
  const piped = await against({ "GET /v1/me": { body: ME } }, ["whoami"]);
  assert.ok(!piped.stdout.includes("\u001b"));
  const onTerminal = async (env: Record<string, string>): Promise<string> => {
    const command = `${resolve(import.meta.dirname, "../../bin/tidegate")} whoami`;
    const child = spawn(findTool("script") ?? "", ["-qec", command, "/dev/null"], {
      stdio: ["ignore", "pipe", "ignore"],
      env: { PATH: process.env["PATH"], TERM: "xterm-256color", TIDEGATE_URL: stub.url, TIDEGATE_TOKEN: "t", ...env },
    });
    let shown = "";
    child.stdout.on("data", (chunk: Buffer) => {
      shown += chunk.toString();
    });
    await once(child, "close");
    return shown;
  };
  assert.ok((await onTerminal({})).includes("\u001b[1m"));
  const without = await onTerminal({ NO_COLOR: "1" });
  assert.ok(without.includes("Alice Archer") && !without.includes("\u001b"), without);
});

test("a reader that has seen enough ends the command quietly", async () => {
  const requests = Array.from({ length: 200 }, () => requestView({ reason: "x".repeat(4_000) }));
  stub.routes.set("GET /v1/requests", () => ({ body: { requests, next: null } }));
  const program = resolve(import.meta.dirname, "../../bin/tidegate");
  const child = spawn("/bin/sh", ["-c", `"${program}" requests --json | head -c 10`], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TIDEGATE_URL: stub.url, TIDEGATE_TOKEN: "t" },
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  await once(child, "close");
  assert.equal(said, "");
});

test("for people the audit log shows a hash as short as the versions of the configuration do; as JSON it is whole", async () => {
  const hash = "5caa24477e73".padEnd(64, "0");
  const entry = {
    ...{ seq: 2, leafHash: hash, v: 1, id: "en_1", at: "2026-11-23T14:05:00.000Z", installation: "1zx3zphe" },
    ...{ kind: "config.activated", actor: { system: "config" }, refs: {}, data: { hash, version: 1 }, who: "config" },
    personal: {},
  };
  const log = { "GET /v1/audit": { body: { entries: [entry], next: null } } };
  const shown = await against(log, ["audit", "list"]);
  assert.match(shown.stdout, /hash=5caa24477e73… version=1/);
  assert.match((await against(log, ["audit", "list", "--json"])).stdout, new RegExp(hash));
});

test("a grant is shown with why it was asked for and who agreed, and without them where its request cannot be seen", async () => {
  const grant = { [`GET /v1/grants/${GRANT_ID}`]: { body: revokedView() } };
  const whole = { ...grant, [`GET /v1/requests/${REQUEST_ID}`]: { body: grantedView() } };
  assert.match(
    (await against(whole, ["grants", "show", GRANT_ID])).stdout,
    /Why: “slow checkouts”\n +Agreed by policy/,
  );
  const alone = await against(grant, ["grants", "show", GRANT_ID]);
  assert.equal(alone.code, 0);
  assert.ok(!alone.stdout.includes("Agreed") && alone.stdout.includes("proven gone"));
});
