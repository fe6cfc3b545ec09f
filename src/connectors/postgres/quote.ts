import pg from "pg";
import { assert } from "../../base/assert.ts";

/**
 * A name as SQL text. Always quoted, so that `Orders`, `user` and `a"b` mean exactly themselves. Longer names than the
 * server keeps are a bug here: it would cut them silently and another object would be meant.
 */
export function identifier(name: string): string {
  assert(isIdentifier(name), "a name on the target is 1 to 63 bytes without a NUL");
  return pg.escapeIdentifier(name);
}

/** A value as SQL text, for the utility statements (CREATE ROLE …) that take no parameters. */
export function literal(value: string): string {
  assert(!value.includes("\0"), "a NUL cannot be written in SQL");
  return pg.escapeLiteral(value);
}

/** `schema.name`, quoted. */
export const qualified = (schema: string, name: string): string => `${identifier(schema)}.${identifier(name)}`;

/** PostgreSQL keeps 63 bytes of a name (NAMEDATALEN - 1). */
export const IDENTIFIER_BYTES_MAX = 63;

export const isIdentifier = (name: string): boolean =>
  name !== "" && !name.includes("\0") && Buffer.byteLength(name) <= IDENTIFIER_BYTES_MAX;
