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
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new TypeError("canonical JSON cannot hold a lone surrogate");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && isPlain(value)) {
    const members = value as Readonly<Record<string, unknown>>;
    let text = "";
    // Without a comparison of its own, `sort` is by UTF-16 code units.
    for (const key of Object.keys(members).sort()) {
      if (members[key] === undefined) continue;
      text += `${text === "" ? "" : ","}${canonicalJson(key)}:${canonicalJson(members[key])}`;
    }
    return `{${text}}`;
  }
  throw new TypeError(
    `canonical JSON cannot hold a ${typeof value === "object" ? value.constructor.name : typeof value}`,
  );
}

/** A Date, a Map or a Secret would silently become `{}`, and two different ones the same hash. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
