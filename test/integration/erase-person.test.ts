/** Who has left is erased: from every table and every answer, while all that was proven stays proven. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import { sessionId } from "../../src/base/ids.ts";
import { hashToken, newToken } from "../../src/base/token.ts";
import type { Configuration, DeclaredPrincipal } from "../../src/domain/configuration.ts";
import { CatalogCache } from "../../src/operations/context.ts";
import { putSession } from "../../src/store/sign-in-sessions.ts";
import { LogVerifier, type Verdict } from "../../verifier/verify.mjs";
import { type Answered, type Api, createApi, withTokens } from "../support/api.ts";
import { configuration, directoryResource, needs, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

/** Nobody writes these by chance. Her handle stays where docs/audit.md says. */
const CALLED = ["Zelda Quastenberg", "zelda.quast@mail.example.test", "zq-subject-77"];
const WROTE = (what: string): string => `zq-text-${what}`;
const OTHERS = [
  person("lea", { groups: ["payments"] }),
  person("bob", { groups: ["leads"] }),
  person("ada", { roles: ["admin"] }),
  person("audrey", { roles: ["auditor"] }),
];
const zelda = person("zelda", {
  name: CALLED[0] ?? "",
  email: CALLED[1] ?? "",
  groups: ["payments", "leads"],
  identities: [{ provider: "corp", subject: CALLED[2] ?? "" }],
});

type Setting = { world: World; api: Api; organisation: (principals: readonly DeclaredPrincipal[]) => Configuration };

async function setting(t: TestContext): Promise<Setting> {
  const world = await createWorld({ server, t });
  const organisation: Setting["organisation"] = (principals) =>
    withTokens(
      configuration({
        resources: [directoryResource("orders", world.directoryName, { read: { group: "r" }, fix: { group: "f" } })],
        principals: [...principals],
        policies: [needs("leads", ["group:leads"])],
      }),
    );
  await world.configure(organisation([...OTHERS, zelda]));
  const api = createApi(world);
  t.after(() => api.close());
  for (const group of ["r", "f"]) world.directory.members.set(group, new Set());
  world.reconciler();
  return { world, api, organisation };
}

const good = async (answered: Promise<Answered>): Promise<Answered["body"]> => {
  const { status, text, body } = await answered;
  assert.ok(status < 300, text);
  return body;
};

/** A year at work: she asks, has access, gives it back, approves, writes, is away, signs in, and is cut off once. */
async function lived({ world, api }: Setting): Promise<void> {
  const asked = { entitlement: "orders:fix", duration: "10m", ticket: "INC-1" };
  const own = await good(api.post("zelda", "/v1/requests", { ...asked, reason: WROTE("reason") }));
  await good(api.post("zelda", `/v1/requests/${own.id}/comments`, { text: WROTE("comment") }));
  const verdict = { verdict: "approve", comment: WROTE("about-her") };
  const { grantId } = await good(api.post("bob", `/v1/requests/${own.id}/reviews`, verdict));
  await world.grantWhen(grantId, ({ state }) => state === "active", "to be active");
  await good(api.post("ada", `/v1/grants/${grantId}/revoke`, { reason: WROTE("ended") }));
  await world.grantWhen(grantId, (it) => it.state === "revoked" && it.confirmMs === null, "to be confirmed");

  const other = await good(api.post("lea", "/v1/requests", { ...asked, reason: "leas-own-reason" }));
  await good(api.post("zelda", `/v1/requests/${other.id}/reviews`, { verdict: "deny", comment: WROTE("denied") }));
  const until = new Date((await world.context.ledger.nowMs()) + 86_400_000).toISOString();
  await good(api.call("zelda", "PUT", "/v1/me/away", { until }));
  const panic = await good(api.post("ada", "/v1/panics", { person: "zelda", reason: WROTE("panic") }));
  await good(api.post("ada", `/v1/panics/${panic.id}/lift`, { reason: WROTE("lifted") }));
  await good(api.post("zelda", "/v1/tokens", { name: WROTE("token"), scopes: ["requests:read"] }));

  const { id } = await world.principal("zelda");
  const nowMs = await world.context.ledger.nowMs();
  await world.store.db.transaction().execute((tx) =>
    putSession(tx, hashToken(newToken()), {
      ...{
        id: sessionId.make(),
        kind: "browser",
        principalId: id,
        provider: "corp",
        issuer: "https://id.example.test",
      },
      ...{ subject: CALLED[2] ?? "", providerSession: null, userAgent: WROTE("browser"), idleMs: 60_000 },
      ...{ tokenExpiresMs: null, createdMs: nowMs, seenMs: nowMs, expiresMs: nowMs + 60_000 },
      authentication: { atMs: null, acr: null, amr: [] },
    }),
  );
  await world.store.pool.query(
    `with told as (insert into principal_identities values ('https://id.example.test', $1, $2, now()))
     insert into scim_users (id, issuer, external_id, user_name, active, said, version, created_at, changed_at)
     values ('su_1', 'https://id.example.test', $1, $3, false, $4, 1, now(), now())`,
    [CALLED[2], id, CALLED[1], JSON.stringify({ displayName: CALLED[0] })],
  );
}

/** Where each of these stands: tables of the store. */
async function tablesWith({ store }: World, wanted: readonly string[]): Promise<string[]> {
  const { rows: tables } = await store.pool.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'public' order by 1",
  );
  assert.ok(tables.length > 30);
  const found: string[] = [];
  for (const { name } of tables) {
    const { rows } = await store.pool.query<{ all: string | null }>(
      `select string_agg(t::text, ' ') as all from "${name}" t`,
    );
    for (const one of wanted) if (rows[0]?.all?.includes(one) === true) found.push(`${name}: ${one}`);
  }
  return found;
}

