/** Every route is called by every role, on things that do not concern them: the table says what comes of it. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { type GrantId, passkeyId, principalId, type SessionId, stepUpId } from "../../src/base/ids.ts";
import { SCOPE_NAMES } from "../../src/base/scope.ts";
import { hashToken } from "../../src/base/token.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import { entitlementRef } from "../../src/domain/entitlement.ts";
import { ROLES, type Role } from "../../src/domain/principal.ts";
import { adoptConfiguration } from "../../src/operations/adopt-config.ts";
import { putPasskey } from "../../src/store/passkeys.ts";
import { putStepUp } from "../../src/store/step-ups.ts";
import { type Api, createApi, procedures, tokenOf, withTokens } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { automatically, person } from "../support/configuration.ts";
import { close, expire, makeActive } from "../support/drive.ts";
import { BESIDE, OPEN, ROLES_TABLE, type Row, rolesTables, SCOPE_OF, type Verdict } from "../support/roles.ts";
import { declared } from "../support/signing-in.ts";
import { createWorld, type World } from "../support/world.ts";

/** One of each role by name, in no group; and one of each by a group alone. */
const CALLERS: Readonly<Record<string, Readonly<Record<Role, string>>>> = {
  "by name": { member: "stranger", auditor: "audrey", operator: "otto", admin: "adrian" },
  "by group": { member: "megan", auditor: "amy", operator: "oscar", admin: "anton" },
};
const GROUP: Readonly<Record<string, string>> = { megan: "the-rest", amy: "look", oscar: "run", anton: "own" };
const SESSIONS = { idleMs: 3_600_000, longestMs: 86_400_000 };
const DOC = resolve(import.meta.dirname, "../../docs/roles.md");

let world: World;
let api: Api;
let base: Configuration;
before(async () => {
  world = await createWorld();
  const people = organisation(world.directoryName);
  const emergency = automatically("break-glass", {
    when: '"payments" in user.groups',
    emergency: { reviewBy: ["group:security"], withinMs: 3_600_000 },
  });
  const grantable = automatically("anything-small", { when: 'entitlement.name == "peek"' });
  base = {
    ...withTokens({
      ...people,
      principals: [
        ...people.principals,
        person("adrian", { roles: ["admin"] }),
        ...Object.entries(GROUP).map(([handle, group]) => person(handle, { groups: [group] })),
      ],
      roles: { auditor: ["look"], operator: ["nobody", "run"], admin: ["own"] },
      policies: [...people.policies, emergency, grantable],
    }),
    identity: { url: "https://tidegate.example", providers: [declared("http://127.0.0.1:1")], sessions: SESSIONS },
    bundles: { kit: { name: "kit", title: "The kit", entitlements: [entitlementRef("orders", "read")] } },
    config: { approval: { count: 1 } },
  };
  await world.configure(base);
  api = createApi(world);
});
after(async () => {
  await api?.close();
  await world?.stop();
});

const REASON = "looking into the slow checkouts";
let number = 0;
const next = (): number => {
  number += 1;
  return number;
};
const made = async (as: string, url: string, body: object): Promise<string> => {
  const { status, body: answer } = await api.post(as, url, body);
  assert.ok(status < 300, JSON.stringify(answer));
  return answer.id;
};
const pending = (): Promise<string> =>
  made("alice", "/v1/requests", { entitlement: "orders:read", duration: "1h", reason: REASON });
const granted = async (more: object = {}): Promise<string> => {
  const asked = { entitlement: "orders:peek", duration: "1h", reason: REASON, ...more };
  const { body } = await api.post("erin", "/v1/requests", asked);
  assert.match(body.grantId, /^gr_/);
  return body.grantId;
};
const closed = async (): Promise<string> => {
  const id = (await granted()) as GrantId;
  await makeActive(world, id);
  await expire(world, id);
  await close(world, id);
  return id;
};
const bundle = (): Promise<string> => made("alice", "/v1/bundles", { bundle: "kit", duration: "1h", reason: REASON });
const emergency = (): Promise<string> =>
  made("alice", "/v1/requests", { entitlement: "orders:read", duration: "1h", reason: REASON, emergency: true });
