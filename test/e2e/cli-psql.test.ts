/** `tidegate psql` with a psql of our own on PATH: what it is told and how, and that nothing is left half done. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import type { GrantView } from "../../src/contract/access.ts";
import { findTool } from "../support/tools.ts";
import { until } from "../support/until.ts";
import { cli, onlyJson, problem, type Reply, RunningCli, type StubServer, startStub } from "./cli-harness.ts";
import { credentialView, GRANT_ID, grantedView, grantView, REQUEST_ID, requestView, revokedView } from "./cli-views.ts";

const PSQL = ["psql", "orders-db:read", "--for", "1h", "--reason", "slow checkouts"];
const [SUBMIT, CANCEL] = ["POST /v1/requests", `POST /v1/requests/${REQUEST_ID}/cancel`];
const [GRANT, REVOKE, CREDENTIAL] = [
  `GET /v1/grants/${GRANT_ID}`,
  `POST /v1/grants/${GRANT_ID}/revoke`,
  `POST /v1/grants/${GRANT_ID}/credential`,
];

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "tidegate-psql-"));
  // Says what it was given, then does as MODE says: ends with a code, or stays until it is told to end.
  const script = `#!/bin/sh
env > "$DUMP.env"; for arg in "$@"; do printf '%s\\n' "$arg"; done > "$DUMP.args"; tr '\\0' '\\n' < /proc/$$/cmdline > "$DUMP.cmdline" 2>/dev/null
echo "psql is up"
case "$MODE" in stay) exec cat ;; *) exit "\${MODE:-0}" ;; esac
`;
  await writeFile(join(dir, "psql"), script, { mode: 0o755 });
});
after(() => rm(dir, { recursive: true }));

let stub: StubServer;
let grant: GrantView;
let changed = Promise.withResolvers<void>();
let held: (call: { query: URLSearchParams }) => Reply | Promise<Reply>;

/** The grant as it is from now on; whoever waits for that is answered. */
function become(view: GrantView): void {
  grant = view;
  changed.resolve();
  changed = Promise.withResolvers<void>();
}

/** Gives an hour at once, delivers one credential, and revokes when asked to. */
beforeEach(async () => {
  grant = inAnHour(grantView());
  // As the server does: held while the state is the one that the caller knows.
  held = async ({ query }) => {
    if (Number(query.get("wait")) > 0 && query.get("while") === grant.state) await changed.promise;
    return { body: grant };
  };
  stub = await startStub({
    "GET /v1/grants": { body: { grants: [], next: null } },
    [SUBMIT]: { status: 201, body: grantedView() },
    [GRANT]: (call) => held(call),
    [CREDENTIAL]: () => ({ body: credentialView({ expiresAt: grant.expiresAt }) }),
    [REVOKE]: () => {
      become(revokedView());
      return { body: { ...grant, state: "revoking", accessGone: false, receipt: null, revokedAt: null } };
    },
  });
});
afterEach(() => stub.close());

const inAnHour = (view: GrantView): GrantView => ({
  ...view,
  startsAt: new Date(Date.now() - 1_000).toISOString(),
  expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
});

const env = (more: Record<string, string> = {}) => ({
  TIDEGATE_URL: stub.url,
  PATH: `${dir}:${process.env["PATH"]}`,
  DUMP: join(dir, "dump"),
  ...more,
});

const dumped = (what: "env" | "args" | "cmdline"): Promise<string> => readFile(join(dir, `dump.${what}`), "utf8");

test("psql gets the connection by its environment, and the password is in no argument list", async () => {
  const ended = await cli(
    [...PSQL, "--", "-X", "-c", "select 1"],
    env({ PGSERVICE: "elsewhere", PGHOSTADDR: "10.0.0.1" }),
  );
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stdout, /psql is up/);
  const variables = (await dumped("env")).split("\n");
  for (const line of [
    "PGHOST=db.example.test",
    "PGPORT=5433",
    "PGDATABASE=orders",
    "PGUSER=tg_alice",
    "PGPASSWORD=s3cret-and-long",
    "PGAPPNAME=tidegate",
    "PGSSLMODE=require",
  ])
    assert.ok(variables.includes(line), line);
  assert.ok(!variables.some((line) => /^PG(SERVICE|HOSTADDR)=/.test(line)));
  assert.equal(await dumped("args"), "-X\n-c\nselect 1\n");
  assert.ok(!(await dumped("cmdline")).includes("s3cret"));
  assert.ok(!(ended.stdout + ended.stderr).includes("s3cret"));
});

