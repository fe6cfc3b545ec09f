/** What psql is told, and by which way: everything by the environment, because the argument list is public on the machine. */

/** A password credential, as the server delivers it. */
export type PasswordCredential = {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly username: string;
  readonly password: string;
  readonly uri: string;
};

/** Options that a connection URI may carry in its query, by the variable that libpq reads for each. */
const FROM_URI: Readonly<Record<string, string>> = {
  sslmode: "PGSSLMODE",
  sslnegotiation: "PGSSLNEGOTIATION",
  sslrootcert: "PGSSLROOTCERT",
  channel_binding: "PGCHANNELBINDING",
  target_session_attrs: "PGTARGETSESSIONATTRS",
  connect_timeout: "PGCONNECT_TIMEOUT",
};

/** These would send psql elsewhere, or as somebody else, whatever we say. */
const OVERRIDING = ["PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGPASSFILE", "PGREQUIREPEER"];

/** The variables that make psql connect with this credential. */
export function connectionVariables(credential: PasswordCredential): Record<string, string> {
  return {
    PGHOST: credential.host,
    PGPORT: String(credential.port),
    PGDATABASE: credential.database,
    PGUSER: credential.username,
    PGPASSWORD: credential.password,
    PGAPPNAME: "tidegate",
    ...optionsOf(credential.uri),
  };
}

/** The whole environment for psql: the person's own, with the connection in it and nothing that overrides it. */
export function psqlEnvironment(own: NodeJS.ProcessEnv, credential: PasswordCredential): NodeJS.ProcessEnv {
  const kept = Object.entries(own).filter(([name]) => !OVERRIDING.includes(name));
  return { ...Object.fromEntries(kept), ...connectionVariables(credential) };
}

function optionsOf(uri: string): Record<string, string> {
  const query = URL.canParse(uri) ? new URL(uri).searchParams : new URLSearchParams();
  const found = Object.entries(FROM_URI).flatMap(([option, variable]) => {
    const value = query.get(option);
    return value === null ? [] : [[variable, value] as const];
  });
  return Object.fromEntries(found);
}

/** `export PGHOST='db'` lines that a POSIX shell can evaluate, whatever the values hold. */
export const shellExports = (variables: Readonly<Record<string, string>>): string[] =>
  Object.entries(variables).map(([name, value]) => `export ${name}=${shellQuoted(value)}`);

const shellQuoted = (value: string): string => `'${value.replaceAll("'", `'\\''`)}'`;
