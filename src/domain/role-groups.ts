/** Roles that come with a group, wherever somebody is in it from, and go with it. */
import type { Configuration } from "./configuration.ts";
import type { ConfigurationChange } from "./configuration-change.ts";
import { ROLES, type Role } from "./principal.ts";

export const GIVEN_ROLES = ["auditor", "operator", "admin"] as const satisfies readonly Role[];

/** Which groups give which role. */
export type RoleGroups = Readonly<Partial<Record<(typeof GIVEN_ROLES)[number], readonly string[]>>>;

const groupsOf = (given: RoleGroups | undefined, role: Role): readonly string[] =>
  (role === "member" ? undefined : given?.[role]) ?? [];

/** What somebody is who is in these groups. `own`: what the file says of them by name. */
export const rolesWith = (
  given: RoleGroups | undefined,
  groups: readonly string[],
  own: readonly Role[] = [],
): Role[] =>
  ROLES.filter(
    (role) => role === "member" || own.includes(role) || groupsOf(given, role).some((group) => groups.includes(group)),
  );

/** Whose members gain a role. */
export const rolesGained = (before: Configuration, after: Configuration): string[] =>
  GIVEN_ROLES.flatMap((role) => {
    const gained = groupsOf(after.roles, role).filter((group) => !groupsOf(before.roles, role).includes(group));
    return gained.length === 0 ? [] : [`members of ${gained.join(", ")} gain the role ${role}`];
  });

export const roleChanges = (before: Configuration, after: Configuration): ConfigurationChange[] =>
  GIVEN_ROLES.flatMap((role) => {
    const [old, now] = [groupsOf(before.roles, role), groupsOf(after.roles, role)];
    const details = [
      ...old.filter((group) => !now.includes(group)).map((group) => `- members of ${group}`),
      ...now.filter((group) => !old.includes(group)).map((group) => `+ members of ${group}`),
    ];
    if (details.length === 0) return [];
    return [{ about: "role", kind: "changed", name: role, what: `other groups have the role ${role}`, details }];
  });
