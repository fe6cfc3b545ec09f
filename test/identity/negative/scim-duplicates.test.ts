import assert from "node:assert/strict";
import { test } from "node:test";
import { assertScimRefused, person, scimCompany } from "../../support/scim.ts";

test("a userName, an externalId and the name of a group are one's own: 409, and nothing is changed", async (t) => {
  const it = await scimCompany(t);
  const walter = await it.user("walter");
  const jesse = await it.user("jesse");
  const taken = async (body: Record<string, unknown>, detail: RegExp): Promise<void> =>
    assertScimRefused(it, await it.scim("POST", "/Users", body), 409, "uniqueness", detail);
  await taken({ ...person("x"), userName: "WALTER@company.example" }, /Another user has this userName/);
  await taken({ ...person("x"), externalId: "ext-walter" }, /Another user has this externalId/);
  const name = { op: "replace", path: "userName", value: "Walter@company.example" };
  assertScimRefused(it, await it.patch(`/Users/${jesse}`, name), 409, "uniqueness", /this userName/);
  assert.equal((await it.scim("GET", `/Users/${jesse}`)).body.userName, "jesse@company.example");

  const cooks = await it.group("cooks", [walter]);
  const twice = { displayName: "Cooks", members: [{ value: jesse }] };
  assertScimRefused(it, await it.scim("POST", "/Groups", twice), 409, "uniqueness", /Another group/);
  const drivers = await it.group("drivers");
  const renamed = { op: "replace", path: "displayName", value: "COOKS" };
  assertScimRefused(it, await it.patch(`/Groups/${drivers}`, renamed), 409, "uniqueness", /Another group/);
  const both = [renamed, { op: "add", path: "members", value: [{ value: jesse }] }];
  assertScimRefused(it, await it.patch(`/Groups/${drivers}`, ...both), 409, "uniqueness", /Another group/);
  assert.deepEqual((await it.world.principal("jesse")).groups, []);
  assert.equal(
    (await it.patch(`/Groups/${cooks}`, { ...renamed, value: "Cooks" })).status,
    204,
    "its own name is free",
  );
});