const LESS = {
  asked: { entitlement: "orders-db:read", duration: "1h" },
  given: { entitlement: "orders-db:peek", duration: "30m" },
};

test("less than was asked for is told before the credential is delivered, with what it allows", async () => {
  const noted = Promise.withResolvers<void>();
  stub.routes.set(CREDENTIAL, async () => {
    await noted.promise;
    return { body: credentialView({ expiresAt: grant.expiresAt }) };
  });
  for (const args of [PSQL, ["credential", GRANT_ID]]) {
    grant = inAnHour(grantView({ less: LESS, entitlement: "orders-db:peek", duration: "30m" }));
    const running = new RunningCli(args, env());
    await running.says(/Less than was asked for: orders-db:peek for 30m, not orders-db:read for 1h\./);
    await running.says(/SELECT on public\.orders/);
    noted.resolve();
    assert.equal((await running.ended).code, 0);
  }
});

test("access that this command made is given back when psql ends, and the proof is told", async () => {
  const ended = await cli(PSQL, env());
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(stub.count(REVOKE), 1);
  assert.match(
    ended.stderr,
    /Granted by rule on-call[\s\S]*Access ends[\s\S]*tidegate extend gr_[\s\S]*given back: proven gone.*audit entry 42/,
  );
});

test("--keep keeps it, and says how to go on and how to give it back", async () => {
  const ended = await cli([...PSQL, "--keep"], env());
  assert.equal(ended.code, 0);
  assert.equal(stub.count(REVOKE), 0);
  assert.match(ended.stderr, /Access goes on: ends .*\n.*tidegate revoke gr_/);
});

test("the exit code is psql's own", async () => {
  assert.equal((await cli(PSQL, env({ MODE: "3" }))).code, 3);
  assert.equal(stub.count(REVOKE), 1);
});

test("a grant that is held already is used and left; a secret that was delivered is replaced by a new one", async () => {
  stub.routes.set("GET /v1/grants", ({ query }) => {
    assert.equal(query.get("person"), "me");
    return { body: { grants: [grant], next: null } };
  });
  let rotated = false;
  stub.routes.set(CREDENTIAL, ({ body }) => {
    if (body["rotate"] === true) {
      rotated = true;
      return { status: 202, body: { state: "rotating", retryAfterMs: 10 } };
    }
    return rotated
      ? { body: credentialView({ expiresAt: grant.expiresAt }) }
      : problem("credential-delivered", 409, "delivered");
  });
  const ended = await cli(["psql", "orders-db:read"], env());
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(
    ended.stderr,
    /You hold orders-db:read already, grant gr_[\s\S]*a new one is made, and the old one stops working/,
  );
  assert.equal(stub.count(SUBMIT), 0);
  assert.equal(stub.count(REVOKE), 0);
});

test("who names what they asked for finds the narrower grant that was approved, and is told; what they named comes first", async () => {
  grant = inAnHour(grantView({ less: LESS, entitlement: "orders-db:peek", duration: "30m" }));
  const other = { ...grant, id: "gr_0000000000000009", less: null, entitlement: "orders-db:fix" };
  stub.routes.set("GET /v1/grants", () => ({ body: { grants: [other, grant], next: null } }));
  const ended = await cli(["psql", "orders-db:read"], env());
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(
    ended.stderr,
    /You asked for orders-db:read and were approved for less: orders-db:peek, grant gr_0000000000000001; it ends .+ To ask for all of it again: tidegate request orders-db:read\n/,
  );
  assert.match(ended.stderr, /Less than was asked for: orders-db:peek for 30m/);
  assert.deepEqual([stub.count(SUBMIT), stub.count(REVOKE)], [0, 0]);
  const exactly = inAnHour(grantView());
  const narrower = { ...grant, id: "gr_0000000000000009", expiresAt: "2999-01-01T00:00:00.000Z" };
  stub.routes.set("GET /v1/grants", () => ({ body: { grants: [narrower, exactly], next: null } }));
  grant = exactly;
  assert.match(
    (await cli(["psql", "orders-db:read"], env())).stderr,
    /You hold orders-db:read already, grant gr_0000000000000001/,
  );
});

