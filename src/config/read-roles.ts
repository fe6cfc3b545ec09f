/** `roles:` — which groups give which role. */
import { given } from "../base/given.ts";
import type { RoleGroups } from "../domain/role-groups.ts";
import { FORMAT } from "./format.ts";
import { keysOf } from "./format-words.ts";
import { readGroups } from "./read-sources.ts";
import type { Reading, Value } from "./reading.ts";

export function readRoleGroups(reading: Reading, value: Value): RoleGroups | null {
  const fields = reading.fields(value, keysOf(FORMAT.roles));
  if (fields === null) return null;
  const of = (role: string): string[] | null => {
    const member = fields.optional(role);
    return member && readGroups(reading, member);
  };
  return given({ auditor: of("auditor"), operator: of("operator"), admin: of("admin") });
}
