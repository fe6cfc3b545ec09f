/**
 * PATCH (RFC 7644, 3.5.2) as providers send it: operations in any letter case, with a path, without one, or with paths as
 * the keys of a value; values as texts; and members that are removed by a filter or, against the standard, by a value.
 */
import type { Json, JsonObject } from "../../base/canonical.ts";
import { isRefusal, type Refusal } from "../../base/problem.ts";
import { type Document, isObject, itemOf, readValue } from "./document.ts";
import { equalities, holdsFor, parseTarget, type Target } from "./filter.ts";
import { refuseScim } from "./refuse-scim.ts";
import { type Attribute, attributeOf, ENTERPRISE_URN, GROUP_URN, USER_URN } from "./schema.ts";

const OPERATIONS_MAX = 1_000;
type Verb = "add" | "replace" | "remove";

/** One thing to do at one place. */
export type Operation = { readonly verb: Verb; readonly target: Target; readonly value: Json | undefined };

const EXTENSIONS = [USER_URN, ENTERPRISE_URN, GROUP_URN].map((urn) => urn.toLowerCase());
/** They are sent along, and nobody means to change them. */
const SENT_ALONG = ["id", "schemas", "meta"];

export function parsePatch(body: unknown): Operation[] | Refusal {
  const key = isObject(body) ? Object.keys(body).find((one) => one.toLowerCase() === "operations") : undefined;
  const given = isObject(body) && key !== undefined ? body[key] : undefined;
  if (!Array.isArray(given) || given.length === 0)
    return refuseScim("invalidSyntax", "Send Operations, a list of at least one.");
  if (given.length > OPERATIONS_MAX)
    return refuseScim(
      "invalidSyntax",
      `There are ${given.length} Operations; ${OPERATIONS_MAX} are the most. Send them in several calls.`,
    );
  const operations: Operation[] = [];
  for (const one of given) {
    const read = operationsOf(one);
    if (isRefusal(read)) return read;
    operations.push(...read);
  }
  return operations;
}

function operationsOf(given: Json): Operation[] | Refusal {
  if (!isObject(given)) return refuseScim("invalidSyntax", "An operation must be an object.");
  const { op, path, value } = given;
  const verb = (["add", "replace", "remove"] as const).find(
    (one) => typeof op === "string" && op.toLowerCase() === one,
  );
  if (verb === undefined) return refuseScim("invalidSyntax", "op must be add, replace or remove.");
  if (path !== undefined && path !== null && path !== "") {
    if (typeof path !== "string") return refuseScim("invalidPath", "path must be a text.");
    return at(verb, path, value);
  }
  if (verb === "remove") return refuseScim("noTarget", "remove needs a path.");
  return within(verb, value);
}

/** Without a path each key of the value is one. */
function within(verb: Verb, value: Json | undefined): Operation[] | Refusal {
  if (!isObject(value)) return refuseScim("invalidValue", "Without a path the value must be an object.");
  const operations: Operation[] = [];
  for (const [key, inner] of Object.entries(value)) {
    if (SENT_ALONG.includes(key.toLowerCase())) continue;
    const read = at(verb, key, inner);
    if (isRefusal(read)) return read;
    operations.push(...read);
  }
  return operations;
}

function at(verb: Verb, path: string, value: Json | undefined): Operation[] | Refusal {
  if (EXTENSIONS.includes(path.toLowerCase()) && verb !== "remove") return within(verb, value);
  const target = parseTarget(path);
  return isRefusal(target) ? target : [{ verb, target, value }];
}

/** The document after all of them, or why not. What the schema does not know is left alone. */
export function applyPatch(
  document: Document,
  attributes: readonly Attribute[],
  operations: readonly Operation[],
): Document | Refusal {
  let now: Document | Refusal = document;
  for (const operation of operations) {
    now = applyOne(now, attributes, operation);
    if (isRefusal(now)) return now;
  }
  return now;
}

