/** SCIM by a provider: what it says of people and groups is so here, and nothing else comes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { renameGroups } from "../../src/operations/rename-groups.ts";
import { principalByIdentity } from "../../src/store/principals.ts";
import { scimIssuer } from "../../src/store/scim.ts";
import { tokenOf } from "../support/api.ts";
import { person, replay, SCIM_TOKEN, scimCompany, scimOf, scimProvider } from "../support/scim.ts";
import { TIDEGATE } from "../support/signing-in.ts";

test("what Okta is documented to send is taken, and answered as it wants", async (t) => {
  const it = await scimCompany(t);
  await replay(it, "okta.json");
  const walter = await it.world.principal("test.user");
  assert.deepEqual([walter.name, walter.email, walter.groups], ["Another User", "test.user@okta.local", []]);
  assert.ok(!it.api.logged().includes("1mz050nq"), "the password that it sends along is nowhere");
  const { rows } = await it.world.store.pool.query("select u::text as row from scim_users u");
  assert.doesNotMatch(JSON.stringify(rows), /1mz050nq/);
});

test("what Entra is documented to send is taken, and answered as it wants", async (t) => {
  const it = await scimCompany(t);
  await replay(it, "entra.json");
  await assert.rejects(it.world.principal("test_user_ab6490ee"), /nobody active/);
  assert.equal((await it.world.principal("boss")).name, "The boss");
});

test("people and groups by SCIM", async (t) => {
  const it = await scimCompany(t);
  const walter = await it.user("walter", { userType: "employee" });
  const jesse = await it.user("jesse");
  const chemists = await it.group("chemists", [walter]);

  await t.test("a user is a person with handle, name, e-mail, type and the groups they are in", async () => {
    const found = await it.world.principal("walter");
    assert.deepEqual(
      [found.name, found.email, found.type, found.groups, found.roles],
      ["walter", "walter@company.example", "employee", ["chemists"], ["member"]],
    );
    const linked = await principalByIdentity(it.world.store.db, scimIssuer("https://company.example"), "ext-walter");
    assert.equal(linked?.id, found.id);
  });

  await t.test("each change of a person and of a group is in the audit log, and nothing else is", async () => {
    const before = (await it.world.entries()).length;
    await it.patch(`/Groups/${chemists}`, { op: "add", path: "members", value: [{ value: jesse }] });
    const entries = (await it.world.entries()).slice(before).map(({ leaf }) => leaf);
    assert.deepEqual(entries.map(({ kind }) => kind).sort(), ["principal.changed", "scim.changed"]);
    assert.deepEqual(entries.find(({ kind }) => kind === "scim.changed")?.data["added"], 1);
    await it.patch(`/Groups/${chemists}`, { op: "add", path: "members", value: [{ value: jesse }] });
    await it.scim("PUT", `/Users/${jesse}`, person("jesse"));
    assert.equal((await it.world.entries()).length, before + 2, "the same again changes nothing");
  });

  await t.test("a renamed group is another for everybody in it; a removed one is nobody's", async () => {
    await it.patch(`/Groups/${chemists}`, { op: "Replace", path: "displayName", value: "cooks" });
    assert.deepEqual((await it.world.principal("walter")).groups, ["cooks"]);
    assert.deepEqual((await it.world.principal("jesse")).groups, ["cooks"]);
    const more = await it.group("drivers", [jesse]);
    await it.scim("DELETE", `/Groups/${chemists}`);
    assert.deepEqual((await it.world.principal("walter")).groups, []);
    assert.deepEqual((await it.world.principal("jesse")).groups, ["drivers"]);
    await it.scim("DELETE", `/Groups/${more}`);
  });

  await t.test("a handle that the configuration names is nobody's to take, and a handle stays", async () => {
    const carol = await it.user("carol");
    assert.equal((await it.world.principal("carol-2")).email, "carol@company.example");
    await it.patch(`/Users/${carol}`, { op: "replace", path: "userName", value: "caroline@company.example" });
    assert.equal((await it.world.principal("carol-2")).email, "carol@company.example");
  });

  await t.test("the same e-mail address is no reason to take somebody for somebody else", async () => {
    const same = { emails: [{ value: "walter@company.example", primary: true }] };
    await it.user("heisenberg", same);
    assert.notEqual((await it.world.principal("heisenberg")).id, (await it.world.principal("walter")).id);
  });

  await t.test("a manager is a person, by their id in SCIM", async () => {
    const urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    await it.patch(`/Users/${jesse}`, { op: "Add", path: urn, value: walter });
    assert.equal((await it.world.principal("jesse")).manager, "walter");
  });

  await t.test("pages begin at startIndex, hold count, and tell how many there are", async () => {
    for (let i = 0; i < 5; i += 1) await it.user(`many-${i}`);
    const { body: all } = await it.scim("GET", "/Users");
    const names: string[] = [];
    for (let from = 1; from <= all.totalResults; from += 3) {
      const { body } = await it.scim("GET", `/Users?startIndex=${from}&count=3`);
      assert.deepEqual([body.totalResults, body.startIndex], [all.totalResults, from]);
      names.push(...body.Resources.map((one: { userName: string }) => one.userName));
    }
    assert.deepEqual(
      names,
      all.Resources.map((one: { userName: string }) => one.userName),
    );
    const none = (await it.scim("GET", "/Users?count=0")).body;
    assert.deepEqual([none.totalResults, none.itemsPerPage], [all.totalResults, 0]);
    const odd = (await it.scim("GET", "/Users?startIndex=-4&count=-1")).body;
    assert.deepEqual([odd.startIndex, odd.itemsPerPage], [1, 0]);
    assert.equal((await it.scim("GET", "/Users?startIndex=9999")).body.totalResults, all.totalResults);
  });

  await t.test("filters choose by every operator, in any letter case, and by all of a value", async () => {
    const found = async (filter: string): Promise<string[]> => {
      const { status, body, text } = await it.scim("GET", `/Users?filter=${encodeURIComponent(filter)}`);
      assert.equal(status, 200, text);
      return body.Resources.map((one: { displayName: string }) => one.displayName).sort();
    };
    assert.deepEqual(await found('USERNAME Eq "WALTER@company.example"'), ["walter"]);
    assert.deepEqual(await found('externalId eq "EXT-walter"'), [], "an externalId is meant letter by letter");
    assert.deepEqual(await found('displayName sw "many-" and not (displayName ew "-4" or displayName eq "many-0")'), [
      "many-1",
      "many-2",
      "many-3",
    ]);
    assert.deepEqual(await found('emails[value co "jesse" and primary eq true]'), ["jesse"]);
    assert.deepEqual(await found('emails.value eq "jesse@company.example"'), ["jesse"]);
    assert.deepEqual(await found('userType pr and active eq "True"'), ["walter"]);
    assert.deepEqual(await found('displayName ge "wal"'), ["walter"]);
    assert.deepEqual(await found('meta.lastModified lt "2001-01-01T00:00:00Z"'), []);
    assert.deepEqual(await found(`displayName eq "O'Hara\\" or 1=1 --"`), []);
    assert.deepEqual(await found(`urn:ietf:params:scim:schemas:core:2.0:User:displayName eq "jesse"`), ["jesse"]);
    const search = { filter: 'displayName eq "jesse"', attributes: ["userName"] };
    const { body } = await it.scim("POST", "/Users/.search", search);
    assert.deepEqual(Object.keys(body.Resources[0]).sort(), ["id", "schemas", "userName"]);
  });

  await t.test("a version is told, spares sending again, and keeps a change from undoing another", async () => {
    const { headers, body } = await it.scim("GET", `/Users/${walter}`);
    assert.equal(headers["etag"], body.meta.version);
    assert.equal(body.meta.location, `${TIDEGATE}/scim/v2/Users/${walter}`);
    const tag = { "if-none-match": body.meta.version };
    assert.equal((await it.scim("GET", `/Users/${walter}`, undefined, { headers: tag })).status, 304);
    const wanted = { Operations: [{ op: "replace", value: { userType: "contractor" } }] };
    const seen = { headers: { "if-match": body.meta.version } };
    const done = await it.scim("PATCH", `/Users/${walter}`, wanted, seen);
    assert.equal(done.status, 200);
    assert.notEqual(done.headers["etag"], body.meta.version);
    assert.equal((await it.scim("PATCH", `/Users/${walter}`, wanted, seen)).status, 412);
    assert.equal((await it.scim("DELETE", `/Users/${walter}`, undefined, seen)).status, 412);
  });

  await t.test("discovery tells what there is, and nothing that is not", async () => {
    const { body: config } = await it.scim("GET", "/ServiceProviderConfig");
    assert.deepEqual([config.patch.supported, config.bulk.supported, config.etag.supported], [true, false, true]);
    const { body: types } = await it.scim("GET", "/ResourceTypes");
    assert.deepEqual(
      types.Resources.map((one: { endpoint: string }) => one.endpoint),
      ["/Users", "/Groups"],
    );
    const { body: schemas } = await it.scim("GET", "/Schemas");
    for (const { id, meta } of schemas.Resources) {
      assert.equal(meta.location, `${TIDEGATE}/scim/v2/Schemas/${id}`);
      assert.equal((await it.scim("GET", `/Schemas/${id}`)).body.id, id);
    }
    assert.equal((await it.scim("GET", "/ResourceTypes/User")).body.name, "User");
  });
});

test("a provider sees its own people, and its token opens nothing else", async (t) => {
  const other = "another-token-of-SCIM-that-nobody-would-guess";
  const it = await scimCompany(t);
  const walter = await it.user("walter");
  await it.provide(
    scimProvider(),
    scimProvider({
      name: "other",
      issuer: "https://other.example",
      scim: { settings: { tokens: [other, "a-second-token-while-the-first-is-changed"] }, claim: "sub" },
    }),
  );
  assert.equal((await it.scim("GET", `/Users/${walter}`, undefined, { token: other })).status, 404);
  assert.equal((await it.scim("GET", "/Users", undefined, { token: other })).body.totalResults, 0);
  assert.equal((await it.scim("DELETE", `/Users/${walter}`, undefined, { token: other })).status, 404);
  const same = await it.scim("POST", "/Users", person("walter"), {
    token: "a-second-token-while-the-first-is-changed",
  });
  assert.equal(same.status, 201, same.text);
  assert.equal((await it.world.principal("walter-2")).name, "walter");
  const v1 = await it.api.app.inject({ url: "/v1/me", headers: { authorization: `Bearer ${SCIM_TOKEN}` } });
  assert.equal(v1.statusCode, 401);
  assert.equal((await it.scim("GET", "/Users", undefined, { token: tokenOf("ada") })).status, 401);
});

test("whom the file declares is the file's; where it says so, who has left by SCIM has left", async (t) => {
  const it = await scimCompany(t);
  const declare = (identity: Record<string, string>) =>
    it.configure((before) => ({
      ...before,
      principals: before.principals.map((one) =>
        one.handle === "alice"
          ? { ...one, identities: [{ provider: "company", subject: "ext-alice", ...identity }] }
          : one,
      ),
    }));
  await declare({});
  const alice = await it.world.principal("alice");
  const user = await it.user("alice", { displayName: "Mallory" });
  await it.group("security", [user]);
  await it.patch(`/Users/${user}`, { op: "replace", path: "active", value: false });
  assert.deepEqual(await it.world.principal("alice"), alice, "SCIM changes nothing of her");
  await assert.rejects(it.world.principal("alice-2"), /nobody active/);

  await declare({ scim: "ext-alice" });
  await it.patch(`/Users/${user}`, { op: "replace", path: "active", value: true });
  assert.equal((await it.world.principal("alice")).id, alice.id);
  await it.patch(`/Users/${user}`, { op: "replace", path: "active", value: false });
  await assert.rejects(it.world.principal("alice"), /nobody active/);
  await it.configure((before) => ({ ...before, defaults: { ...before.defaults, reasonMinLength: 3 } }));
  await assert.rejects(it.world.principal("alice"), /nobody active/, "another version of the file brings nobody back");
  await it.patch(`/Users/${user}`, { op: "replace", path: "active", value: true });
  assert.deepEqual(await it.world.principal("alice"), alice, "as the file says, and not as SCIM does");
  await it.scim("DELETE", `/Users/${user}`);
  await assert.rejects(it.world.principal("alice"), /nobody active/);
});

test("groups are called as the configuration says: by their externalId, or by their name", async (t) => {
  const it = await scimCompany(t, scimProvider({ groups: { "8aa1a0c0": "payments", Drivers: "drivers" } }));
  const walter = await it.user("walter");
  const group = { displayName: "Payments", externalId: "8aa1a0c0", members: [{ value: walter }] };
  assert.equal((await it.scim("POST", "/Groups", group)).status, 201);
  await it.group("Drivers", [walter]);
  await it.group("Others", [walter]);
  assert.deepEqual((await it.world.principal("walter")).groups, ["drivers", "payments"]);
  await it.provide(scimProvider({ groups: { Others: "others", Drivers: "drivers" } }));
  await renameGroups(it.world.context);
  assert.deepEqual((await it.world.principal("walter")).groups, ["drivers", "others"], "as it says by now");
  const before = (await it.world.entries()).length;
  await renameGroups(it.world.context);
  assert.equal((await it.world.entries()).length, before);
});

test("a provider that is told of many things at once makes each of them once", async (t) => {
  const it = await scimCompany(t);
  const { scim } = scimOf(it);
  const created = await Promise.all(Array.from({ length: 8 }, () => scim("POST", "/Users", person("walter"))));
  assert.deepEqual(created.map(({ status }) => status).sort(), [201, ...Array(7).fill(409)]);
  const same = await Promise.all(
    Array.from({ length: 6 }, (_, i) => scim("POST", "/Users", person(`x${i}`, { userName: `twin@${i}.example` }))),
  );
  assert.ok(same.every(({ status }) => status === 201));
  const ids = same.map(({ body }) => body.id as string);
  const group = await it.group("twins");
  await Promise.all(
    ids.map((value) => it.patch(`/Groups/${group}`, { op: "add", path: "members", value: [{ value }] })),
  );
  await Promise.all(
    ids.map((id) => scim("GET", `/Users/${id}`).then(({ body }) => assert.equal(body.groups.length, 1))),
  );
  const groups = await Promise.all(Array.from({ length: 5 }, () => scim("POST", "/Groups", { displayName: "Same" })));
  assert.deepEqual(groups.map(({ status }) => status).sort(), [201, 409, 409, 409, 409]);
});
