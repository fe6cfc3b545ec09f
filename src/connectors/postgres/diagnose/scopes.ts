/** For each configured scope: is everything there that it names, and can the admin pass it on. */
import { z } from "zod";
import { type Finding, unknown, well, wrong } from "../../../base/finding.ts";
import { type NamedScope, TargetError } from "../../../connector/connector.ts";
import { checkAdopted, refuseCreators } from "../adopted-role.ts";
import type { Client } from "../client.ts";
import { grantStatements, type Privilege, resolveScope } from "../privileges.ts";
import { identifier } from "../quote.ts";
import type { Role } from "../roles.ts";
import { type AdoptedScope, isManaged, type ManagedScope, type PostgresScope } from "../scope.ts";
import type { Session } from "../session.ts";

export async function scopeFindings(
  session: Session,
  scopes: readonly NamedScope<PostgresScope>[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { entitlement, scope } of scopes) {
    const check = `can give ${entitlement}`;
    try {
      const client = await session.inDatabase(scope.database);
      findings.push(
        ...(isManaged(scope)
          ? await managed(session, client, scope, check)
          : await adopted(session, client, scope, check)),
      );
    } catch (error) {
      if (!(error instanceof TargetError)) throw error;
      findings.push(cannotLook(session, scope, check, error));
    }
  }
  return findings;
}

function cannotLook(session: Session, scope: PostgresScope, check: string, error: TargetError): Finding {
  if (error.code === "no-such-object")
    return wrong(check, error.message, "Correct the names in the scope, or create what is missing.");
  if (error.code === "not-permitted")
    return wrong(
      check,
      error.message,
      `GRANT CONNECT ON DATABASE ${identifier(scope.database)} TO ${identifier(session.admin.name)} WITH GRANT OPTION;`,
    );
  return unknown(check, error.message);
}

const GRANTS_SHOWN_MAX = 20;

async function managed(session: Session, client: Client, scope: ManagedScope, check: string): Promise<Finding[]> {
  const wanted = await resolveScope(client, scope);
  const refused: Privilege[] = [];
  for (const privilege of wanted) if (!(await canPassOn(client, privilege))) refused.push(privilege);
  const objects = `${wanted.length} rights in ${scope.database}`;
  if (refused.length === 0) return [well(check, `all ${objects} are there and can be passed on`)];
  const statements = grantStatements(refused, session.admin.name).map(
    (statement) => `${upper(statement)} WITH GRANT OPTION;`,
  );
  const more = statements.length - GRANTS_SHOWN_MAX;
  return [
    wrong(
      check,
      `${refused.length} of ${objects} cannot be passed on by ${session.admin.name}`,
      [
        `As their owner or a superuser, in database ${scope.database}:`,
        ...statements.slice(0, GRANTS_SHOWN_MAX),
        ...(more > 0 ? [`… and ${more} more`] : []),
      ].join("\n"),
    ),
  ];
}

/** Key words in capitals, as people write statements; names stand quoted and stay as they are. */
const upper = (statement: string): string =>
  statement.replaceAll(/"(?:[^"]|"")*"|[a-z]+/g, (word) => (word.startsWith('"') ? word : word.toUpperCase()));

const mayShape = z.object({ may: z.boolean() });

/** By a grant option, as its owner or superuser; or it need not be given, because everybody has it. */
async function canPassOn(client: Client, { kind, oid, column, word }: Privilege): Promise<boolean> {
  const [call, values] =
    column === null
      ? [
          `has_${kind}_privilege($1::oid, $2 || ' WITH GRANT OPTION') or has_${kind}_privilege('public', $1::oid, $2)`,
          [oid, word],
        ]
      : [
          "has_column_privilege($1::oid, $3::int2, $2 || ' WITH GRANT OPTION') or has_column_privilege('public', $1::oid, $3::int2, $2)",
          [oid, word, column.number],
        ];
  const [row] = await client.rows(mayShape, `select ${call} as may`, values);
  return row?.may === true;
}

async function adopted(session: Session, client: Client, scope: AdoptedScope, check: string): Promise<Finding[]> {
  const fit = await checkAdopted(client, scope).catch((error: unknown) => {
    if (error instanceof TargetError && error.code === "not-permitted") return error;
    throw error;
  });
  if (fit instanceof TargetError)
    return [wrong(check, fit.message, `Ask the DBA of ${scope.role} to mend it as the message says.`)];
  return [
    await mayHandOut(session, client, fit, check),
    ...(await refuseCreators(session, client, fit).then(
      () => [],
      (error: unknown) => {
        if (error instanceof TargetError) return [wrong(check, error.message, "Run what the message names.")];
        throw error;
      },
    )),
  ];
}

async function mayHandOut(session: Session, client: Client, role: Role, check: string): Promise<Finding> {
  // Before 16 CREATEROLE is enough for every role that is not a superuser.
  const [row] = await client.rows(
    mayShape,
    `select pg_has_role($1::oid, 'MEMBER WITH ADMIN OPTION') or (rolcreaterole and $2 < 16) or rolsuper as may
       from pg_roles where rolname = current_user`,
    [role.oid, session.version],
  );
  if (row?.may === true) return well(check, `${session.admin.name} may hand out the role ${role.name}`);
  return wrong(
    check,
    `${session.admin.name} may not hand out the role ${role.name}`,
    `GRANT ${identifier(role.name)} TO ${identifier(session.admin.name)} WITH ADMIN OPTION;`,
  );
}
