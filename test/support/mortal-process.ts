/**
 * One replica that can die or be stopped at any point: every call to the store and to a target passes its gate twice,
 * before it is done and before the answer is heard. What dies loses its connections; what is frozen goes on later as if
 * nothing had happened, like a process after SIGSTOP.
 */
import { Kysely, PostgresDialect, type PostgresPool } from "kysely";
import type { PoolClient } from "pg";
import type { Connector, Target } from "../../src/connector/connector.ts";
import { memory } from "../../src/connectors/memory.ts";
import type { ReconcilerOptions } from "../../src/reconciler/driver.ts";
import { openStore, type Tables } from "../../src/store/db.ts";
import { SqlLedger } from "../../src/store/sql-ledger.ts";
import type { World, WorldReconciler } from "./world.ts";

export class Gate {
  dead = false;
  /** How many points were passed. */
  passed = 0;
  /** Dies at this point. */
  readonly diesAt: number | null;
  readonly onDeath: (() => void)[] = [];
  readonly died: Promise<void>;
  readonly #dying = Promise.withResolvers<void>();
  #frozen: PromiseWithResolvers<void> | null = null;

  constructor(diesAt: number | null = null) {
    this.diesAt = diesAt;
    this.died = this.#dying.promise;
  }

  async pass(): Promise<void> {
    await this.#frozen?.promise;
    this.passed += 1;
    if (this.passed === this.diesAt) this.die();
    if (this.dead) throw new Error("this process is dead");
  }

  async through<T>(work: () => Promise<T>): Promise<T> {
    await this.pass();
    const result = await work();
    await this.pass();
    return result;
  }

  die(): void {
    this.dead = true;
    this.#dying.resolve();
    for (const act of this.onDeath.splice(0)) act();
    this.thaw();
  }

  freeze(): void {
    this.#frozen ??= Promise.withResolvers<void>();
  }

  thaw(): void {
    this.#frozen?.resolve();
    this.#frozen = null;
  }
}

/** Starts a replica of the world behind a gate. */
export function startMortal(
  world: World,
  gate: Gate,
  wanted: Partial<Omit<ReconcilerOptions, "connectors" | "log" | "context">> & { connector?: Connector } = {},
): WorldReconciler {
  const store = openStore(world.url, { connections: 5 });
  store.pool.on("connect", (client) => client.on("error", () => undefined));
  const held = new Set<PoolClient>();
  // A process that is gone takes its connections with it, also in the middle of a transaction.
  gate.onDeath.push(() => {
    for (const client of held) client.release(true);
    held.clear();
    void store.close();
  });
  const pool: PostgresPool = {
    options: {},
    async connect() {
      await gate.pass();
      // Whoever waits for a connection when the process dies would wait on for the pool's own time-out.
      const connecting = store.pool.connect();
      const client = await Promise.race([connecting, gate.died]);
      if (gate.dead || client === undefined) {
        connecting.then(
          (late) => late.release(true),
          () => undefined,
        );
        throw new Error("this process is dead");
      }
      held.add(client);
      const release = (broken?: boolean): void => {
        if (held.delete(client)) client.release(broken);
      };
      const query = (sql: unknown, parameters?: unknown) =>
        gate.through(() => client.query(sql as string, parameters as unknown[]));
      return { query, release } as unknown as Awaited<ReturnType<PostgresPool["connect"]>>;
    },
    end: async () => undefined,
  };
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const { connector = memory as Connector, ...rest } = wanted;
  const reconciler = world.reconciler({
    pollMs: 40,
    claimLifetimeMs: 120,
    ...rest,
    context: { ...world.context, ledger: new SqlLedger(db) },
    connectors: [gated(connector, gate)],
  });
  return {
    ...reconciler,
    async stop(graceMs) {
      gate.thaw();
      await reconciler.stop(graceMs);
      if (!gate.dead) await store.close();
      gate.dead = true;
    },
  };
}

const VERBS = ["identify", "standing", "provision", "extend", "revoke", "probe", "observe"] as const;

function gated(connector: Connector, gate: Gate): Connector {
  return {
    ...connector,
    open: async (connection, context) => {
      const target = await gate.through(() => connector.open(connection, context));
      const verbs = VERBS.map((verb) => {
        const plain = target[verb] as (...inputs: unknown[]) => Promise<unknown>;
        return [verb, (...inputs: unknown[]) => gate.through(() => plain(...inputs))];
      });
      return { ...target, ...(Object.fromEntries(verbs) as Partial<Target<unknown>>) };
    },
  };
}
