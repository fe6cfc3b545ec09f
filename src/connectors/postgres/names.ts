import { z } from "zod";
import { bareId, type GrantId, grantId, type InstallationId } from "../../base/ids.ts";
import { type Intent, type Order, TargetError } from "../../connector/connector.ts";
import { isManaged, type PostgresScope } from "./scope.ts";

/** Every name that a grant uses on its target. */
export type Names = {
  /** The person's login; one per grant. */
  readonly role: string;
  /** The role that holds the rights: ours and shared by grants of one scope, or the one a DBA made. */
  readonly group: string;
  /** Who keeps what the person made, after the end. */
  readonly graveyard: string;
};

const loginRole = (installation: InstallationId, grant: GrantId): string => `tg_${installation}_${bareId(grant)}`;
const groupRole = (installation: InstallationId, scopeHash: string): string =>
  `tgg_${installation}_${scopeHash.slice(0, 16)}`;
export const graveyardRole = (installation: InstallationId): string => `tgx_${installation}`;

export const namesOf = (intent: Intent<PostgresScope>): Names => ({
  role: loginRole(intent.installation, intent.grant),
  group: isManaged(intent.scope) ? groupRole(intent.installation, intent.scopeHash) : intent.scope.role,
  graveyard: graveyardRole(intent.installation),
});

const namesShape = z.object({ role: z.string(), group: z.string(), graveyard: z.string() });

/**
 * The names as the lease recorded them: they win over today's rule, so that a later version still finds what an earlier
 * one made. Only names of this installation are believed; a damaged lease must never end somebody else's role.
 */
export function recordedNames(order: Order<PostgresScope>): Names {
  const names = namesShape.safeParse(order.names);
  const marked =
    names.success &&
    names.data.role.startsWith(`tg_${order.installation}_`) &&
    names.data.graveyard.startsWith(`tgx_${order.installation}`) &&
    (!isManaged(order.scope) || names.data.group.startsWith(`tgg_${order.installation}_`));
  if (!marked)
    throw new TargetError("failed", "the lease does not hold this installation's names; nothing was touched");
  return names.data;
}

/**
 * The marks, kept as comments on the roles and made in the same transaction as the role: a name alone is no proof that
 * a role is ours.
 */
export const loginMark = (installation: InstallationId, grant: GrantId): string =>
  `tidegate:${installation}:grant:${grant}`;
export const groupMark = (installation: InstallationId, scopeHash: string): string =>
  `tidegate:${installation}:group:${scopeHash}`;
export const graveyardMark = (installation: InstallationId): string => `tidegate:${installation}:graveyard`;

/** The grant that a mark names, or null when it is not the mark of a grant's login. */
export function grantOfMark(mark: string): GrantId | null {
  const [, , kind, id] = mark.split(":");
  return kind === "grant" && id !== undefined ? grantId.parse(id) : null;
}

/** The scope hash that the mark of a group role names, or null when it is not the mark of one. */
export function scopeHashOfMark(mark: string): string | null {
  const [, , kind, ...hash] = mark.split(":");
  return kind === "group" && hash.length > 0 ? hash.join(":") : null;
}
