import assert from "node:assert/strict";
import { test } from "node:test";
import { assertScimRefused, person, scimCompany } from "../../support/scim.ts";

test("attributes that are not known here are left out, as the RFC says; who has none that is needed is refused", async (t) => {
  const it = await scimCompany(t);
  const more = { nickName: "Heisenberg", roles: ["admin"], __proto__x: 1, groups: [{ value: "sg_x" }], id: "su_mine" };
  const { status, body } = await it.scim("POST", "/Users", { ...person("walter"), ...more });
  assert.equal(status, 201);
  assert.ok(!("nickName" in body) && !("roles" in body));
  assert.notEqual(body.id, "su_mine");
  assert.deepEqual(body.groups, []);
  assert.deepEqual((await it.world.principal("walter")).roles, ["member"]);
  const patched = await it.patch(`/Users/${body.id}`, { op: "add", path: "nickName", value: "Heisenberg" });
  assert.equal(patched.status, 200);
  assert.ok(!("nickName" in patched.body));

  const refused = async (change: Record<string, unknown>, scimType: string, detail: RegExp): Promise<void> =>
    assertScimRefused(it, await it.scim("POST", "/Users", { ...person("jesse"), ...change }), 400, scimType, detail);
  await refused({ userName: undefined }, "invalidValue", /userName is missing/);
  await refused({ externalId: undefined }, "invalidValue", /externalId is missing: by it alone/);
  await refused({ userName: 7 }, "invalidValue", /userName must be a text/);
  await refused({ userName: "a\u0000b" }, "invalidValue", /control character/);
  await refused({ active: "perhaps" }, "invalidValue", /active must be true or false/);
  await refused({ name: "Jesse" }, "invalidValue", /name must be an object/);
  await refused({ name: [1] }, "invalidValue", /name must be an object/);
  await refused({ emails: Array(21).fill({ value: "a@b.example" }) }, "invalidValue", /more than 20 values/);
  await refused({ displayName: "x".repeat(201) }, "invalidValue", /longer than 200/);
  await refused({ displayName: "\ud800" }, "invalidValue", /longer than 200|half a character/);
  await assert.rejects(it.world.principal("jesse"), /nobody active/);
});

test("what only Tidegate says cannot be said by a provider, and who somebody is never changes", async (t) => {
  const it = await scimCompany(t);
  const walter = await it.user("walter");
  const path = `/Users/${walter}`;
  const group = { op: "add", path: "groups", value: [{ value: "sg_0000000000000000" }] };
  assertScimRefused(it, await it.patch(path, group), 400, "mutability", /groups cannot be changed/);
  const other = { op: "replace", path: "externalId", value: "ext-jesse" };
  assertScimRefused(it, await it.patch(path, other), 400, "mutability", /externalId says who somebody is/);
  const put = await it.scim("PUT", path, { ...person("walter"), externalId: "ext-jesse" });
  assertScimRefused(it, put, 400, "mutability", /never changes/);
  assert.equal((await it.scim("GET", path)).body.externalId, "ext-walter");
});