const READ = [
  ...["/v1/requests", "/v1/grants", "/v1/panics", "/v1/messages", "/v1/tokens", "/v1/away", "/v1/audit?limit=1000"],
  ...["/v1/audit/export", "/v1/policy/requests", "/v1/config/versions", "/v1/config/diff?from=1&to=2", "/v1/review"],
  ...["/v1/drift", "/v1/principals/lea/access"],
];

async function answersWith(api: Api, wanted: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const who of ["ada", "audrey", "lea", "bob"])
    for (const path of READ) {
      const { text } = await api.get(who, path);
      for (const one of wanted) if (text.includes(one)) found.push(`${who} ${path}: ${one}`);
    }
  return found;
}

const verdictOn = (exported: string, checkpoints: { name: string; note: string }[] = []): Verdict => {
  const verifier = new LogVerifier({ checkpoints });
  verifier.push(Buffer.from(exported));
  return verifier.end();
};

const TEXTS = [...CALLED, "zq-text-"];

test("who has left is erased everywhere, and every proof holds as before", async (t) => {
  const all = await setting(t);
  const { world, api, organisation } = all;
  await lived(all);
  const { id } = await world.principal("zelda");
  const there = await tablesWith(world, TEXTS);
  for (const table of [
    ...["audit_personal", "principals", "principal_identities", "requests", "reviews", "comments", "grants", "panics"],
    ...["api_tokens", "sign_in_sessions", "scim_users", "config_versions", "messages"],
  ])
    assert.ok(
      there.some((it) => it.startsWith(`${table}:`)),
      `the test has put something into ${table}: ${there.join("\n")}`,
    );

  const active = await api.post("ada", `/v1/principals/${id}/erase`);
  assert.deepEqual([active.status, active.body.code], [409, "not-erasable"], active.text);
  await world.configure(organisation(OTHERS));
  const before = await api.get("audrey", "/v1/audit/export");
  const kept = { name: "kept", note: (await good(api.get("audrey", "/v1/audit/checkpoint"))).checkpoint as string };

  const done = await good(api.post("ada", `/v1/principals/${id}/erase`));
  assert.equal(done.person.name, "(erased)");
  assert.deepEqual(await tablesWith(world, TEXTS), []);
  assert.deepEqual(await answersWith(api, TEXTS), []);
  // The handle stays where the docs say: in rules of what was in force, and in the log where it cannot be erased from.
  const handle = await tablesWith(world, ["zelda"]);
  assert.deepEqual(
    handle.filter((it) => !/^(config_versions|audit_entries|grants):/.test(it)),
    [],
  );
  assert.ok(
    (await good(api.get("lea", "/v1/requests"))).requests[0].reason === "leas-own-reason",
    "others keep theirs",
  );

  assert.ok(verdictOn(before.text).ok, "an export that was made before");
  const exported = (await api.get("audrey", "/v1/audit/export")).text;
  const verdict = verdictOn(exported, [kept]);
  assert.ok(verdict.ok, JSON.stringify(verdict));
  const erased = () =>
    world.entries().then((entries) => entries.filter(({ leaf }) => leaf.kind === "principal.erased"));
  assert.deepEqual(
    (await erased()).map(({ leaf }) => [leaf.refs.principal, leaf.data["removed"]]),
    [[id, done.removed]],
  );

  const again = await good(api.post("ada", `/v1/principals/${id}/erase`));
  assert.deepEqual([again.removed, again.erasedAt], [{}, done.erasedAt]);
  assert.equal((await erased()).length, 1, "nothing was left to tell of");
});

test("who comes back after they were erased is somebody new, in a version of the configuration that says what the file says", async (t) => {
  const { world, api, organisation } = await setting(t);
  const { id } = await world.principal("zelda");
  await world.configure(organisation(OTHERS));
  await good(api.post("ada", "/v1/principals/zelda/erase"));
  await world.configure(organisation([...OTHERS, zelda]));
  const back = await world.principal("zelda");
  assert.notEqual(back.id, id);
  assert.equal(back.name, CALLED[0]);
  const read = await new CatalogCache().active(world.context.ledger);
  assert.equal(read?.configuration.principals.find(({ handle }) => handle === "zelda")?.name, CALLED[0]);
  const { rows } = await world.store.pool.query("select name, active from principals where id = $1", [id]);
  assert.deepEqual(rows, [{ name: "(erased)", active: false }]);
  await assert.rejects(
    world.store.pool.query("update principals set active = true, deactivated_at = null where id = $1", [id]),
    /principals_erased/,
  );
});

test("nobody is erased while a request, access or a panic of theirs is not over, and what to do first is said", async (t) => {
  const { world, api, organisation } = await setting(t);
  const { id } = await world.principal("zelda");
  await good(api.post("ada", "/v1/panics", { person: "zelda", reason: "a laptop" }));
  await world.configure(organisation(OTHERS));
  const refused = await api.post("ada", `/v1/principals/${id}/erase`);
  assert.equal(refused.status, 409);
  assert.match(refused.body.detail, /^Not yet: a panic by them or over them is in force: lift it\.$/);
  assert.equal((await api.post("ada", "/v1/principals/nobody/erase")).status, 404);
  for (const who of ["lea", "audrey"]) assert.equal((await api.post(who, `/v1/principals/${id}/erase`)).status, 403);
  const { rows } = await world.store.pool.query("select name from principals where id = $1", [id]);
  assert.deepEqual(rows, [{ name: CALLED[0] }], "nothing was erased");
});