function applyOne(
  document: Document,
  attributes: readonly Attribute[],
  { verb, target, value }: Operation,
): Document | Refusal {
  const attribute = attributeOf(attributes, target.name);
  if (attribute === undefined) return document;
  const { name } = attribute;
  if (attribute.mutability === "readOnly") return refuseScim("mutability", `${name} cannot be changed here.`);
  if (target.where !== null && attribute.multi !== true)
    return refuseScim("invalidPath", `${name} has one value: it takes no [filter].`);
  const before = document[name];
  const after = attribute.multi
    ? manyAfter(attribute, (before ?? []) as JsonObject[], { verb, target, value })
    : oneAfter(attribute, before, { verb, target, value });
  if (isRefusal(after)) return after;
  const { [name]: _, ...rest } = document;
  return after === null || (Array.isArray(after) && after.length === 0) ? rest : { ...rest, [name]: after };
}

function oneAfter(attribute: Attribute, before: Json | undefined, { verb, target, value }: Operation): Json | Refusal {
  const old = isObject(before) ? before : {};
  if (target.sub !== null) return withSub(attribute, old, target.sub, verb === "remove" ? null : value);
  if (verb === "remove") return null;
  const read = readValue(attribute, value);
  if (isRefusal(read) || !isObject(read)) return read;
  return { ...old, ...read };
}

function manyAfter(
  attribute: Attribute,
  items: readonly JsonObject[],
  { verb, target: { sub, where }, value }: Operation,
): JsonObject[] | Refusal {
  if (where === null && sub === null) return allAfter(attribute, items, verb, value);
  const chosen = (item: JsonObject): boolean => where === null || holdsFor(where, item);
  if (!items.some(chosen)) {
    if (verb === "remove") return [...items];
    if (verb === "replace" || where === null)
      return refuseScim("noTarget", `No value of ${attribute.name} is as the path says.`);
    return changed([Object.fromEntries(equalities(where))], () => true, items);
  }
  if (verb === "remove" && sub === null) return items.filter((item) => !chosen(item));
  return changed(items, chosen, []);

  function changed(
    of: readonly JsonObject[],
    which: (item: JsonObject) => boolean,
    others: readonly JsonObject[],
  ): JsonObject[] | Refusal {
    const done = of.map((item) => {
      if (!which(item)) return item;
      if (sub !== null) return withSub(attribute, item, sub, verb === "remove" ? null : value);
      const read = itemOf(attribute.name, attribute.sub ?? [], value ?? null);
      return isRefusal(read) ? read : { ...item, ...read };
    });
    return done.find((item) => isRefusal(item)) ?? onePrimary([...others, ...(done as JsonObject[])], value);
  }
}

function allAfter(
  attribute: Attribute,
  items: readonly JsonObject[],
  verb: Verb,
  value: Json | undefined,
): JsonObject[] | Refusal {
  const given = readValue(attribute, value);
  if (isRefusal(given)) return given;
  const named = (given ?? []) as JsonObject[];
  const among = (item: JsonObject): boolean => named.some((one) => one["value"] === item["value"]);
  if (verb === "remove") return value === undefined ? [] : items.filter((item) => !among(item));
  return verb === "replace" ? named : [...items.filter((item) => !among(item)), ...named];
}

function withSub(attribute: Attribute, item: JsonObject, sub: string, value: Json | undefined): JsonObject | Refusal {
  const known = attributeOf(attribute.sub ?? [], sub);
  if (known === undefined) return item;
  const read = readValue(known, value);
  if (isRefusal(read)) return read;
  const { [known.name]: _, ...rest } = item;
  return read === null ? rest : { ...rest, [known.name]: read };
}

/** The last one that was made primary is the only one. */
function onePrimary(items: JsonObject[], value: Json | undefined): JsonObject[] {
  const made = value === true || (isObject(value) && value["primary"] === true);
  const last = made ? items.findLastIndex((item) => item["primary"] === true) : -1;
  return last < 0
    ? items
    : items.map((item, i) => (i === last || !item["primary"] ? item : { ...item, primary: false }));
}
