import type { PrincipalId } from "../base/ids.ts";

/** What a principal may do inside Tidegate itself. Everybody is a member. */
export const ROLES = ["member", "auditor", "operator", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** A person or a service account. Known by `id`; the handle is what people type and may change hands, the id never does. */
export type Principal = {
  readonly id: PrincipalId;
  readonly kind: "user" | "service";
  /** `alice`: unique among active principals at any one time. */
  readonly handle: string;
  readonly name: string;
  readonly email: string | null;
  /** Free word of the organisation for policies: `employee`, `contractor`. */
  readonly type: string;
  readonly groups: readonly string[];
  readonly roles: readonly Role[];
  /** 0: not on call. 1: first line, 2: second, and so on. */
  readonly onCallTier: number;
  readonly active: boolean;
  /** The handle of their manager, where it is known. */
  readonly manager?: string;
  /** Their provider says that they have left, and the file that declares them goes by that. */
  readonly left?: true;
  /** While they are away, where that was looked up. */
  readonly away?: Absence;
};

/** Somebody is not there, and may have named who decides in their place. Known by ids: a handle may change hands. */
export type Absence = {
  readonly untilMs: number;
  readonly delegateId: PrincipalId | null;
  /** Themselves, or an admin. */
  readonly setBy: PrincipalId;
};

export const hasRole = (principal: Principal, ...roles: Role[]): boolean =>
  roles.some((role) => principal.roles.includes(role));

/** Auditors and admins may read everything. */
export const readsAll = (principal: Principal): boolean => hasRole(principal, "auditor", "admin");

/** How steps name this person, besides by what they own. */
export const sourcesOf = ({ handle, groups }: Principal): string[] => [
  `user:${handle}`,
  ...groups.map((group) => `group:${group}`),
];
