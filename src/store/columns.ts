/** The types of columns, as they are read and as they are written. */
import type { ColumnType } from "kysely";
import type { Json } from "../base/canonical.ts";

/** Times are milliseconds since the epoch when read, RFC 3339 when written. */
export type Time = ColumnType<number, string, string>;
export type NullableTime = ColumnType<number | null, string | null, string | null>;
/** One that a row need not come with. */
export type LaterTime = ColumnType<number | null, string | null | undefined, string | null>;
/** Parsed when read, text when written: the driver would take an array for one of PostgreSQL's own. */
export type JsonColumn<T = Json> = ColumnType<T, string, string>;
export type NullableJson<T = Json> = ColumnType<T | null, string | null, string | null>;
