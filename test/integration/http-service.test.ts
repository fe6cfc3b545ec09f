import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { TargetError } from "../../src/connector/connector.ts";
import { createClient } from "../../src/contract/client.ts";
import { CannotReach, ProblemError } from "../../src/contract/client-errors.ts";
import { CatalogCache, type Context } from "../../src/operations/context.ts";
import { openStore } from "../../src/store/db.ts";
import { SqlLedger } from "../../src/store/sql-ledger.ts";
import { type Api, createApi, tokenOf } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { createWorld, type World } from "../support/world.ts";

const ASKED = { entitlement: "orders:read", duration: "1h", reason: "checkouts fail", ticket: "INC-42" };

let world: World;
let api: Api;

before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world);
});
after(async () => {
  await api.close();
  await world.stop();
});

describe("about the server", () => {
  test("it is alive, and ready when store, reconciler and configuration are and there is no quarantine", async () => {
    assert.deepEqual((await api.get(null, "/healthz")).body, { status: "ok" });
    const { status, body } = await api.get(null, "/readyz");
    assert.equal(status, 200);
    assert.equal(body.ready, true);
    assert.deepEqual(Object.keys(body.checks), ["store", "reconciler", "configuration", "quarantine", "targets"]);
  });

  test("it is not ready while the reconciler does not run, or hangs", async () => {
    for (const health of [
      { running: false, lastTickMs: null },
      { running: true, lastTickMs: Date.now() - 120_000 },
    ]) {
      const own = createApi(world, { reconcilerHealth: () => health });
      const { status, body } = await own.get(null, "/readyz");
      assert.equal(status, 503);
      assert.equal(body.code, "unavailable");
      assert.equal(body.checks.reconciler.ok, false);
      assert.equal(body.checks.store.ok, true);
      await own.close();
    }
  });

  test("while targets are away it is ready all the same: strangers hear how many, operators which", async () => {
    const own = await createWorld();
    const watching = createApi(own);
    try {
      await own.configure(organisation(own.directoryName));
      own.directory.members.set("readers", new Set());
      assert.deepEqual((await watching.get(null, "/readyz")).body.checks.targets, {
        ok: true,
        detail: "all answer that were asked",
        unreachable: 0,
      });
      own.directory.fail = () => {
        throw new TargetError("unreachable", "the directory is away");
      };
      own.reconciler();
      const { body: asked } = await watching.post("erin", "/v1/requests", ASKED);
      await own.grantWhen(asked.grantId, ({ trouble }) => trouble !== null, "in trouble");
      const { status, body, text } = await watching.get(null, "/readyz");
      assert.equal(status, 200);
      assert.equal(body.checks.targets.ok, false);
      assert.equal(body.checks.targets.unreachable, 1);
      assert.equal(body.checks.targets.detail, "1 does not answer; work on 1 grant waits");
      assert.ok(!text.includes("orders"), "no name for strangers");
      for (const who of ["otto", "audrey", "ada"]) {
        const { targets } = (await watching.get(who, "/v1/targets")).body;
        const [orders] = targets.filter(({ resource }: { resource: string }) => resource === "orders");
        assert.equal(orders.unreachable.grants, 1);
        assert.match(orders.unreachable.since, /^20\d\d-.*Z$/);
        for (const other of targets) if (other !== orders) assert.equal(other.unreachable, null);
      }
      assert.equal((await watching.get("alice", "/v1/targets")).body.code, "forbidden");
      assert.equal((await watching.get(null, "/v1/targets")).status, 401);
      own.directory.fail = null;
      await own.grantWhen(asked.grantId, ({ state }) => state === "active", "active");
      assert.equal((await watching.get(null, "/readyz")).body.checks.targets.ok, true);
    } finally {
      await watching.close();
      await own.stop();
    }
  });

  test("with the store away it is alive, not ready, and every call is unavailable at once", async (t) => {
    const store = openStore("postgres://nobody:not-the-password@127.0.0.1:1/nothing");
    const context: Context = {
      ...world.context,
      db: store.db,
      ledger: new SqlLedger(store.db),
      catalog: new CatalogCache(),
    };
    const own = createApi({ context });
    // At once: no timer calls back meanwhile.
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    assert.equal((await own.get(null, "/healthz")).status, 200);
    assert.equal((await own.get(null, "/readyz")).body.checks.store.ok, false);
    const { status, body, headers } = await own.get("alice", "/v1/me");
    assert.equal(status, 503);
    assert.equal(body.code, "unavailable");
    assert.ok(Number(headers["retry-after"]) >= 1);
    t.mock.timers.reset();
    assert.ok(!own.logged().includes("not-the-password"));
    await own.close();
    await store.close();
  });

  test("without a configuration it is not ready, and says so", async () => {
    const bare = await createWorld();
    const own = createApi(bare);
    const { status, body } = await own.get(null, "/readyz");
    assert.equal(status, 503);
    assert.equal(body.checks.configuration.ok, false);
    await own.close();
    await bare.stop();
  });

  test("what fails inside is told by its number only, and logged under it", async () => {
    const context: Context = {
      ...world.context,
      catalog: { active: () => Promise.reject(new Error("a secret detail")) } as never,
    };
    const own = createApi({ context });
    const { status, body, text, headers } = await own.get("alice", "/v1/requests");
    assert.equal(status, 500);
    assert.equal(body.code, "internal");
    assert.ok(!text.includes("secret detail"));
    assert.equal(body.instance, `urn:tidegate:call:${String(headers["x-request-id"])}`);
    assert.ok(own.logged().includes("a secret detail"));
    assert.ok(own.logged().includes(String(headers["x-request-id"])));
    await own.close();
  });

  test("every answer forbids caches, frames and guessing of types", async () => {
    for (const url of ["/healthz", "/v1/me", "/v1/nothing"]) {
      const { headers } = await api.get("alice", url);
      assert.equal(headers["cache-control"], "no-store", url);
      assert.equal(headers["x-content-type-options"], "nosniff", url);
      assert.match(String(headers["content-security-policy"]), /default-src 'none'/, url);
      assert.match(String(headers["x-request-id"]), /^[0-9a-f-]{36}$/, url);
    }
  });

  test("the document is served to everybody", async () => {
    const { status, body } = await api.get(null, "/v1/openapi.json");
    assert.equal(status, 200);
    assert.match(body.openapi, /^3\.1/);
  });

  test("garbage on the wire is answered with a problem", async () => {
    const own = createApi(world);
    const address = new URL(await own.app.listen({ host: "127.0.0.1", port: 0 }));
    const { connect } = await import("node:net");
    const socket = connect(Number(address.port), address.hostname);
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.on("close", () => resolve());
    socket.write("NOT HTTP\r\n\r\n");
    await promise;
    assert.match(answer, /application\/problem\+json/);
    assert.match(answer, /malformed-request/);
    await own.close();
  });
});