test("access that is not there yet is waited for, and asked for again", async () => {
  grant = { ...grant, state: "provisioning", credential: null };
  const running = new RunningCli(PSQL, env());
  await running.says(/Making the access/);
  let asked = 0;
  stub.routes.set(CREDENTIAL, () => {
    asked += 1;
    if (asked === 1) return problem("grant-not-active", 409, "not yet");
    return asked === 2
      ? { status: 202, body: { state: "activated", retryAfterMs: 10 } }
      : { body: credentialView({ expiresAt: grant.expiresAt }) };
  });
  become(inAnHour(grantView()));
  const ended = await running.ended;
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(asked, 3);
});

test("Ctrl-C while waiting takes the request back, and ends with 130", async () => {
  stub.routes.set(SUBMIT, () => ({ status: 201, body: requestView() }));
  stub.routes.set(`GET /v1/requests/${REQUEST_ID}`, () => ({ body: requestView() }));
  stub.routes.set(CANCEL, () => ({ body: requestView({ state: "cancelled" }) }));
  const running = new RunningCli(PSQL, env());
  await running.says(/Waiting for approval by bob or frank/);
  running.kill("SIGINT");
  const ended = await running.ended;
  assert.equal(ended.code, 130);
  assert.match(ended.stderr, /Broken off\. Request rq_.* is taken back/);
  assert.equal(stub.count(CANCEL), 1);
});

test("Ctrl-C at the moment of the approval gives the grant back, and says so", async () => {
  stub.routes.set(SUBMIT, () => ({ status: 201, body: requestView() }));
  let approved = false;
  stub.routes.set(`GET /v1/requests/${REQUEST_ID}`, () => ({ body: approved ? grantedView() : requestView() }));
  stub.routes.set(CANCEL, () => {
    approved = true;
    return problem("request-decided", 409, "approved already");
  });
  const running = new RunningCli(PSQL, env());
  await running.says(/Waiting for approval/);
  running.kill("SIGINT");
  const ended = await running.ended;
  assert.equal(ended.code, 130);
  assert.match(ended.stderr, /approved meanwhile\. The access is given back: proven gone/);
  assert.equal(stub.count(REVOKE), 1);
});

test("Ctrl-C while the request itself is under way waits for its answer, and takes that back", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Reply>();
  stub.routes.set(SUBMIT, () => {
    asked.resolve();
    return answer.promise;
  });
  stub.routes.set(CANCEL, () => ({ body: requestView({ state: "cancelled" }) }));
  const running = new RunningCli(PSQL, env());
  await asked.promise;
  running.kill("SIGINT");
  answer.resolve({ status: 201, body: requestView() });
  const ended = await running.ended;
  assert.equal(ended.code, 130);
  assert.equal(stub.count(CANCEL), 1);
});

test("Ctrl-C while psql runs is psql's affair", async () => {
  const running = new RunningCli(PSQL, env({ MODE: "stay" }));
  await running.says(/psql is up/);
  running.kill("SIGINT");
  running.process.stdin?.write("still here\n");
  await running.says(/still here/);
  running.process.stdin?.end();
  assert.equal((await running.ended).code, 0);
});