const panic = async (): Promise<string> =>
  made("otto", "/v1/panics", { resource: "vault", reason: `an intruder ${next()}` });
const message = async (): Promise<string> => {
  await pending();
  return (await api.get("bob", "/v1/messages")).body.messages[0].id;
};
const session = async (): Promise<string> => {
  const id = `se_${String(next()).padStart(16, "0")}`;
  const { id: alice } = await world.principal("alice");
  await world.store.pool.query(
    `insert into sign_in_sessions (id, principal_id, hash, provider, issuer, subject, user_agent, idle_ms, created_at, seen_at, expires_at)
     values ($1, $2, $3, 'company', 'https://company.example', 'a', '', 3600000, now(), now(), now() + interval '1 hour')`,
    [id, alice, hashToken(id)],
  );
  return id;
};
const passkey = async (): Promise<string> => {
  const { id: alice } = await world.principal("alice");
  const id = passkeyId.make();
  const made = { name: "laptop", credentialId: id, publicKey: Buffer.alloc(1), counter: 0, transports: [] };
  await world.store.db.transaction().execute((tx) => putPasskey(tx, id, alice, made));
  return id;
};
const stepUp = async (): Promise<string> => {
  const id = stepUpId.make();
  const wanted = { id, session: (await session()) as SessionId, act: "", what: "review", demand: {}, keptMs: 60_000 };
  await putStepUp(world.store.db, wanted);
  return id;
};
const left = async (): Promise<string> => {
  const id = principalId.make();
  await world.store.pool.query(
    `insert into principals (id, kind, handle, name, active, created_at, deactivated_at)
     values ($1, 'user', 'left', 'Left', false, now(), now())`,
    [id],
  );
  return id;
};
const proposal = async (): Promise<string> => {
  const wider = automatically(`wider-${next()}`);
  const { waits } = await adoptConfiguration(world.context, { ...base, policies: [...base.policies, wider] }, "test");
  return String(waits?.version);
};

const issued = async (as: string): Promise<string> => {
  const { body } = await api.post(as, "/v1/tokens", { name: `t${next()}`, scopes: ["requests:read"] });
  return body.token.id;
};

const TOMORROW = new Date(Date.now() + 86_400_000).toISOString();

/** What a call needs besides the route: a thing that does not concern the caller, and a body that could be good. */
type How = { readonly id?: () => Promise<string>; readonly body?: object; readonly query?: string };
const HOW: Readonly<Record<string, How>> = {
  "POST /v1/requests": { body: { entitlement: "orders:peek", duration: "1h", reason: REASON } },
  "GET /v1/requests/{id}": { id: pending },
  "PATCH /v1/requests/{id}": { id: pending, body: { duration: "30m" } },
  "POST /v1/requests/{id}/reviews": { id: pending, body: { verdict: "approve" } },
  "POST /v1/requests/{id}/comments": { id: pending, body: { text: "why?" } },
  "POST /v1/requests/{id}/cancel": { id: pending, body: {} },
  "POST /v1/requests/{id}/emergency-review": { id: emergency, body: { verdict: "justified" } },
  "POST /v1/bundles": { body: { entitlements: ["orders:peek"], duration: "1h", reason: REASON } },
  "GET /v1/bundles/{id}": { id: bundle },
  "POST /v1/bundles/{id}/reviews": { id: bundle, body: { verdict: "approve" } },
  "POST /v1/bundles/{id}/cancel": { id: bundle, body: {} },
  "GET /v1/grants/{id}": { id: granted },
  "GET /v1/grants/{id}/receipt": { id: closed },
  "POST /v1/grants/{id}/activate": { id: () => granted({ activation: "on-use" }), body: {} },
  "POST /v1/grants/{id}/extend": { id: granted, body: { duration: "10m", reason: REASON } },
  "POST /v1/grants/{id}/revoke": { id: granted, body: {} },
  "POST /v1/grants/{id}/credential": { id: granted, body: {} },
  "POST /v1/explain": { body: { entitlement: "orders:peek", duration: "1h" } },
  "GET /v1/entitlements/{id}/people": { id: async () => "orders:read" },
  "GET /v1/principals/{id}/access": { id: async () => "alice" },
  "PUT /v1/me/away": { body: { until: TOMORROW } },
  "PUT /v1/principals/{id}/away": { id: async () => "bob", body: { until: TOMORROW } },
  "DELETE /v1/principals/{id}/away": { id: async () => "bob" },
  "POST /v1/principals/{id}/erase": { id: left, body: {} },
  "POST /v1/panics": { body: { resource: "vault", reason: "an intruder" } },
  "GET /v1/panics/{id}": { id: panic },
  "POST /v1/panics/{id}/lift": { id: panic, body: { reason: "it was nothing" } },
  "POST /v1/drift/sweep": { body: {} },
  "GET /v1/drift/others": { query: "resource=orders" },
  "GET /v1/evidence": { query: "question=totals" },
  "POST /v1/config/versions/{id}/confirm": { id: proposal, body: {} },
  "POST /v1/config/versions/{id}/reject": { id: proposal, body: { reason: "not now" } },
  "GET /v1/audit/proof": { query: "seq=1" },
  "GET /v1/audit/consistency": { query: "from=1" },
  "GET /v1/messages/{id}": { id: message },
  "DELETE /v1/sessions/{id}": { id: session },
  "GET /v1/step-ups/{id}": { id: stepUp },
  "DELETE /v1/passkeys/{id}": { id: passkey },
  "POST /v1/tokens": { body: { name: "mine", scopes: ["requests:read"] } },
  "POST /v1/tokens/{id}/rotate": { id: () => issued("alice"), body: {} },
  "DELETE /v1/tokens/{id}": { id: () => issued("alice") },
};