describe("who am I, and what is there", () => {
  test("me is who the token says", async () => {
    const { body } = await api.get("erin", "/v1/me");
    assert.equal(body.handle, "erin");
    assert.deepEqual(body.groups, ["payments"]);
    assert.equal(body.onCallTier, 1);
  });

  type Shown = { ref: string; forMe: Record<string, unknown> };
  const resources = async (as: string): Promise<Map<string, Record<string, unknown>>> => {
    const { body } = await api.get(as, "/v1/resources");
    const all = body.resources.flatMap((resource: { entitlements: Shown[] }) => resource.entitlements) as Shown[];
    return new Map(all.map(({ ref, forMe }) => [ref, forMe]));
  };

  test("each entitlement says what it would take for me", async () => {
    const alice = await resources("alice");
    assert.deepEqual(alice.get("orders:read"), {
      outcome: "needs-approval",
      rule: "payments",
      needs: ["approval by 1 of owners (group:payments-leads)"],
      maxDuration: "8h",
      why: null,
    });
    assert.deepEqual(alice.get("orders:fix"), {
      outcome: "needs-approval",
      // Without ticket and reason the later rule applies, which asks for neither.
      rule: "payments",
      needs: ["approval by 1 of owners (group:payments-leads)"],
      maxDuration: "2h",
      why: null,
    });
    const erin = await resources("erin");
    assert.deepEqual(erin.get("orders:read"), {
      outcome: "automatic",
      rule: "on-call-reads",
      needs: [],
      maxDuration: "2h",
      why: null,
    });
    const stranger = await resources("stranger");
    assert.deepEqual(stranger.get("orders:fix"), {
      outcome: "needs-approval",
      rule: "fixes",
      needs: ["a ticket", "a reason of at least 15 characters", "approval by 1 of owners (group:payments-leads)"],
      maxDuration: "2h",
      why: null,
    });
    assert.equal(stranger.get("orders:read")?.["outcome"], "denied");
    assert.equal(stranger.get("orders:read")?.["why"], "no rule allows this");
    const dave = await resources("dave");
    assert.match(String(dave.get("orders:read")?.["why"]), /no-contractors/);
    assert.match(String(alice.get("orders:orphan")?.["why"]), /not enough people/);
  });

  test("explain tells rule by rule, for oneself and for somebody else", async () => {
    const own = await api.post("erin", "/v1/explain", { entitlement: "orders:read", duration: "3h" });
    assert.equal(own.body.outcome, "needs-approval");
    assert.equal(own.body.rule, "payments");
    assert.equal(own.body.onCallTier, 1);
    assert.match(own.body.trace[1].why, /at most 2h; you asked for 3h/);
    const other = await api.post("ada", "/v1/explain", { entitlement: "orders:read", user: "dave" });
    assert.equal(other.body.user.handle, "dave");
    assert.equal(other.body.outcome, "denied");
    assert.equal(other.body.duration, "15m");
    assert.match(other.body.why, /no-contractors/);
    const nobody = await api.post("ada", "/v1/explain", { entitlement: "orders:read", user: "nobody" });
    assert.equal(nobody.body.code, "not-found");
    assert.equal((await api.post("ada", "/v1/explain", { entitlement: "x:y" })).body.code, "unknown-entitlement");
    const before = (await world.entries()).length;
    await api.post("alice", "/v1/explain", { entitlement: "orders:read" });
    assert.equal((await world.entries()).length, before, "nothing is asked for");
  });
});