for (const [signal, code] of [
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)
  test(`${signal} ends psql and gives the access back`, async () => {
    const running = new RunningCli(PSQL, env({ MODE: "stay" }));
    await running.says(/psql is up/);
    running.kill(signal);
    const ended = await running.ended;
    assert.equal(ended.code, code, ended.stderr);
    assert.equal(stub.count(REVOKE), 1);
    assert.match(ended.stderr, /given back: proven gone/);
  });

/** However long the program takes to start: psql has so long from when the credential is delivered. */
function endsAfterDelivery(ms: number): void {
  stub.routes.set(CREDENTIAL, () => {
    grant = { ...grant, expiresAt: new Date(Date.now() + ms).toISOString() };
    return { body: credentialView({ expiresAt: grant.expiresAt }) };
  });
}

test("the end is warned of before it comes, and afterwards it is told that access ended and is proven gone", async () => {
  endsAfterDelivery(4_000);
  const running = new RunningCli(PSQL, env({ MODE: "stay" }));
  await running.says(/psql is up/);
  await running.says(/tidegate: Access ends .*tidegate extend gr_/);
  become(revokedView({ ended: { cause: "expired", by: null, reason: "" } }));
  running.process.stdin?.end();
  const ended = await running.ended;
  assert.match(ended.stderr, /Access ended at .*, and is proven gone .*audit entry 42/);
  assert.equal(stub.count(REVOKE), 0, "what has ended is not given back");
});

test("an extension in another terminal moves the warnings", async () => {
  endsAfterDelivery(10_000);
  held = () => ({ body: grant });
  const running = new RunningCli(PSQL, env({ MODE: "stay" }));
  await running.says(/psql is up/);
  const endMs = Date.parse(grant.expiresAt);
  grant = { ...grant, expiresAt: new Date(endMs + 3_600_000).toISOString() };
  await until(() => Date.now() > endMs, { what: "the first end to pass" });
  running.process.stdin?.end();
  const ended = await running.ended;
  assert.ok(!ended.stderr.includes("tidegate: Access ends"), ended.stderr);
  assert.equal(stub.count(REVOKE), 1, "it lives on, so it is given back");
});

test("access that cannot be given back is said loudly, and is no success", async () => {
  stub.routes.set(REVOKE, () => problem("not-found", 404, "no such grant"));
  const ended = await cli(PSQL, env());
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /could NOT be given back[\s\S]*tidegate revoke gr_/);
});

test("when the credential cannot be had, the grant that was made for it is given back", async () => {
  stub.routes.set(CREDENTIAL, () => problem("internal-nonsense", 418, "no"));
  const ended = await cli(PSQL, env());
  assert.equal(ended.code, 1);
  assert.equal(stub.count(REVOKE), 1);
  assert.match(ended.stderr, /given back/);
});

test("a denial leaves with 3, whoever denies", async () => {
  stub.routes.set(SUBMIT, () => problem("policy-denied", 403, "No rule allows this.", { trace: [] }));
  assert.equal((await cli(PSQL, env())).code, 3);
  stub.routes.set(SUBMIT, () => ({ status: 201, body: requestView() }));
  stub.routes.set(`GET /v1/requests/${REQUEST_ID}`, () => ({
    body: requestView({ state: "denied", endedBecause: "denied by bob" }),
  }));
  const ended = await cli(PSQL, env());
  assert.equal(ended.code, 3);
  assert.match(ended.stderr, /Denied: The request was denied: denied by bob/);
});

test("without psql nothing is asked for: how to install it is said; --print connects without it", async () => {
  const bare = await mkdtemp(join(tmpdir(), "tidegate-bare-"));
  try {
    for (const tool of ["dirname", "readlink"]) await symlink(findTool(tool) ?? "", join(bare, tool));
    const missing = await cli(PSQL, env({ PATH: bare }));
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /psql is not installed.*apt install postgresql-client.*--print/);
    assert.equal(stub.calls.length, 0);
    const printed = await cli([...PSQL, "--print"], env({ PATH: bare }));
    assert.equal(printed.code, 0, printed.stderr);
    assert.match(printed.stdout, /password +s3cret-and-long/);
    assert.equal(stub.count(REVOKE), 0);
    const json = await cli([...PSQL, "--json"], env({ PATH: bare }));
    assert.equal(onlyJson(json)["password"], "s3cret-and-long");
  } finally {
    await rm(bare, { recursive: true });
  }
});
