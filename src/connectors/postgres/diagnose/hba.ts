/**
 * The lines of pg_hba.conf that could let somebody sign in as a login of Tidegate's without its password. The server uses
 * the first line that fits; a line that an earlier one of the same reach hides is not told.
 */
import { z } from "zod";
import { type Finding, unknown, warns, well, wrong } from "../../../base/finding.ts";
import type { NamedScope } from "../../../connector/connector.ts";
import type { Client } from "../client.ts";
import { SQLSTATE, sqlState } from "../errors.ts";
import { identifier } from "../quote.ts";
import { isManaged, type PostgresScope } from "../scope.ts";
import type { Session } from "../session.ts";

const CHECK = "pg_hba.conf asks logins of Tidegate's for their password";

const ruleShape = z.object({
  line: z.number(),
  type: z.string(),
  database: z.array(z.string()),
  user: z.array(z.string()),
  address: z.string().nullable(),
  netmask: z.string().nullable(),
  method: z.string(),
  options: z.array(z.string()).nullable(),
});
type Rule = z.infer<typeof ruleShape>;

export async function hbaFindings(session: Session, scopes: readonly NamedScope<PostgresScope>[]): Promise<Finding[]> {
  const rules = await readRules(session.main);
  if (rules === null)
    return [
      unknown(
        CHECK,
        `${session.admin.name} may not read it`,
        `To let doctor look, as a superuser, in database ${session.main.database}:\nGRANT SELECT ON pg_hba_file_rules TO ${identifier(session.admin.name)};\nGRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO ${identifier(session.admin.name)};`,
      ),
    ];
  const databases = [...new Set(scopes.map(({ scope }) => scope.database))];
  const groups = new Set(scopes.flatMap(({ scope }) => (isManaged(scope) ? [] : [scope.role])));
  const deciding: Rule[] = [];
  const applying: Rule[] = [];
  for (const rule of rules) {
    if (!mayBeFor(rule, databases) || !(await mayBeBy(session.main, rule, groups))) continue;
    if (!deciding.some((earlier) => hides(earlier, rule))) applying.push(rule);
    if (rule.database.includes("all") && rule.user.includes("all")) deciding.push(rule);
  }
  const told = applying.flatMap((rule) => judge(rule, session.version));
  return told.length > 0 ? told : [well(CHECK, `none of the ${rules.length} lines lets them in without it`)];
}

async function readRules(client: Client): Promise<Rule[] | null> {
  try {
    return await client.rows(
      ruleShape,
      `select line_number as line, type, database, user_name as "user", address, netmask, auth_method as method, options
         from pg_hba_file_rules where error is null order by line_number`,
    );
  } catch (error) {
    if (sqlState(error) === SQLSTATE.notPermitted) return null;
    throw error;
  }
}

/** Whether the line could be for one of these databases. `sameuser` never is: no database is named after a grant. */
const mayBeFor = ({ database }: Rule, databases: readonly string[]): boolean =>
  database.some(
    (word) =>
      word === "all" || word === "samerole" || word === "samegroup" || word.startsWith("/") || databases.includes(word),
  );

/** Whether whoever comes to the later line has met the earlier one, which is for everybody. */
function hides(earlier: Rule, later: Rule): boolean {
  const sameWay = earlier.type === later.type || (earlier.type === "host" && later.type.startsWith("host"));
  if (!sameWay) return false;
  if (earlier.address === later.address && earlier.netmask === later.netmask) return true;
  if (earlier.address === "all") return true;
  if (earlier.address === "0.0.0.0" && earlier.netmask === "0.0.0.0")
    return /^\d+\.\d+\.\d+\.\d+$/.test(later.address ?? "");
  return earlier.address === "::" && earlier.netmask === "::" && (later.address ?? "").includes(":");
}

const matchShape = z.object({ match: z.boolean() });
/** Stands for any login of a grant. */
const SOME_LOGIN = "tg_0123456789ab_0123456789abcdef";

async function mayBeBy(client: Client, { user }: Rule, groups: ReadonlySet<string>): Promise<boolean> {
  for (const word of user) {
    if (word === "all" || word.startsWith("tg_")) return true;
    if (word.startsWith("+") && (groups.has(word.slice(1)) || word.startsWith("+tgg_"))) return true;
    if (!word.startsWith("/")) continue;
    const [row] = await client.rows(matchShape, "select $1::text ~ $2::text as match", [SOME_LOGIN, word.slice(1)]);
    if (row?.match === true) return true;
  }
  return false;
}

const BY_PASSWORD: ReadonlySet<string> = new Set(["scram-sha-256", "md5", "reject"]);

function judge(rule: Rule, version: number): Finding[] {
  const { method } = rule;
  if (BY_PASSWORD.has(method)) return [];
  const saw = `line ${rule.line}: ${written(rule)}`;
  const above = `Above line ${rule.line}, then SELECT pg_reload_conf():\n${passwordLine(rule, version)}`;
  if (method === "trust") return [wrong(CHECK, `${saw} lets anybody in under any name`, above)];
  const mapped = (rule.options ?? []).some((option) => option.startsWith("map="));
  if (["peer", "cert", "ident"].includes(method))
    return mapped
      ? [wrong(CHECK, `${saw} lets in whom its map says, without the password`, above)]
      : [warns(CHECK, `${saw} takes the word of another system for who somebody is, and never the password`, above)];
  if (method === "password")
    return rule.type === "hostssl" || rule.type === "local" || rule.type === "hostgssenc"
      ? []
      : [warns(CHECK, `${saw} takes the password in the clear, also without TLS`, above)];
  return [warns(CHECK, `${saw} asks another system, which does not know logins of Tidegate's`, above)];
}

const written = ({ type, database, user, address, netmask, method, options }: Rule): string =>
  [type, database.join(","), user.join(","), address, netmask, method, ...(options ?? [])]
    .filter((part) => part !== null)
    .join(" ");

/** From 16 on a line can be for logins of ours alone; before that, name in the line those people whom it is meant for. */
function passwordLine(rule: Rule, version: number): string {
  if (version < 16)
    return `(before 16 no line can be for "tg_*" alone: name in line ${rule.line} those it is meant for, instead of all)`;
  return written({ ...rule, database: ["all"], user: ['"/^tg_"'], method: "scram-sha-256", options: null });
}
