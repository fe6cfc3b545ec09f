/** A value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/**
 * Canonical JSON (RFC 8785): one text for one value, so that a hash of it means the value. Keys are sorted by UTF-16
 * code units; numbers and strings are written as ECMAScript's own JSON.stringify does, which is what the RFC prescribes.
 * Keys whose value is undefined are left out. Throws on NaN, Infinity, lone surrogates and objects of a class, which JSON cannot hold.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError("canonical JSON cannot hold NaN or Infinity");
    return JSON.stringify(value);
  }
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && isPlain(value)) {
    const members = value as Readonly<Record<string, unknown>>;
    let text = "";
    for (const key of sorted(Object.keys(members))) {
      if (members[key] === undefined) continue;
      text += `${text === "" ? "" : ","}${named(key)}${canonicalJson(members[key])}`;
    }
    return `{${text}}`;
  }
  throw new TypeError(
    `canonical JSON cannot hold a ${typeof value === "object" ? value.constructor.name : typeof value}`,
  );
}

function quoted(text: string): string {
  if (!text.isWellFormed()) throw new TypeError("canonical JSON cannot hold a lone surrogate");
  return JSON.stringify(text);
}

/** Names as they are written: much the same few in all that is written here, and to quote one costs more than to look it up. */
const names = new Map<string, string>();
const NAMES_MAX = 1_000;
const NAME_CHARS_MAX = 64;

function named(key: string): string {
  const known = names.get(key);
  if (known !== undefined) return known;
  const name = `${quoted(key)}:`;
  if (names.size < NAMES_MAX && key.length <= NAME_CHARS_MAX) names.set(key, name);
  return name;
}

/** In place, by UTF-16 code units, as strings are compared; mostly they are in order. */
function sorted(keys: string[]): string[] {
  const isSorted = keys.every((key, i) => i === 0 || (keys[i - 1] ?? "") < key);
  return isSorted ? keys : keys.sort();
}

/** A Date, a Map or a Secret would silently become `{}`, and two different ones the same hash. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
