import assert from "node:assert/strict";
import { test } from "node:test";
import { assertScimRefused, PATCH_URN, scimCompany } from "../../support/scim.ts";

test("a body that is too large, no JSON, of another kind or not what was asked for is refused in words", async (t) => {
  const it = await scimCompany(t);
  const walter = await it.user("walter");
  const raw = (text: string, headers = {}) => it.scim("POST", "/Users", undefined, { raw: text, headers });
  assertScimRefused(it, await raw(`{"userName":"${"x".repeat(2_200_000)}"}`), 413, null, /at most 2048 KiB/);
  assertScimRefused(it, await raw("{"), 400, "invalidSyntax", /not JSON/);
  assertScimRefused(it, await raw('{"__proto__": {"x": 1}}'), 400, "invalidSyntax", /not JSON|could not be read/);
  assertScimRefused(it, await raw("x", { "content-type": "text/plain" }), 415, null, /Send JSON/);
  for (const text of ["", "[]", "null", '"x"', "7"])
    assertScimRefused(it, await raw(text), 400, "invalidSyntax", /Send a JSON object/);
  const patch = async (body: unknown, scimType: string, detail: RegExp): Promise<void> =>
    assertScimRefused(it, await it.scim("PATCH", `/Users/${walter}`, body), 400, scimType, detail);
  const of = (...Operations: unknown[]) => ({ schemas: [PATCH_URN], Operations });
  await patch({}, "invalidSyntax", /Send Operations/);
  await patch(of(), "invalidSyntax", /Send Operations/);
  await patch(of("add"), "invalidSyntax", /must be an object/);
  await patch(of({ op: "move", path: "active" }), "invalidSyntax", /op must be/);
  await patch(of({ op: "add", path: 7, value: 1 }), "invalidPath", /path must be a text/);
  await patch(of({ op: "add", path: "a b", value: 1 }), "invalidPath", /cannot be read/);
  await patch(of({ op: "add", value: "x" }), "invalidValue", /must be an object/);
  await patch(of({ op: "replace", path: "userName[value pr]", value: "x" }), "invalidPath", /takes no \[filter\]/);
  await patch(of({ op: "remove", path: "userName" }), "invalidValue", /userName is missing/);
  await patch(
    of(...Array(1_001).fill({ op: "add", path: "displayName", value: "x" })),
    "invalidSyntax",
    /1000 are the most/,
  );
  // All of it or nothing.
  await patch(of({ op: "replace", path: "active", value: false }, { op: "move" }), "invalidSyntax", /op must be/);
  await patch(
    of({ op: "replace", path: "active", value: false }, { op: "remove", path: "userName" }),
    "invalidValue",
    /missing/,
  );
  assert.equal((await it.scim("GET", `/Users/${walter}`)).body.active, true);
  const elsewhere = await it.scim("POST", "/Bulk", { Operations: [] });
  assertScimRefused(it, elsewhere, 404, null, /There is nothing at POST \/scim\/v2\/Bulk/);
});

test("a group of 5,000 members is taken whole, told in one answer, and changed by one", async (t) => {
  const it = await scimCompany(t);
  await it.world.store.pool.query(`insert into scim_users (id, issuer, external_id, user_name, active, said, version, created_at, changed_at)
    select 'su_' || lpad(i::text, 16, '0'), 'https://company.example', 'many-' || i, 'many-' || i, true,
      jsonb_build_object('userName', 'many-' || i, 'externalId', 'many-' || i, 'active', true), 1, now(), now()
    from generate_series(1, 5000) as i`);
  const walter = await it.user("walter");
  const ids = Array.from({ length: 5_000 }, (_, i) => `su_${String(i + 1).padStart(16, "0")}`);
  const everybody = await it.group("everybody", [...ids, walter]);
  const path = `/Groups/${everybody}`;
  assert.equal((await it.scim("GET", path)).body.members.length, 5_001);
  assert.deepEqual((await it.world.principal("walter")).groups, ["everybody"]);
  await it.patch(path, { op: "remove", path: `members[value eq "${walter}"]` });
  assert.deepEqual((await it.world.principal("walter")).groups, []);
  assert.equal((await it.patch(path, { op: "Remove", path: "members" })).status, 204);
  assert.deepEqual((await it.scim("GET", path)).body.members, []);
  const beyond = await it.scim("POST", "/Groups", { displayName: "beyond", members: Array(20_001).fill(walter) });
  assertScimRefused(it, beyond, 400, "invalidValue", /20000 are the most/);
});
