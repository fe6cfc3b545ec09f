import { CONNECTIONS_DEFAULT, isEverything, isManaged, type PostgresGrant, type PostgresScope } from "./scope.ts";

/** What the approver reads: what the scope gives, then what it leaves open. */
export function describe(scope: PostgresScope): string[] {
  const lines = isManaged(scope)
    ? scope.grants.map((grant) => `in database ${scope.database}: ${describeGrant(grant)}`)
    : [`in database ${scope.database}: everything that the role ${scope.role} may do, as its DBA has set it up`];
  lines.push(`with at most ${scope.connection_limit ?? CONNECTIONS_DEFAULT} connections at once`);
  if (scope.statement_timeout !== undefined) lines.push(`statements start with a limit of ${scope.statement_timeout}`);
  if (scope.idle_in_transaction_timeout !== undefined)
    lines.push(`idle transactions start with a limit of ${scope.idle_in_transaction_timeout}`);
  if (scope.read_only === true)
    lines.push(
      "starts read-only, as a help against mistakes: the person can switch that off; the rights above are the limit",
    );
  lines.push(
    `leaves open what the server allows to everybody (PUBLIC): by default to connect to its other databases, to make temporary tables and large objects, and to run functions`,
  );
  return lines;
}

function describeGrant(grant: PostgresGrant): string {
  const verbs = grant.privileges.join(", ");
  if (grant.sequences !== undefined)
    return isEverything(grant.sequences)
      ? `${verbs} on every sequence of schema ${grant.schema}`
      : `${verbs} on the ${plural("sequence", grant.sequences)} ${inSchema(grant.schema, grant.sequences)}`;
  const tables = grant.tables ?? [];
  if (isEverything(tables))
    return `${verbs} on every table of schema ${grant.schema} that exists when access is given (no views)`;
  const where = `the ${plural("table", tables)} ${inSchema(grant.schema, tables)}`;
  return grant.columns === undefined
    ? `${verbs} on ${where}`
    : `${verbs} only on the ${plural("column", grant.columns)} ${grant.columns.join(", ")} of ${where}`;
}

const plural = (word: string, names: readonly string[]): string => (names.length === 1 ? word : `${word}s`);
const inSchema = (schema: string, names: readonly string[]): string =>
  names.map((name) => `${schema}.${name}`).join(", ");
