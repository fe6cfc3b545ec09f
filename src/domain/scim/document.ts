/** What was sent, by the schema: names in our spelling, texts and booleans as they should be. What the schema does not know is left out. */
import type { Json, JsonObject } from "../../base/canonical.ts";
import { isRefusal, type Refusal } from "../../base/problem.ts";
import { refuseScim } from "./refuse-scim.ts";
import { type Attribute, attributeOf, ENTERPRISE_URN } from "./schema.ts";

export type Document = Readonly<Record<string, Json>>;
const VALUES_MAX = 20;

export function documentOf(body: unknown, attributes: readonly Attribute[]): Document | Refusal {
  if (!isObject(body)) return refuseScim("invalidSyntax", "Send a JSON object.");
  const document: Record<string, Json> = {};
  for (const [key, value] of Object.entries(body)) {
    const part = key.toLowerCase() === ENTERPRISE_URN.toLowerCase() ? documentOf(value, attributes) : one(key, value);
    if (isRefusal(part)) return part;
    Object.assign(document, part);
  }
  return document;

  function one(key: string, value: Json): Document | Refusal {
    const attribute = attributeOf(attributes, key);
    if (attribute === undefined || attribute.mutability === "readOnly") return {};
    const read = readValue(attribute, value);
    return isRefusal(read) ? read : read === null ? {} : { [attribute.name]: read };
  }
}

/** A value as the attribute wants it; null where there is none. */
export function readValue(attribute: Attribute, value: Json | undefined): Json | Refusal {
  const { type, multi, name, sub = [] } = attribute;
  if (value === undefined || value === null || value === "") return null;
  if (multi === true) {
    const items = Array.isArray(value) ? value : [value];
    // Members are no values of a document: they are read where they are changed.
    if (items.length > VALUES_MAX) return refuseScim("invalidValue", `${name} has more than ${VALUES_MAX} values.`);
    const read = items.map((item) => itemOf(name, sub, item));
    return read.find((item) => isRefusal(item)) ?? (read as JsonObject[]);
  }
  // Entra sends a manager as a list of one.
  if (type === "complex")
    return itemOf(name, sub, Array.isArray(value) && value.length === 1 ? (value[0] ?? null) : value);
  if (type === "boolean") return booleanOf(name, value);
  return typeof value === "string" ? value : refuseScim("invalidValue", `${name} must be a text.`);
}

/** Sub-attributes of one value. Some send a value alone: a manager's id instead of an object that holds it. */
export function itemOf(name: string, sub: readonly Attribute[], value: Json): JsonObject | Refusal {
  const given = typeof value === "string" && attributeOf(sub, "value") !== undefined ? { value } : value;
  if (!isObject(given)) return refuseScim("invalidValue", `${name} must be an object.`);
  const item: Record<string, Json> = {};
  for (const attribute of sub) {
    const key = Object.keys(given).find((one) => one.toLowerCase() === attribute.name.toLowerCase());
    const read = readValue(attribute, key === undefined ? null : given[key]);
    if (isRefusal(read)) return read;
    if (read !== null) item[attribute.name] = read;
  }
  return item;
}

/** Entra sends booleans as texts: "False". */
function booleanOf(name: string, value: Json): boolean | Refusal {
  if (typeof value === "boolean") return value;
  const word = typeof value === "string" ? value.toLowerCase() : "";
  if (word === "true" || word === "false") return word === "true";
  return refuseScim("invalidValue", `${name} must be true or false.`);
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
