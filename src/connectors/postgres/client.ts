/** One connection to one PostgreSQL server, on which nothing waits for ever. */
import { Socket } from "node:net";
import type pg from "pg";
import type { z } from "zod";
import type { Secret } from "../../base/secret.ts";
import type { TargetError } from "../../connector/connector.ts";
import type { Endpoint } from "./connection.ts";
import { connectError, serverError, statementError } from "./errors.ts";
import { ScramClient } from "./scram-client.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 30_000;
/** Short: while we wait for a lock on a table, everybody else queues behind us. */
const LOCK_TIMEOUT_MS = 2_000;
const CLOSE_TIMEOUT_MS = 1_000;

export type Client = {
  /** `host:port/database`; fit to be shown. */
  readonly where: string;
  readonly database: string;
  /** Runs one statement and parses every row that comes back. */
  rows<Row>(shape: z.ZodType<Row>, sql: string, values?: readonly unknown[]): Promise<Row[]>;
  run(sql: string, values?: readonly unknown[]): Promise<void>;
  /** One transaction; rolled back when `work` throws. */
  transaction<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

/** Signs in as the admin. The signal destroys the socket at once, whatever it waits for. */
export async function connect(
  endpoint: Endpoint,
  options: { database: string; applicationName: string; signal: AbortSignal },
): Promise<Client> {
  const where = `${endpoint.host}:${endpoint.port}`;
  const raw = start(endpoint, { ...options, user: endpoint.user, password: endpoint.password });
  try {
    await raw.open();
  } catch (error) {
    raw.destroy();
    throw connectError(raw.reason() ?? error, where, options.database);
  }
  return wrap(raw, `${where}/${options.database}`, options.database);
}

/** What came of a sign-in that was only tried. */
export type LoginAnswer = {
  /** `refused` only when the server said that this role may not log in: no other refusal proves anything. */
  readonly result: "refused" | "live" | "unknown";
  readonly saw: string;
  readonly code: string | null;
};

/** Tries to sign in as somebody and, should it work, leaves at once. */
export async function tryLogin(
  endpoint: Endpoint,
  login: { user: string; password: Secret; database: string; signal: AbortSignal },
): Promise<LoginAnswer> {
  const raw = start(endpoint, { ...login, applicationName: "tidegate probe" });
  try {
    await raw.open();
    await wrap(raw, "", "").close();
    return { result: "live", saw: "signed in", code: null };
  } catch (error) {
    raw.destroy();
    const server = serverError(error);
    const message = (raw.reason() ?? (error instanceof Error ? error : new Error(String(error)))).message;
    // A refusal by pg_hba.conf carries the same SQLSTATE and proves nothing: a rule may change, or not hold for another
    // address. The server's own routine tells the two apart in every language.
    const refused = server?.code === "28000" && server.routine === "InitializeSessionUserId";
    return {
      result: refused ? "refused" : "unknown",
      saw: `${refused ? "refused" : "no proof"}: ${message}`,
      code: server?.code ?? null,
    };
  }
}

type Raw = {
  readonly client: pg.Client;
  open(): Promise<void>;
  destroy(): void;
  /** Why we destroyed it ourselves, if we did. */
  reason(): Error | null;
};

function start(
  endpoint: Endpoint,
  options: { user: string; password: Secret; database: string; applicationName: string; signal: AbortSignal },
): Raw {
  const socket = new Socket();
  const client = new ScramClient({
    host: endpoint.host,
    port: endpoint.port,
    user: options.user,
    password: options.password.reveal(),
    database: options.database,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    keepAlive: true,
    // Whoever asks several things at once does not wait between them; the server answers them in order all the same.
    pipeline: true,
    // People may create things where an admin looks first (schema public before PostgreSQL 15): with this path no
    // function or operator of theirs is ever found in place of the system's.
    options: "-c search_path=pg_catalog -c standard_conforming_strings=on -c default_transaction_read_only=off",
    ssl:
      endpoint.tls.mode === "disable"
        ? false
        : { rejectUnauthorized: true, ...(endpoint.tls.ca === null ? {} : { ca: endpoint.tls.ca }) },
    stream: () => socket,
  });
  let reason: Error | null = null;
  const destroy = (): void => {
    options.signal.removeEventListener("abort", abort);
    client.connection.stream.destroy();
    socket.destroy();
  };
  const abort = (): void => {
    reason = new Error("no answer in time");
    destroy();
  };
  // A broken connection fails the statement that waits on it, or the next one; there is nobody else to tell.
  client.on("error", () => {});
  client.on("end", () => options.signal.removeEventListener("abort", abort));
  options.signal.addEventListener("abort", abort, { once: true });
  const open = async (): Promise<void> => {
    // A destroyed socket would come back to life on connect.
    if (options.signal.aborted) abort();
    else await client.connect();
    if (reason !== null) throw reason;
  };
  return { client, open, destroy, reason: () => reason };
}

function wrap(raw: Raw, where: string, database: string): Client {
  const failed = (error: unknown): TargetError => statementError(raw.reason() ?? error, where);
  const query = async (sql: string, values: readonly unknown[] = []): Promise<unknown[]> => {
    // What is asked in one go leaves in one write: the system's work for a write is most of what a small statement costs us.
    const { stream } = raw.client.connection;
    stream.cork();
    process.nextTick(() => stream.uncork());
    try {
      const result = await raw.client.query<Record<string, unknown>>(sql, [...values]);
      return result.rows;
    } catch (error) {
      throw failed(error);
    }
  };
  const run = async (sql: string, values?: readonly unknown[]): Promise<void> => {
    await query(sql, values);
  };
  return {
    where,
    database,
    run,
    rows: async (shape, sql, values) => (await query(sql, values)).map((row) => shape.parse(row)),
    transaction: async (work) => {
      const begun = run("begin");
      try {
        // It goes with the first statement: where it does not work, that one is not waited for alone.
        const [result] = await Promise.all([work(), begun]);
        await run("commit");
        return result;
      } catch (error) {
        // The first error is the one to tell; a connection that cannot even roll back is gone, and so is its work.
        await run("rollback").catch(() => raw.destroy());
        throw error;
      }
    },
    close: async () => {
      const timer = setTimeout(() => raw.destroy(), CLOSE_TIMEOUT_MS);
      await raw.client.end().catch(() => {});
      clearTimeout(timer);
      raw.destroy();
    },
  };
}
