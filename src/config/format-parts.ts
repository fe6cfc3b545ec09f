/** Shapes that several sections of the format use. */
import type { JsonObject } from "../base/canonical.ts";
import { NAME_PATTERN } from "../domain/entitlement.ts";

export const open = (pattern: string): string => pattern.replace(/^\^|\$$/g, "");
export const text = (max: number): JsonObject => ({ type: "string", maxLength: max });
export const filled = (max: number): JsonObject => ({ ...text(max), pattern: "\\S" });
export const name: JsonObject = { type: "string", pattern: NAME_PATTERN };
export const named = (inner: JsonObject): JsonObject => ({
  type: "object",
  propertyNames: { pattern: NAME_PATTERN },
  additionalProperties: inner,
});
export const list = (items: JsonObject, more: JsonObject = {}): JsonObject => ({ type: "array", items, ...more });
export const section = (of: string): JsonObject => ({ $ref: `#/definitions/${of}` });
export const duration: JsonObject = {
  type: "string",
  pattern: "^\\s*(?=\\S)(\\d{1,9}d)?(\\d{1,9}h)?(\\d{1,9}m)?(\\d{1,9}s)?\\s*$",
};
export const time: JsonObject = {
  type: "string",
  pattern: "^\\d{4}-\\d{2}-\\d{2}[Tt]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?([Zz]|[+-]\\d{2}:\\d{2})$",
};
