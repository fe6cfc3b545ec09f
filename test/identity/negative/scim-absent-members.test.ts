import assert from "node:assert/strict";
import { test } from "node:test";
import { assertScimRefused, scimCompany } from "../../support/scim.ts";

test("whoever is not in a group is removed from it by doing nothing; whoever is nobody cannot come into it", async (t) => {
  const it = await scimCompany(t);
  const [walter, jesse] = [await it.user("walter"), await it.user("jesse")];
  const cooks = await it.group("cooks", [walter]);
  const path = `/Groups/${cooks}`;
  const { version } = (await it.scim("GET", path)).body.meta;
  for (const operation of [
    { op: "remove", path: `members[value eq "${jesse}"]` },
    { op: "Remove", path: "members", value: [{ value: jesse }] },
    { op: "remove", path: 'members[value eq "su_0000000000000000"]' },
    { op: "remove", path: "members", value: [] },
  ])
    assert.equal((await it.patch(path, operation)).status, 204);
  const { body } = await it.scim("GET", path);
  assert.equal(body.meta.version, version);
  assert.deepEqual(
    body.members.map((one: { value: string }) => one.value),
    [walter],
  );

  const refused = async (operation: Record<string, unknown>, scimType: string, detail: RegExp): Promise<void> =>
    assertScimRefused(it, await it.patch(path, operation), 400, scimType, detail);
  const add = (value: unknown) => ({ op: "add", path: "members", value });
  await refused(add([{ value: jesse }, { value: "su_0000000000000000" }]), "invalidValue", /No user here has the id/);
  await refused(add([{ value: cooks, type: "Group" }]), "invalidValue", /groups within groups/);
  await refused(add([{ display: "jesse" }]), "invalidValue", /A member needs the value/);
  await refused(
    { op: "replace", path: `members[value eq "${jesse}"].display`, value: "x" },
    "mutability",
    /added or removed/,
  );
  await refused({ op: "remove", path: 'members[display eq "walter"]' }, "invalidFilter", /by their value alone/);
  assert.deepEqual((await it.world.principal("jesse")).groups, [], "who was named beside nobody is not in it either");
});

test("values that are not there are not replaced", async (t) => {
  const it = await scimCompany(t);
  const walter = await it.user("walter");
  const absent = { op: "replace", path: 'emails[type eq "home"].value', value: "a@b.example" };
  assertScimRefused(it, await it.patch(`/Users/${walter}`, absent), 400, "noTarget", /No value of emails/);
  assertScimRefused(it, await it.patch(`/Users/${walter}`, { op: "remove" }), 400, "noTarget", /remove needs a path/);
  for (const id of ["su_0000000000000000", "nobody", "%00", "..%2f..%2fv1"])
    assertScimRefused(it, await it.patch(`/Users/${id}`, absent), 404, null, /no such user/);
});
