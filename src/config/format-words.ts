/** What the sections of a configuration are written with: kinds of values as JSON Schema, and their limits. */
import type { JsonObject } from "../base/canonical.ts";
import { SCOPE_NAMES } from "../base/scope.ts";
import { NAME_PATTERN } from "../domain/entitlement.ts";

export const LABEL_CHARS_MAX = 200;
export const TITLE_CHARS_MAX = 200;
export const WORD_CHARS_MAX = 200;
export const URL_CHARS_MAX = 2_000;
export const TEST_NAME_CHARS_MAX = 200;
export const ON_CALL_TIER_MAX = 9;
/** People that one step can ask for; more is a mistake, not a policy. */
export const COUNT_MAX = 20;
export const STEPS_MAX = 20;
export const REASON_CHARS_MAX = 1_000;
export const LIMIT_COUNT_MAX = 1_000;
export const EXTENSIONS_MAX = 100;
export const HOURS_MAX = 20;
export const EMERGENCY_SWITCH = ["on", "off"] as const;
const CONDITION_CHARS_MAX = 4_000;
/** Groups come from directories that allow more in a name than we would: anything printable without white space at its ends. */
export const GROUP_PATTERN = "^[\\p{L}\\p{N}_](?:[\\p{L}\\p{N} _.@:/&+-]{0,98}[\\p{L}\\p{N}_.)])?$";
export const EMAIL_PATTERN = "^[^\\s@]+@[^\\s@]+$";
/** What a provider may call a way of signing in: one word, as the standard sends it. */
export const ACR_PATTERN = "^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$";
export const HASH_PATTERN = "^sha256:[0-9a-f]{64}$";

export type Key = {
  readonly schema: JsonObject;
  readonly about: string;
  readonly required?: true;
  /** What holds where it is left out, in words. */
  readonly otherwise?: string;
  readonly examples?: readonly (string | number | boolean | JsonObject | readonly string[])[];
};
export type Section = { readonly title: string; readonly about: string; readonly keys: Readonly<Record<string, Key>> };

export const keysOf = ({ keys }: Section): string[] => Object.keys(keys);

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
export const group: JsonObject = { type: "string", pattern: GROUP_PATTERN };
export const owner = `group:${open(GROUP_PATTERN)}|user:${open(NAME_PATTERN)}`;
export const condition: JsonObject = text(CONDITION_CHARS_MAX);
export const sources: JsonObject = list(
  { type: "string", pattern: `^(?:owners|manager|${owner})$` },
  { minItems: 1, uniqueItems: true },
);
export const scopes: Key = {
  schema: list({ enum: SCOPE_NAMES }, { minItems: 1, uniqueItems: true }),
  about: "[what it is good for](identity.md#scopes)",
  otherwise: "whatever its owner may do",
  examples: [["requests:read"]],
};
export const CLOCK_PATTERN = "^(?:[01]\\d|2[0-3]):[0-5]\\d$|^24:00$";
export const clock: JsonObject = { type: "string", pattern: CLOCK_PATTERN };
export const count = (maximum: number, minimum = 0): JsonObject => ({ type: "integer", minimum, maximum });
