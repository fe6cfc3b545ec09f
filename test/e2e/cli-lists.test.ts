/** Narrowing, ordering and paging the lists of the command line: what is sent, and what is refused before anything is sent. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { cli, onlyJson, type StubServer, startStub } from "./cli-harness.ts";
import { grantView, requestView } from "./cli-views.ts";

let stub: StubServer;
before(async () => {
  stub = await startStub({
    "GET /v1/grants": { body: { grants: [grantView()], next: "7" } },
    "GET /v1/requests": { body: { requests: [requestView()], next: null } },
    "GET /v1/audit": { body: { entries: [], next: null } },
  });
});
after(() => stub.close());
beforeEach(() => {
  stub.calls.length = 0;
});

const run = (...args: string[]) => cli(args, { TIDEGATE_URL: stub.url, TZ: "UTC" });

/** What was asked of the server by this command. */
async function sent(...args: string[]): Promise<Record<string, string>> {
  stub.calls.length = 0;
  const { code, stderr } = await run(...args);
  assert.equal(code, 0, stderr);
  return Object.fromEntries(stub.calls[0]?.query ?? []);
}

const LIVE = "scheduled,provisioning,active,revoking";
const NARROW = ["--person", "alice", "--resource", "orders-db", "--entitlement", "orders-db:read"];
const NARROWED = { person: "alice", resource: "orders-db", entitlement: "orders-db:read" };
const SPAN = ["--from", "2026-01-31", "--until", "2026-02-01T12:00:00+01:00"];
const SPANNED = { from: "2026-01-31T00:00:00.000Z", until: "2026-02-01T11:00:00.000Z" };
const PAGE = ["--order", "oldest", "--limit", "20", "--cursor", "1204"];
const PAGED = { order: "oldest", limit: "20", cursor: "1204" };

test("grants are narrowed by everything that the API knows", async () => {
  assert.deepEqual(await sent("grants", ...NARROW, ...SPAN, ...PAGE), {
    ...{ ...NARROWED, ...SPANNED, ...PAGED },
    state: LIVE,
  });
  const ends = ["--ends-from", "2026-01-31", "--ends-until", "2026-02-01T11:00:00Z"];
  assert.deepEqual(await sent("grants", "--mine", "--all", ...ends), {
    person: "me",
    endsFrom: SPANNED.from,
    endsUntil: SPANNED.until,
  });
});

test("who could have had access then may have none now: --live-at asks for all states", async () => {
  assert.deepEqual(await sent("grants", "--live-at", "2026-01-31"), { liveAt: SPANNED.from });
  assert.deepEqual(await sent("grants", "--live-at", "2026-01-31", "--state", "revoked"), {
    liveAt: SPANNED.from,
    state: "revoked",
  });
});

test("requests are narrowed by everything that the API knows", async () => {
  assert.deepEqual(await sent("requests", ...NARROW, ...SPAN, ...PAGE, "--role", "approver", "--state", "denied"), {
    ...{ ...NARROWED, ...SPANNED, ...PAGED },
    role: "approver",
    state: "denied",
  });
  assert.deepEqual(await sent("requests", "--to-review"), { role: "approver", state: "pending" });
});

test("the log is narrowed by everything that the API knows, and goes on page by page from its newest end, too", async () => {
  const filter = ["--kind", "grant.revoked,grant.failed", "--actor", "system:reconciler"];
  assert.deepEqual(await sent("audit", "list", ...filter, ...SPAN, "--order", "newest", "--before", "90"), {
    ...SPANNED,
    kind: "grant.revoked,grant.failed",
    actor: "system:reconciler",
    order: "newest",
    after: "0",
    before: "90",
    limit: "100",
  });
  const entry = { seq: 1, leafHash: "x", v: 1, id: "en_1", at: SPANNED.from, installation: "i", kind: "grant.active" };
  const rest = { actor: { system: "reconciler" }, refs: {}, data: {}, who: "reconciler", personal: {} };
  const asked: (string | null)[] = [];
  stub.routes.set("GET /v1/audit", ({ query }) => {
    asked.push(query.get("before"));
    const last = Number(query.get("before") ?? 5);
    const entries = [last - 1, last - 2].map((seq) => ({ ...entry, ...rest, seq }));
    return { body: { entries, next: last > 3 ? last - 2 : null } };
  });
  const all = await run("audit", "list", "--order", "newest", "--json");
  const seqs = all.stdout.trim().split("\n");
  assert.deepEqual(
    seqs.map((line) => (JSON.parse(line) as { seq: number }).seq),
    [4, 3, 2, 1],
  );
  assert.deepEqual(asked, [null, "3"]);
  assert.match(
    (await run("audit", "list", "--order", "newest", "--limit", "2")).stderr,
    /^More: the same with --before 3$/m,
  );
});

test("a page that was not the last says how to go on; as JSON it is in the answer", async () => {
  const shown = await run("grants");
  assert.match(shown.stderr, /^More: the same with --cursor 7$/m);
  const json = await run("grants", "--json");
  assert.equal(json.stderr, "");
  assert.equal(onlyJson(json)["next"], "7");
});

test("what cannot be found, or was typed wrongly, is refused with what to write, before anything is sent", async () => {
  const wrong: [string[], RegExp][] = [
    [["grants", "--mine", "--person", "bob"], /--mine.*cannot be used with.*--person/],
    [["requests", "--to-review", "--state", "denied"], /--to-review.*cannot be used with.*--state/],
    [["requests", "--role", "owner"], /Allowed choices are requester, approver/],
    [["grants", "--order", "latest"], /Allowed choices are newest, oldest/],
    [["grants", "--from", "yesterday"], /Write 2026-01-31T12:00:00Z.*2h \(so long ago\)/],
    [["grants", "--from", "2026-02-01", "--until", "2026-01-31"], /Nothing lies between --from .* and --until/],
    [["grants", "--entitlement", "orders-db"], /such as orders-db:read/],
    [["grants", "--cursor", "abc"], /the number that the page before named/],
    [["grants", "--limit", "201"], /from 1 to 200/],
    [["grants", "--person", ""], /such as alice, or me/],
    [
      ["audit", "list", "--kind", "grant.revokd"],
      /no kind of entry named "grant\.revokd": did you mean grant\.revoked\?/,
    ],
    [["audit", "list", "--kind", "grant.active,key"], /named "key": kinds: key\.added, key\.promoted/],
  ];
  for (const [args, said] of wrong) {
    const ended = await run(...args);
    assert.equal(ended.code, 2, `${args.join(" ")}: ${ended.stderr}`);
    assert.equal(ended.stdout, "");
    assert.match(ended.stderr, said);
  }
  assert.equal(stub.calls.length, 0);
});
