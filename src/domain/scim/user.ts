/** A person as SCIM says them: kept as it was said, and what Tidegate takes from it. */
import type { Json, JsonObject } from "../../base/canonical.ts";
import type { ScimUserId } from "../../base/ids.ts";
import { isRefusal, type Refusal } from "../../base/problem.ts";
import { handleOf, isWord, WORD_CHARS_MAX } from "../identity.ts";
import { type Document, documentOf, isObject } from "./document.ts";
import { applyPatch, type Operation } from "./patch.ts";
import { refuseScim } from "./refuse-scim.ts";
import { ENTERPRISE_URN, USER, USER_URN } from "./schema.ts";

export type ScimUser = {
  readonly id: ScimUserId;
  readonly userName: string;
  readonly externalId: string;
  readonly active: boolean;
  readonly said: Document;
  readonly version: number;
  readonly createdMs: number;
  readonly changedMs: number;
  readonly groups: readonly { readonly value: string; readonly display: string }[];
};
/** What of it is somebody's to say. */
export type SaidUser = Pick<ScimUser, "userName" | "externalId" | "active" | "said">;

export function readUser(body: unknown): SaidUser | Refusal {
  const said = documentOf(body, USER);
  return isRefusal(said) ? said : saidUser(said);
}

/** PUT: what is not sent is gone, but for who they are; some leave that out. */
export function replaceUser(user: ScimUser, body: unknown): SaidUser | Refusal {
  const said = documentOf(body, USER);
  return isRefusal(said) ? said : theSame(user, { externalId: user.externalId, ...said });
}

export function patchUser(user: ScimUser, operations: readonly Operation[]): SaidUser | Refusal {
  const said = applyPatch(user.said, USER, operations);
  return isRefusal(said) ? said : theSame(user, said);
}

function theSame(user: ScimUser, said: Document): SaidUser | Refusal {
  const next = saidUser(said);
  if (isRefusal(next) || next.externalId === user.externalId) return next;
  return refuseScim(
    "mutability",
    "externalId says who somebody is, and never changes. For somebody else delete this user and create another.",
  );
}

function saidUser(said: Document): SaidUser | Refusal {
  const { userName, externalId, active = true } = said;
  for (const [name, value] of Object.entries({ userName, externalId }))
    if (typeof value !== "string" || !isWord(value)) return refuseScim("invalidValue", whyNot(name, value));
  const wrong = textsIn(said).find((text) => text.length > WORD_CHARS_MAX || !text.isWellFormed());
  if (wrong !== undefined) return refuseScim("invalidValue", `A text is longer than ${WORD_CHARS_MAX} characters.`);
  return {
    userName: String(userName),
    externalId: String(externalId),
    active: active === true,
    said: { ...said, active },
  };
}

function whyNot(name: string, value: Json | undefined): string {
  if (value !== undefined)
    return `${name} must have 1 to ${WORD_CHARS_MAX} characters, none of them a control character.`;
  if (name === "userName") return "userName is missing.";
  return "externalId is missing: by it alone Tidegate knows who signs in. Map it to what the provider's token says of them.";
}

const textsIn = (value: Json | Document): string[] =>
  typeof value === "string"
    ? [value]
    : typeof value === "object" && value !== null
      ? Object.values(value as JsonObject).flatMap(textsIn)
      : [];

/** What a person here is called, and what conditions read of them. */
export type Told = {
  readonly handle: string;
  readonly name: string;
  readonly email: string | null;
  readonly type: string;
  /** The manager, as SCIM names people. */
  readonly manager: string | null;
};

export function toldOf({ userName, said }: SaidUser): Told {
  const word = (value: Json | undefined): string => (typeof value === "string" && isWord(value) ? value.trim() : "");
  const { name, emails, manager } = said;
  const parts: JsonObject = isObject(name) ? name : {};
  const whole = [word(parts["givenName"]), word(parts["familyName"])].filter((part) => part !== "").join(" ");
  const addresses = Array.isArray(emails) ? emails.filter(isObject) : [];
  const email = word((addresses.find((one) => one["primary"] === true) ?? addresses[0])?.["value"]);
  return {
    handle: handleOf(userName) || "person",
    name: word(said["displayName"]) || word(parts["formatted"]) || whole || userName,
    email: /^[^\s@]+@[^\s@]+$/.test(email) ? email : null,
    type: word(said["userType"]),
    manager: isObject(manager) ? word(manager["value"]) || null : null,
  };
}

export function showUser(user: ScimUser): JsonObject {
  const { manager, ...said } = user.said;
  return {
    schemas: manager === undefined ? [USER_URN] : [USER_URN, ENTERPRISE_URN],
    id: user.id,
    ...said,
    groups: user.groups.map((one) => ({ ...one })),
    ...(manager === undefined ? {} : { [ENTERPRISE_URN]: { manager } }),
  };
}