async function ask(as: string, { route }: Row): Promise<Verdict> {
  const [method = "", path = ""] = route.split(" ");
  const { id, body, query } = HOW[route] ?? {};
  const url = `${path.replace("{id}", encodeURIComponent((await id?.()) ?? ""))}${query === undefined ? "" : `?${query}`}`;
  if (route === "GET /v1/events") return stream(as, url);
  const { status, body: said } = await api.call(as, method, url, body);
  return status < 300 ? "yes" : said.code;
}

/** It has no end: its beginning is enough. */
async function stream(as: string, url: string): Promise<Verdict> {
  listening ??= api.app.listen({ host: "127.0.0.1", port: 0 });
  const stop = new AbortController();
  const headers = { authorization: `Bearer ${tokenOf(as)}` };
  const response = await fetch(`${await listening}${url}`, { headers, signal: stop.signal });
  const verdict = response.ok ? "yes" : ((await response.json()) as { code: Verdict }).code;
  stop.abort();
  return verdict;
}
let listening: Promise<string> | undefined;

/** Each from an address of its own: too many from one are told to wait. */
async function askAsNobody({ route }: Row): Promise<string> {
  const [method = "GET", path = ""] = route.split(" ");
  const remoteAddress = `127.0.1.${next()}`;
  const { body } = await api.app.inject({ method: method as "GET", url: path.replace("{id}", "x"), remoteAddress });
  return JSON.parse(body).code;
}

for (const [how, caller] of Object.entries(CALLERS))
  describe(`every route, by role, which people have ${how}`, () => {
    for (const row of ROLES_TABLE)
      test(`${row.route}: ${ROLES.map((role) => `${role} ${row.verdicts[role]}`).join(", ")}`, async () => {
        assert.equal(await askAsNobody(row), "unauthenticated");
        for (const role of ROLES) assert.equal(await ask(caller[role], row), row.verdicts[role], role);
      });
  });

const UNHURRIED = { perSecond: 100_000, burst: 100_000 };

