import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { readIfThere, type ServerFolder, writePrivateFile } from "./server-folder.ts";

const PROBE_TIMEOUT_MS = 3_000;

/** The password of `postgres`. Made once and kept; it is on disk before the cluster is, so that none is ever without. */
export async function superuserPassword(folder: ServerFolder, clusterExists: boolean): Promise<string> {
  const kept = (await readIfThere(folder.password))?.trim() ?? "";
  if (kept !== "") return kept;
  if (clusterExists) {
    throw new EmbeddedPostgresError(
      `The file ${folder.password} with the password of the server's superuser is missing. Restore it from a backup: without it the data in ${folder.cluster} cannot be opened.`,
    );
  }
  const password = randomBytes(32).toString("base64url");
  await writePrivateFile(folder.password, `${password}\n`);
  return password;
}

export function superuserUrl(password: string, port: number): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
}

/**
 * `starting`: it is there, but starts, recovers or shuts down. `silent`: nothing was heard, as from a machine under load.
 * `no`: this is another server, or one with another password.
 */
export type Answer = "yes" | "starting" | "silent" | "no";

const CANNOT_CONNECT_NOW = "57P03";
const AUTHORIZATION_CLASS = "28";

/** Whether the server of this cluster answers there: another program may have the port. */
export async function answers(url: string, cluster: string): Promise<Answer> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: PROBE_TIMEOUT_MS,
    query_timeout: PROBE_TIMEOUT_MS,
  });
  // Without a listener, a connection cut while nothing is asked would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ folder: string }>("select current_setting('data_directory') as folder");
    return rows[0]?.folder === cluster ? "yes" : "no";
  } catch (error) {
    const { code = "" } = error as { code?: string };
    if (code === CANNOT_CONNECT_NOW) return "starting";
    return code.startsWith(AUTHORIZATION_CLASS) ? "no" : "silent";
  } finally {
    await client.end().catch(() => undefined);
  }
}
