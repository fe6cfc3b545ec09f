/** Several real servers on one PostgreSQL, with one target, and a client that goes to another one where one does not answer. */
import { randomBytes } from "node:crypto";
import type { Client } from "../../../src/contract/client.ts";
import { ProblemError } from "../../../src/contract/client-errors.ts";
import { createDatabase } from "../../../src/store/embedded/create-database.ts";
import { startTestPostgres, type TestPostgres } from "../../support/postgres-server.ts";
import { Served } from "../../support/served.ts";
import { until } from "../../support/until.ts";

/** What is written on the target when a login is made and when it is dropped; read there by its superuser. */
const LOGGED = {
  log_statement: "ddl",
  logging_collector: "on",
  log_filename: "target.log",
  log_line_prefix: "",
};

export class Fleet {
  readonly store: TestPostgres;
  readonly replicas: readonly Served[];

  private constructor(store: TestPostgres, replicas: readonly Served[]) {
    this.store = store;
    this.replicas = replicas;
  }

  /** All that replicas share: the store, the configuration, and the keys. */
  static async prepare(count = 3): Promise<Fleet> {
    const store = await startTestPostgres(18);
    const url = await createDatabase(store.superuserUrl, {
      database: "tidegate",
      owner: "tidegate",
      password: randomBytes(12).toString("hex"),
    });
    const first = await Served.prepare(LOGGED);
    const key = (): string => randomBytes(32).toString("base64");
    first.env = { DATABASE_URL: url, TIDEGATE_SEALING_KEY: key(), TIDEGATE_SIGNING_KEY: key() };
    const more = Array.from({ length: count - 1 }, (_, i) => first.beside(`data-${i + 2}`));
    return new Fleet(store, [first, ...more]);
  }

  get first(): Served {
    return this.replicas[0] as Served;
  }

  async boot(): Promise<void> {
    for (const replica of this.replicas) await replica.boot();
  }

  /** By the process that it is now. */
  byPid(pid: number): Served {
    const found = this.replicas.find((replica) => replica.pid === pid);
    if (found === undefined) throw new Error(`no replica is process ${pid}`);
    return found;
  }

  /** One that is sent to whichever replica answers, beginning with another one each time, as behind a proxy. */
  client(person: string): Client {
    let turn = 0;
    const anywhere: typeof fetch = async (input, init) => {
      const asked = new URL(input instanceof Request ? input.url : input);
      turn += 1;
      let last: unknown;
      // Twice around: one that stops while another is not up again yet answers in the second round.
      for (let attempt = 0; attempt < 2 * this.replicas.length; attempt += 1) {
        const { url } = this.replicas[(turn + attempt) % this.replicas.length] as Served;
        try {
          const answer = await fetch(new URL(asked.pathname + asked.search, url), init);
          if (answer.status !== 503) return answer;
          last = new Error(`${url} answered 503: ${await answer.text()}`);
        } catch (error) {
          if (init?.signal?.aborted === true) throw error;
          last = error;
        }
      }
      throw last;
    };
    return this.first.client(person, { fetch: anywhere });
  }

  /** How often each login of ours was made and dropped, by the target's own log. */
  async madeAndDropped(): Promise<{ made: Map<string, number>; dropped: Map<string, number> }> {
    const [row] = await this.first.onTarget<{ text: string }>("select pg_read_file('log/target.log') as text");
    const count = (pattern: RegExp): Map<string, number> => {
      const counts = new Map<string, number>();
      for (const [, role = ""] of (row?.text ?? "").matchAll(pattern)) counts.set(role, (counts.get(role) ?? 0) + 1);
      return counts;
    };
    return { made: count(/comment on role "?(tg_\w+)"? is/gi), dropped: count(/drop role "?(tg_\w+)"?/gi) };
  }

  /** How many of each action a replica has tried, by its own figures. */
  async actionsOf(replica: Served): Promise<Record<string, number>> {
    const found = (await replica.figures()).matchAll(/^tidegate_reconciler_actions_total\{([^}]*)\} (\d+)/gm);
    const actions: Record<string, number> = {};
    for (const [, labels = "", count = "0"] of found) {
      const action = /action="([^"]+)"/.exec(labels)?.[1] ?? "";
      actions[action] = (actions[action] ?? 0) + Number(count);
    }
    return actions;
  }

  async stop(): Promise<void> {
    await this.first.stop();
    await this.store.stop();
  }
}

/** A server that says that its store does not answer, and to try again soon, is asked again soon. */
export const soon = <T>(what: string, condition: () => Promise<T>): Promise<NonNullable<T>> =>
  until(
    () =>
      condition().catch((error: unknown) => {
        if (error instanceof ProblemError && error.code === "unavailable") return null;
        throw error;
      }),
    { what, timeoutMs: 60_000 },
  );