describe("every route, by scope", () => {
  test("a token does what its scopes say and nothing else, also one of an admin", async () => {
    const quick = createApi(world, { limits: { perPrincipal: UNHURRIED, perAddress: UNHURRIED } });
    try {
      for (const scope of SCOPE_NAMES) {
        const made = await quick.post("adrian", "/v1/tokens", { name: scope.replace(":", "-"), scopes: [scope] });
        const headers = { authorization: `Bearer ${made.body.secret}` };
        for (const { route } of ROLES_TABLE) {
          const needed = SCOPE_OF.get(route) ?? "none";
          const goes = needed === "any" || needed === scope;
          // It has no end.
          if (goes && route === "GET /v1/events") continue;
          const [method = "", path = ""] = route.split(" ");
          const { body, headers: said } = await quick.call(null, method, path.replace("{id}", "x"), undefined, {
            headers,
          });
          assert.equal(body.code === "out-of-scope", !goes, `${route} with ${scope}`);
          if (goes || needed === "none") continue;
          assert.equal(said["www-authenticate"], `Bearer error="insufficient_scope", scope="${needed}"`);
        }
      }
    } finally {
      await quick.close();
    }
  });

  test("no route is without a scope, and none without a use", () => {
    const open = new Set(OPEN.map(([route]) => route));
    for (const [route, needed] of SCOPE_OF)
      assert.equal(needed === "any", open.has(route) || route === "GET /v1/me", route);
    const used = new Set(SCOPE_OF.values());
    for (const scope of SCOPE_NAMES) assert.ok(used.has(scope), scope);
  });
});

test("no route is without a row, and no row without a route", () => {
  const routes = procedures().map(({ "~orpc": { route } }) => `${route.method} ${route.path}`);
  assert.deepEqual([...ROLES_TABLE.map(({ route }) => route), ...OPEN.map(([route]) => route)].sort(), routes.sort());
});

test("no route beside the contract is without a row, and no row without a route", () => {
  const ofContract = procedures().map(({ "~orpc": { route } }) => (route.path ?? "").replaceAll(/\{(\w+)\}/g, ":$1"));
  const beside = routesOf(api.app.printRoutes({ commonPrefix: false })).filter(
    ({ path }) => !ofContract.includes(path),
  );
  const routes = beside.flatMap(({ path, methods }) => methods.map((method) => `${method} ${path}`));
  assert.deepEqual(routes.filter((route) => !route.startsWith("HEAD ")).sort(), BESIDE.map(([route]) => route).sort());
});

/** Fastify shows them as a tree, each with what follows the path above it. */
function routesOf(tree: string): { readonly path: string; readonly methods: readonly string[] }[] {
  const above: string[] = [];
  return tree.split("\n").flatMap((line) => {
    const [, indent = "", part = "", methods] = /^([│ ]*)[├└]── ([^ ]*)(?: \((.*)\))?$/.exec(line) ?? [];
    const depth = indent.length / 4;
    above.splice(depth, above.length, part);
    return methods === undefined ? [] : [{ path: above.join(""), methods: methods.split(", ") }];
  });
}

test("what looks at no role answers an admin's token as it answers nobody", async () => {
  for (const [route] of BESIDE) {
    const [method = "GET", path = ""] = route.split(" ");
    const url = path.replaceAll(/:\w+/g, "company");
    const asked = [{}, { authorization: `Bearer ${tokenOf("adrian")}` }].map((headers) =>
      api.app.inject({ method: method as "GET", url, headers, remoteAddress: `127.0.1.${next()}` }),
    );
    const [nobody, admin] = await Promise.all(asked);
    assert.equal(admin?.statusCode, nobody?.statusCode, route);
    assert.equal(admin?.headers["set-cookie"], nobody?.headers["set-cookie"], route);
  }
});

test("an auditor changes nothing but what is their own", () => {
  const changed = ROLES_TABLE.filter(({ route, verdicts }) => !route.startsWith("GET ") && verdicts.auditor === "yes");
  assert.deepEqual(
    changed.map(({ route }) => route),
    [
      "POST /v1/requests",
      "POST /v1/bundles",
      "POST /v1/explain",
      "PUT /v1/me/away",
      "DELETE /v1/me/away",
      "POST /v1/drift/sweep",
      "POST /v1/tokens",
    ],
  );
});

test("docs/roles.md shows the tables", () => {
  const written = readFileSync(DOC, "utf8");
  const start = written.indexOf("| route |");
  if (process.env["TIDEGATE_GENERATE"] === "1") writeFileSync(DOC, `${written.slice(0, start)}${rolesTables()}\n`);
  const how = "run TIDEGATE_GENERATE=1 node_modules/.bin/node --test test/integration/roles.test.ts";
  assert.ok(readFileSync(DOC, "utf8").endsWith(`\n\n${rolesTables()}\n`), how);
});
