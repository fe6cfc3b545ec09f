import { Client, escapeIdentifier, escapeLiteral } from "pg";
import { assert } from "../../base/assert.ts";
import { scramVerifier } from "../../base/scram.ts";
import { Secret } from "../../base/secret.ts";

export type NewDatabase = {
  readonly database: string;
  /** A plain role that may sign in and owns the database, nothing more. */
  readonly owner: string;
  readonly password: string;
};

const CONNECT_TIMEOUT_MS = 10_000;
/** Of the advisory lock; any number that nobody else uses on the server's own database. */
const LOCK_KEY = 7_433_001;
const OWNER_ATTRIBUTES = "login nosuperuser nocreatedb nocreaterole noreplication nobypassrls";

/**
 * Makes the database and its owner, or sees to it that the existing ones are as asked, and returns the owner's URL.
 * `superuserUrl` is that of the server. Repeating it is harmless, also at the same time.
 */
export async function createDatabase(superuserUrl: string, wanted: NewDatabase): Promise<string> {
  const url = new URL(superuserUrl);
  assert(wanted.owner !== decodeURIComponent(url.username), "the owner of a database cannot be the superuser");
  const client = new Client({ connectionString: superuserUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // Without a listener, a lost connection would end the process; the query that is running fails in any case.
  client.on("error", () => undefined);
  await client.connect();
  try {
    // CREATE DATABASE knows no IF NOT EXISTS and no transaction; the lock goes with the session.
    await client.query("select pg_advisory_lock($1)", [LOCK_KEY]);
    await makeOwner(client, wanted);
    await makeDatabase(client, wanted);
  } finally {
    await client.end();
  }
  url.username = encodeURIComponent(wanted.owner);
  url.password = encodeURIComponent(wanted.password);
  url.pathname = `/${encodeURIComponent(wanted.database)}`;
  return url.href;
}

async function makeOwner(client: Client, { owner, password }: NewDatabase): Promise<void> {
  const verb = (await has(client, "select from pg_roles where rolname = $1", owner)) ? "alter" : "create";
  // A statement that fails must not bring even the verifier into the server's log.
  await client.query("set log_min_error_statement = panic; set log_statement = 'none'");
  const verifier = escapeLiteral(scramVerifier(new Secret(password)));
  await client.query(`${verb} role ${escapeIdentifier(owner)} with ${OWNER_ATTRIBUTES} password ${verifier}`);
}

async function makeDatabase(client: Client, { database, owner }: NewDatabase): Promise<void> {
  const [name, role] = [escapeIdentifier(database), escapeIdentifier(owner)];
  const exists = await has(client, "select from pg_database where datname = $1", database);
  // template0 has no sessions, which would make CREATE DATABASE fail.
  if (!exists) await client.query(`create database ${name} owner ${role} template template0`);
  else await client.query(`alter database ${name} owner to ${role}`);
}

async function has(client: Client, query: string, name: string): Promise<boolean> {
  return ((await client.query(query, [name])).rowCount ?? 0) > 0;
}
