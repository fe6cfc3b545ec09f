/** A group as SCIM says it. Its members are no part of the document: there may be thousands, and most changes are about a few. */
import type { Json, JsonObject } from "../../base/canonical.ts";
import type { ScimGroupId, ScimUserId } from "../../base/ids.ts";
import { isRefusal, type Refusal } from "../../base/problem.ts";
import { type IdentityProvider, isWord, WORD_CHARS_MAX } from "../identity.ts";
import { type Document, documentOf, isObject } from "./document.ts";
import { valuesNamed } from "./filter.ts";
import { applyPatch, type Operation } from "./patch.ts";
import { refuseScim } from "./refuse-scim.ts";
import { GROUP, GROUP_URN } from "./schema.ts";

export type ScimGroup = {
  readonly id: ScimGroupId;
  readonly displayName: string;
  readonly externalId: string | null;
  readonly version: number;
  readonly createdMs: number;
  readonly changedMs: number;
};
export type SaidGroup = Pick<ScimGroup, "displayName" | "externalId">;
export type Member = { readonly value: ScimUserId; readonly display: string };

/** Who is in it from now on: `only` these, or those who are in it, `with` some and `without` others. */
export type MemberChange =
  | { readonly only: ReadonlySet<string> }
  | { readonly with: ReadonlySet<string>; readonly without: ReadonlySet<string> };
export type GroupChange = { readonly said: SaidGroup; readonly members: MemberChange };

export const MEMBERS_MAX = 20_000;
const FIELDS = GROUP.filter(({ name }) => name !== "members");

export function readGroup(body: unknown): GroupChange | Refusal {
  if (!isObject(body)) return refuseScim("invalidSyntax", "Send a JSON object.");
  const document = documentOf(body, FIELDS);
  if (isRefusal(document)) return document;
  const key = Object.keys(body).find((one) => one.toLowerCase() === "members");
  const members = idsIn(key === undefined ? [] : body[key]);
  const said = saidGroup(document);
  if (isRefusal(said) || isRefusal(members)) return isRefusal(said) ? said : (members as Refusal);
  return { said, members: { only: new Set(members) } };
}

export function patchGroup(group: ScimGroup, operations: readonly Operation[]): GroupChange | Refusal {
  const { displayName, externalId } = group;
  const document = applyPatch(
    { displayName, ...(externalId === null ? {} : { externalId }) },
    FIELDS,
    operations.filter(({ target }) => target.name !== "members"),
  );
  if (isRefusal(document)) return document;
  const said = saidGroup(document);
  if (isRefusal(said)) return said;
  let members: MemberChange = { with: new Set(), without: new Set() };
  for (const operation of operations.filter(({ target }) => target.name === "members")) {
    const next = membersAfter(members, operation);
    if (isRefusal(next)) return next;
    members = next;
  }
  return { said, members };
}

function membersAfter(before: MemberChange, { verb, target, value }: Operation): MemberChange | Refusal {
  if (target.sub !== null || (target.where !== null && verb !== "remove"))
    return refuseScim("mutability", "A member is added or removed, and never changed.");
  if (target.where !== null) {
    const named = valuesNamed(target.where);
    if (named === null)
      return refuseScim("invalidFilter", 'Members are chosen by their value alone: members[value eq "ID"].');
    return without(before, named);
  }
  // Against the standard Entra names those to remove in the value; without one all of them are meant.
  if (verb === "remove" && value === undefined) return { only: new Set() };
  const ids = idsIn(value);
  if (isRefusal(ids)) return ids;
  if (verb === "replace") return { only: new Set(ids) };
  return verb === "remove" ? without(before, ids) : withMore(before, ids);
}

const union = (some: ReadonlySet<string>, more: Iterable<string>): Set<string> => new Set([...some, ...more]);
const less = (all: ReadonlySet<string>, gone: readonly string[]): Set<string> => {
  const named = new Set(gone);
  return new Set([...all].filter((one) => !named.has(one)));
};

const withMore = (before: MemberChange, ids: readonly string[]): MemberChange =>
  "only" in before
    ? { only: union(before.only, ids) }
    : { with: union(before.with, ids), without: less(before.without, ids) };

const without = (before: MemberChange, ids: readonly string[]): MemberChange =>
  "only" in before
    ? { only: less(before.only, ids) }
    : { with: less(before.with, ids), without: union(before.without, ids) };

function idsIn(value: Json | undefined): string[] | Refusal {
  const given = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
  if (given.length > MEMBERS_MAX)
    return refuseScim("invalidValue", `There are ${given.length} members; ${MEMBERS_MAX} are the most.`);
  const ids: string[] = [];
  for (const one of given) {
    const { value: id, type = "User" } = isObject(one) ? one : { value: one };
    if (type !== null && String(type).toLowerCase() !== "user")
      return refuseScim("invalidValue", "Members are people: groups within groups are not known here.");
    if (typeof id !== "string" || id === "")
      return refuseScim("invalidValue", "A member needs the value of a user's id.");
    ids.push(id);
  }
  return ids;
}

function saidGroup({ displayName, externalId = null }: Document): SaidGroup | Refusal {
  if (displayName === undefined) return refuseScim("invalidValue", "displayName is missing.");
  for (const text of [displayName, externalId ?? "-"])
    if (typeof text !== "string" || !isWord(text) || text !== text.trim())
      return refuseScim(
        "invalidValue",
        `displayName and externalId must have 1 to ${WORD_CHARS_MAX} characters, none of them a control character or white space at an end.`,
      );
  return { displayName: String(displayName), externalId: externalId === null ? null : String(externalId) };
}

/** What the group is called here; null where the configuration names groups, and not this one. */
export function groupHere({ groups }: IdentityProvider, { displayName, externalId }: SaidGroup): string | null {
  if (groups === null) return displayName;
  const key = [externalId, displayName].find((one) => one !== null && Object.hasOwn(groups, one));
  return key === undefined || key === null ? null : (groups[key] ?? null);
}

export const groupsHere = (provider: IdentityProvider, groups: readonly SaidGroup[]): string[] =>
  [...new Set(groups.flatMap((one) => groupHere(provider, one) ?? []))].sort();

export function showGroup({ id, displayName, externalId }: ScimGroup, members: readonly Member[] | null): JsonObject {
  return {
    schemas: [GROUP_URN],
    id,
    displayName,
    ...(externalId === null ? {} : { externalId }),
    ...(members === null ? {} : { members: members.map((one) => ({ ...one })) }),
  };
}
