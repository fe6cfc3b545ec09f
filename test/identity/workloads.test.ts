/** Jobs of a CI system that are services here, by the token of their platform. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JWTPayload } from "jose";
import type { Workload } from "../../src/domain/workload.ts";
import { hostileCompany } from "../support/signing-in.ts";

const AUDIENCE = "https://tidegate.example.test";
const FORM = {
  grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
  subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
};

test("a job that is a service gets a token of it for a while, and no other job does", async (t) => {
  const it = await hostileCompany(t);
  const { issuer } = it.provider;
  const job: Workload = {
    ...{ issuer, audience: AUDIENCE, lifetimeMs: 600_000 },
    claims: { repository: ["acme/deploy"], ref: ["refs/heads/main", "refs/heads/next"], run: ["7"] },
  };
  const declare = (...workloads: Workload[]) =>
    it.configure((now) => ({
      ...now,
      principals: now.principals.map((one) => (one.handle === "robot" ? { ...one, workloads } : one)),
    }));
  await declare(job);
  const at = (): number => Math.floor(Date.now() / 1_000);
  const claims = (more: Record<string, unknown> = {}): JWTPayload => ({
    ...{ iss: issuer, aud: AUDIENCE, sub: "repo:acme/deploy:ref:refs/heads/main", iat: at(), exp: at() + 300 },
    ...{ repository: "acme/deploy", ref: "refs/heads/main", run: 7, ...more },
  });
  const exchange = async (said: JWTPayload | string, more: Record<string, string> = {}) => {
    const token = typeof said === "string" ? said : await it.provider.sign(JSON.parse(JSON.stringify(said)));
    const payload = new URLSearchParams({ ...FORM, subject_token: token, ...more }).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const answer = await it.api.app.inject({ method: "POST", url: "/auth/token", headers, payload });
    return { status: answer.statusCode, body: answer.json() };
  };
  const bearer = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await it.api.app.inject({ method: "GET", url: "/v1/me", headers });
    return { status: answer.statusCode, handle: answer.json().handle };
  };

  await t.test("its token is answered with one of ours, which signs it in as the service", async () => {
    const { status, body } = await exchange(claims());
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual([body.token_type, body.issued_token_type.split(":").at(-1)], ["Bearer", "access_token"]);
    assert.ok(body.expires_in > 500 && body.expires_in <= 600);
    assert.deepEqual(await bearer(body.access_token), { status: 200, handle: "robot" });
    const leaf = (await it.world.entries()).findLast((entry) => entry.leaf.kind === "token.exchanged")?.leaf;
    assert.equal(leaf?.data["subject"], "repo:acme/deploy:ref:refs/heads/main");
    assert.doesNotMatch(`${JSON.stringify(leaf)}${it.api.logged()}`, /tgt_(?!test)|eyJ[\w-]+\.eyJ/);
    assert.equal((await exchange(claims({ ref: "refs/heads/next", run: "7", aud: ["x", AUDIENCE] }))).status, 200);
  });

  await t.test("it is narrowed as the file says, and further where that is asked for", async () => {
    await declare({ ...job, scopes: ["requests:read", "requests:write"] });
    const { body } = await exchange(claims());
    assert.equal(body.scope, "requests:read requests:write");
    const less = (await exchange(claims(), { scope: "requests:write" })).body;
    assert.equal(less.scope, "requests:write");
    const headers = { authorization: `Bearer ${less.access_token}` };
    assert.equal((await it.api.call(null, "GET", "/v1/requests", undefined, { headers })).body.code, "out-of-scope");
    assert.equal((await exchange(claims(), { scope: "requests:read audit:read" })).body.error, "invalid_scope");
    await declare(job);
  });

  await t.test("what is not as the file says is refused, and the answer says why", async () => {
    const wrong: Record<string, [Record<string, unknown>, RegExp]> = {
      "another repository": [{ repository: "acme/deploy-2" }, /no service here takes it/],
      "another branch": [{ ref: "refs/heads/mine" }, /no service here takes it/],
      "a claim that is a list": [{ repository: ["acme/deploy"] }, /no service here takes it/],
      "a claim that is missing": [{ run: undefined }, /no service here takes it/],
      "another audience": [{ aud: "https://elsewhere.example" }, /no service here takes it/],
      "no audience": [{ aud: undefined }, /does not hold \(ERR_JWT_CLAIM_VALIDATION_FAILED\)/],
      over: [{ exp: at() - 60 }, /does not hold \(ERR_JWT_EXPIRED\)/],
      "no end": [{ exp: undefined }, /does not hold/],
      "not yet": [{ nbf: at() + 600 }, /does not hold/],
      "another issuer": [{ iss: "https://elsewhere.example" }, /no token of an issuer/],
    };
    for (const [what, [more, why]] of Object.entries(wrong)) {
      const { status, body } = await exchange(claims(more));
      assert.deepEqual([status, body.error], [400, "invalid_request"], what);
      assert.match(body.error_description, why, what);
    }
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    for (const token of ["", "a.b.c", `${part({ alg: "none" })}.${part(claims())}.`])
      assert.equal((await exchange(token)).body.error, "invalid_request", token);
    assert.equal((await exchange(claims(), { grant_type: "password" })).body.error, "unsupported_grant_type");
    assert.equal((await exchange(claims(), { subject_token_type: "x" })).body.error, "invalid_request");
  });

  await t.test("a key that is not published is none, and an issuer that is away is said to be", async () => {
    await it.provider.rotate(false);
    assert.match((await exchange(claims())).body.error_description, /ERR_JWKS_NO_MATCHING_KEY/);
    await it.provider.publish();
    it.provider.metadata = { issuer: "https://elsewhere.example" };
    assert.equal((await exchange(claims())).status, 503);
    it.provider.metadata = {};
    assert.equal((await exchange(claims())).status, 200);
  });

  await t.test(
    "one that is of two services says which; a service that is deactivated gets none, and those it had end",
    async () => {
      const { body } = await exchange(claims());
      await it.configure((now) => ({
        ...now,
        principals: [
          ...now.principals,
          ...now.principals.flatMap((one) => (one.handle === "robot" ? { ...one, handle: "robot-2", tokens: [] } : [])),
        ],
      }));
      assert.match((await exchange(claims())).body.error_description, /name one, as client_id/);
      const second = await exchange(claims(), { client_id: "robot-2" });
      assert.deepEqual(await bearer(second.body.access_token), { status: 200, handle: "robot-2" });
      assert.equal((await exchange(claims(), { client_id: "alice" })).status, 400);
      await it.configure((now) => ({
        ...now,
        principals: now.principals.map((one) => (one.handle === "robot" ? { ...one, active: false } : one)),
      }));
      assert.equal((await bearer(body.access_token)).status, 401);
      assert.deepEqual(await bearer((await exchange(claims())).body.access_token), { status: 200, handle: "robot-2" });
    },
  );
});
