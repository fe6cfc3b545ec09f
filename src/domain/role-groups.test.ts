import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Configuration } from "./configuration.ts";
import { type RoleGroups, roleChanges, rolesGained, rolesWith } from "./role-groups.ts";

describe("roles by group", () => {
  const given: RoleGroups = { auditor: ["security"], admin: ["platform", "owners of it"] };
  const having = (roles: RoleGroups | undefined) => ({ roles }) as unknown as Configuration;

  test("a role comes with any of its groups, beside those by name; everybody is a member", () => {
    assert.deepEqual(rolesWith(given, []), ["member"]);
    assert.deepEqual(rolesWith(undefined, ["security"]), ["member"]);
    assert.deepEqual(rolesWith(given, ["owners of it", "security"]), ["member", "auditor", "admin"]);
    assert.deepEqual(rolesWith(given, ["security"], ["operator"]), ["member", "auditor", "operator"]);
    assert.deepEqual(rolesWith({ admin: [] }, [""]), ["member"]);
  });

  test("a group that is given a role widens, one that loses it does not; both are told", () => {
    const less = having({ auditor: ["security"], admin: ["platform"] });
    assert.deepEqual(rolesGained(less, having(given)), ["members of owners of it gain the role admin"]);
    assert.deepEqual(rolesGained(having(given), less), []);
    assert.deepEqual(rolesGained(having(given), having(undefined)), []);
    assert.deepEqual(rolesGained(having({ auditor: ["x"] }), having({ admin: ["x"] })), [
      "members of x gain the role admin",
    ]);
    assert.deepEqual(roleChanges(having(given), having(given)), []);
    const [change] = roleChanges(having({ admin: ["x"] }), having({ admin: ["y"] }));
    assert.deepEqual([change?.name, change?.details], ["admin", ["- members of x", "+ members of y"]]);
  });
});