describe("the client", () => {
  test("goes the whole way, and throws what the server refuses", async () => {
    const own = createApi(world);
    const url = await own.app.listen({ host: "127.0.0.1", port: 0 });
    const as = (handle: string) => createClient({ url, token: tokenOf(handle) });
    const [alice, bob] = [as("alice"), as("bob")];
    assert.equal((await alice.me()).handle, "alice");
    assert.equal((await alice.ready()).ready, true);
    const request = await alice.submitRequest({ entitlement: "orders:read", duration: "1h", reason: "a look" });
    assert.equal((await bob.listRequests({ role: "approver", state: "pending" })).requests.at(0)?.id, request.id);
    const approved = await bob.reviewRequest(request.id, { verdict: "approve" });
    assert.equal((await alice.getRequest(request.id)).grantId, approved.grantId);
    const grant = await alice.getGrant(approved.grantId ?? "", { waitSeconds: 5, while: "active" });
    assert.equal(grant.state, "scheduled");
    assert.equal((await alice.listGrants({ person: "me", limit: 1 })).grants.at(0)?.id, grant.id);
    assert.equal((await alice.revokeGrant(grant.id, { reason: "done" })).state, "cancelled");
    assert.ok((await alice.listResources()).resources.length > 0);
    assert.equal((await alice.explain({ entitlement: "orders:read" })).outcome, "needs-approval");
    assert.ok((await alice.listAudit({ grant: grant.id })).entries.length > 0);
    await assert.rejects(
      as("dave").submitRequest({ entitlement: "orders:read", duration: "1h" }),
      (error) =>
        error instanceof ProblemError &&
        error.code === "policy-denied" &&
        error.status === 403 &&
        Array.isArray(error.extra["trace"]),
    );
    await own.close();
    await assert.rejects(
      alice.me(),
      (error) =>
        error instanceof CannotReach && /^cannot reach http:.*: .*; is the server running\?$/.test(error.message),
    );
  });
});
