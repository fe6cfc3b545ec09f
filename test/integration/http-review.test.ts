/** The access review: its counts add up, and each finding is what its definition says. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { sql } from "kysely";
import type { AccessReview, FindingKind, ReviewRow } from "../../src/contract/review.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import { type Api, createApi, withTokens } from "../support/api.ts";
import { automatically, configuration, denies, directoryResource, needs, person } from "../support/configuration.ts";
import { close, makeActive } from "../support/drive.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;

function organisation(): Configuration {
  const made = configuration({
    resources: [
      directoryResource("orders", world.directoryName, {
        read: { group: "readers" },
        fix: { group: "fixers" },
        odd: { group: "odd" },
      }),
    ],
    principals: [
      person("alice", { groups: ["payments"] }),
      person("erin", { groups: ["payments"], onCallTier: 1 }),
      person("bob", { groups: ["leads"] }),
      person("dave", { type: "contractor", groups: ["payments"] }),
      person("ada", { roles: ["admin"] }),
      person("audrey", { roles: ["auditor"] }),
      person("otto", { roles: ["operator"] }),
    ],
    policies: [
      denies("no-contractors", 'user.type == "contractor"'),
      automatically("on-call-fixes", {
        when: 'entitlement.name == "fix" && "payments" in user.groups && oncall.tier in [1, 2]',
        maxDurationMs: 3_600_000,
      }),
      automatically("leads-fix", { when: 'entitlement.name == "fix" && "leads" in user.groups' }),
      automatically("all-read", { when: 'entitlement.name == "read"' }),
      { ...needs("others", ["group:leads"]), when: '"payments" in user.groups' },
    ],
  });
  const risky = { read: "medium", fix: "high", odd: "high" } as const;
  const orders = made.resources["orders"];
  if (orders === undefined) throw new Error("there is no resource orders");
  const entitlements = Object.fromEntries(
    Object.entries(orders.entitlements).map(([name, one]) => [
      name,
      { ...one, risk: risky[name as keyof typeof risky] },
    ]),
  );
  return withTokens({ ...made, resources: { orders: { ...orders, entitlements } } });
}

before(async () => {
  world = await createWorld();
  api = createApi(world);
  await world.configure(organisation());
});
after(async () => {
  await api.close();
  await world.stop();
});

const ask = async (as: string, entitlement: string) =>
  (await api.post(as, "/v1/requests", { entitlement, duration: "1h", reason: "something is the matter" })).body;
const review = async (query = ""): Promise<AccessReview> => (await api.get("audrey", `/v1/review${query}`)).body;
const rowsOf = (made: AccessReview, kind: FindingKind): ReviewRow[] =>
  made.findings.find((finding) => finding.kind === kind)?.rows ?? [];
const countOf = ({ of }: AccessReview["requests"], fate: string) => of.find((one) => one.of === fate)?.count;

describe("the counts", () => {
  test("each request and each grant of the period is in one line, and they add up to all there are", async () => {
    const used = await ask("alice", "orders:read");
    await makeActive(world, used.grantId, "secret");
    assert.equal((await api.post("alice", `/v1/grants/${used.grantId}/credential`)).status, 200);
    const unused = await ask("alice", "orders:read");
    await makeActive(world, unused.grantId, "secret");
    await api.post("alice", `/v1/grants/${unused.grantId}/revoke`);
    await close(world, unused.grantId);
    await ask("bob", "orders:fix");
    await ask("dave", "orders:read");
    const denied = await ask("alice", "orders:odd");
    await api.post("bob", `/v1/requests/${denied.id}/reviews`, { verdict: "deny", comment: "no" });
    const approved = await ask("erin", "orders:odd");
    await api.post("bob", `/v1/requests/${approved.id}/reviews`, { verdict: "approve" });
    await api.post("alice", `/v1/requests/${(await ask("alice", "orders:odd")).id}/cancel`);
    await ask("erin", "orders:odd");

    const made = await review();
    assert.deepEqual(
      made.requests.of.map(({ of, count }) => [of, count]),
      [
        ["automatic", 3],
        ["approved-by-people", 1],
        ["denied-by-policy", 1],
        ["denied-by-people", 1],
        ["denied-for-want-of-approvers", 0],
        ["cancelled", 1],
        ["expired", 0],
        ["pending", 1],
      ],
    );
    const { rows } = await sql<{ requests: number; grants: number }>`
      select (select count(*) from requests) as requests, (select count(*) from grants) as grants`.execute(
      world.store.db,
    );
    assert.deepEqual([made.requests.total, made.grants.total], [rows[0]?.requests, rows[0]?.grants]);
    assert.deepEqual(
      [countOf(made.grants, "used"), countOf(made.grants, "unused"), countOf(made.grants, "open")],
      [1, 1, 2],
    );
    assert.deepEqual(
      rowsOf(made, "grant-never-used").map(({ person: who, reference }) => [who, reference]),
      [["alice", unused.grantId]],
    );
  });

  test("a period without anything says so, and what is in force is told all the same", async () => {
    const made = await review("?from=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00Z");
    assert.deepEqual([made.requests.total, made.grants.total, made.configurations], [0, 0, []]);
    assert.deepEqual([made.from, made.until], ["2020-01-01T00:00:00.000Z", "2020-02-01T00:00:00.000Z"]);
    assert.equal(rowsOf(made, "entitlement-never-asked-for").length, 3);
    assert.ok(rowsOf(made, "high-risk-without-approval").length > 0);
  });

  test("the versions in force within the period are named, with the one that was in force at its beginning", async () => {
    const between = (await review()).madeAt;
    await world.configure({ ...organisation(), defaults: { ...organisation().defaults, activateWithinMs: 1_000_000 } });
    const all = await review();
    assert.deepEqual([all.rulesOf, all.configurations.map(({ version }) => version)], [2, [1, 2]]);
    const later = await review(`?from=${(await review()).madeAt}`);
    assert.deepEqual(
      later.configurations.map(({ version }) => version),
      [2],
    );
    const earlier = await review(`?until=${between}`);
    assert.deepEqual(
      earlier.configurations.map(({ version }) => version),
      [1],
    );
  });
});

describe("the findings", () => {
  test("an entitlement that nobody asked for within the period, with the last time that somebody did", async () => {
    const made = await review();
    assert.deepEqual(rowsOf(made, "entitlement-never-asked-for"), []);
    const later = rowsOf(await review(`?from=${made.madeAt}`), "entitlement-never-asked-for");
    assert.deepEqual(
      later.map(({ entitlement }) => entitlement),
      ["orders:fix", "orders:odd", "orders:read"],
    );
    assert.match(later[0]?.what ?? "", /^high risk; last asked for before the period$/);
  });

  test("a rule that approves everybody, and one that approves some without any bound; one with a bound is neither", async () => {
    const made = await review();
    assert.deepEqual(
      rowsOf(made, "rule-open-to-all").map(({ rule, entitlement, count, what }) => [rule, entitlement, count, what]),
      [["all-read", "orders:read", 2, "medium risk; asks for nothing"]],
    );
    assert.deepEqual(
      rowsOf(made, "rule-without-bounds").map(({ rule, entitlement, count, what }) => [rule, entitlement, count, what]),
      [["leads-fix", "orders:fix", 1, 'high risk; asks for where "leads" in user.groups']],
    );
  });

  test("who got most without anybody", async () => {
    assert.deepEqual(
      rowsOf(await review(), "most-automatic-approvals").map(({ person: who, count, what }) => [who, count, what]),
      [
        ["alice", 2, "by all-read"],
        ["bob", 1, "by leads-fix"],
      ],
    );
  });

  test("who can get high risk without anybody, with what is still asked of the moment; whom a rule refuses is not among them", async () => {
    assert.deepEqual(
      rowsOf(await review(), "high-risk-without-approval").map(({ person: who, rule, what }) => [who, rule, what]),
      [
        ["alice", "on-call-fixes", "while oncall.tier in [1, 2]; for at most 1h"],
        ["bob", "leads-fix", "at any time, for no more than asking"],
        ["erin", "on-call-fixes", "while oncall.tier in [1, 2]; for at most 1h"],
      ],
    );
  });

  test("access that sweeps found is there while it is open, and what is missing is no access", async () => {
    const found = (id: string, kind: string, resolved: string | null) =>
      sql`insert into drift_findings (id, resource, target_identity, kind, subject, what, first_seen_at, last_seen_at, resolved_at)
        values (${id}, 'orders', 't', ${kind}, 'mallory', 'is a member', now(), now(), ${resolved})`.execute(
        world.store.db,
      );
    await found("df_0000000000000001", "by-hand", null);
    await found("df_0000000000000002", "missing", null);
    await found("df_0000000000000003", "standing", "2026-01-01T00:00:00Z");
    assert.deepEqual(
      rowsOf(await review(), "access-found-on-targets").map(({ person: who, reference, what }) => [
        who,
        reference,
        what,
      ]),
      [["mallory", "df_0000000000000001", "by-hand: is a member"]],
    );
  });

  test("the same store is told in the same words and order each time", async () => {
    const period = `?from=2026-01-01T00:00:00Z&until=${new Date(Date.now() + 86_400_000).toISOString()}`;
    const { madeAt: _, ...first } = await review(period);
    const { madeAt: _again, ...second } = await review(period);
    assert.deepEqual(first, second);
    assert.equal(first.findings.length, 8);
    for (const { definition, complete } of first.findings) assert.ok(definition.length > 20 && complete);
  });
});

test("it is for auditors and admins, and an impossible period is refused", async () => {
  assert.equal((await api.get("ada", "/v1/review")).status, 200);
  for (const who of ["alice", "bob", "otto"]) assert.equal((await api.get(who, "/v1/review")).body.code, "forbidden");
  assert.equal((await api.get(null, "/v1/review")).status, 401);
  for (const query of ["from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "from=x", "more=1"])
    assert.equal((await api.get("ada", `/v1/review?${query}`)).body.code, "invalid-input", query);
});
