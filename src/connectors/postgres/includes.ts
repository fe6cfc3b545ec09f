import { parseDuration } from "../../base/duration.ts";
import { CONNECTIONS_DEFAULT, isEverything, isManaged, type PostgresGrant, type PostgresScope } from "./scope.ts";

/**
 * Whether `outer` allows everything that `inner` allows, as far as the texts alone can tell. What an adopted role holds
 * they cannot, nor whether a name that `inner` gives is a table, which `"*"` covers, or a view, which it does not.
 */
export function includes(outer: PostgresScope, inner: PostgresScope): boolean {
  if (outer.database !== inner.database || !settingsWithin(outer, inner)) return false;
  if (!isManaged(outer) || !isManaged(inner)) return outer.role !== undefined && outer.role === inner.role;
  return inner.grants.every((grant) =>
    piecesOf(grant).every((piece) => outer.grants.some((one) => piecesOf(one).some((other) => covers(other, piece)))),
  );
}

/** One privilege on one object, or on one column of it. */
type Piece = {
  readonly kind: "table" | "sequence";
  readonly schema: string;
  readonly name: string;
  readonly column: string | null;
  readonly word: string;
};

function piecesOf(grant: PostgresGrant): Piece[] {
  const kind = grant.sequences === undefined ? "table" : "sequence";
  const names = grant.sequences ?? grant.tables ?? [];
  const columns = grant.columns ?? [null];
  return names.flatMap((name) =>
    columns.flatMap((column) =>
      grant.privileges.map((word) => ({ kind, schema: grant.schema, name, column, word }) as const),
    ),
  );
}

const covers = (outer: Piece, inner: Piece): boolean =>
  outer.kind === inner.kind &&
  outer.schema === inner.schema &&
  outer.word === inner.word &&
  (outer.name === inner.name || (isEverything([outer.name]) && outer.kind === "sequence")) &&
  (outer.column === null || outer.column === inner.column);

function settingsWithin(outer: PostgresScope, inner: PostgresScope): boolean {
  return (
    (inner.connection_limit ?? CONNECTIONS_DEFAULT) <= (outer.connection_limit ?? CONNECTIONS_DEFAULT) &&
    (outer.read_only !== true || inner.read_only === true) &&
    milliseconds(inner.statement_timeout) <= milliseconds(outer.statement_timeout) &&
    milliseconds(inner.idle_in_transaction_timeout) <= milliseconds(outer.idle_in_transaction_timeout)
  );
}

function milliseconds(text: string | undefined): number {
  const parsed = parseDuration(text);
  return parsed.ok ? parsed.value : Number.POSITIVE_INFINITY;
}
