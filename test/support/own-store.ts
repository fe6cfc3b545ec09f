/** A PostgreSQL of the test's own as the store of a served Tidegate, which goes away and comes back at its port. */
import { join } from "node:path";
import pg from "pg";
import { createDatabase } from "../../src/store/embedded/create-database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/store/embedded/embedded-postgres.ts";
import type { Served } from "./served.ts";
import { until } from "./until.ts";

export class OwnStore {
  readonly #served: Served;
  #server: EmbeddedPostgres | null = null;
  #port: number | null = null;

  constructor(served: Served) {
    this.#served = served;
  }

  /** Starts it, the first time as an empty one, and leads the server to it. */
  async start(): Promise<void> {
    const server = await startEmbeddedPostgres({
      dir: join(this.#served.dir, "own-store"),
      runtime: join(this.#served.dir, "runtime"),
      settings: { fsync: "off" },
      ...(this.#port === null ? {} : { port: this.#port }),
    });
    this.#server = server;
    if (this.#port !== null) return;
    this.#port = server.port;
    const wanted = { database: "tidegate", owner: "tidegate", password: "a-password" };
    this.#served.env = { ...this.#served.env, DATABASE_URL: await createDatabase(server.superuserUrl, wanted) };
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = null;
  }
}

/** The person's session under a grant. */
export async function sessionOf(served: Served, grant: string): Promise<pg.Client> {
  const { host, port, database, username: user, password } = await served.credential(grant);
  const client = new pg.Client({ host, port, database, user, password });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

export const isCut = (session: pg.Client): Promise<boolean> =>
  until(
    () =>
      session.query("select 1").then(
        () => false,
        () => true,
      ),
    { what: "the session to be cut", timeoutMs: 60_000 },
  );

/** Waits until the server's journal holds so many grants: what it has not heard of it cannot shut. */
export const journalHolds = (served: Served, grants: number): Promise<boolean> =>
  until(
    async () => {
      const { checks } = await served.client("carol").health();
      return checks.some(({ name, says }) => name === "journal" && new RegExp(`\\b${grants} grant`).test(says));
    },
    { what: `the journal to hold ${grants}`, timeoutMs: 60_000 },
  );
