/** What the tests of sweeps share: a target on a real server, and sweepers that sweep when they are told. */
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import pg from "pg";
import { hashOf } from "../../src/base/hash.ts";
import type { GrantId } from "../../src/base/ids.ts";
import type { Connector } from "../../src/connector/connector.ts";
import { memory } from "../../src/connectors/memory.ts";
import { postgres } from "../../src/connectors/postgres/postgres.ts";
import type { DriftPolicy } from "../../src/domain/drift.ts";
import { entitlementRef } from "../../src/domain/entitlement.ts";
import type { Resource } from "../../src/domain/resource.ts";
import { type SweepEvent, type Sweeper, type SweeperOptions, startSweeper } from "../../src/reconciler/sweeper.ts";
import { listFindings, type StoredFinding, type SweepState, sweepStates } from "../../src/store/drift.ts";
import { automatically, configuration, freshName, person } from "../support/configuration.ts";
import type { TestPostgres } from "../support/postgres-server.ts";
import { createWorld, type World } from "../support/world.ts";

export const RESOURCE = "orders-db";
const HOUR_MS = 3_600_000;

/** A database with orders and customers, on a server that others may use as well. */
export type PostgresTarget = {
  readonly database: string;
  /** As superuser, in that database. */
  readonly url: string;
  run(...statements: string[]): Promise<Record<string, unknown>[]>;
  roles(prefix: string): Promise<string[]>;
};

export async function postgresTarget(server: TestPostgres): Promise<PostgresTarget> {
  const database = `orders_${randomBytes(4).toString("hex")}`;
  await run(server.superuserUrl, `create database ${database}`);
  const url = new URL(server.superuserUrl);
  url.pathname = `/${database}`;
  const here = (...statements: string[]) => run(url.href, ...statements);
  await here("create table orders (id int)", "create table customers (id int)", "insert into orders values (1)");
  const roles = async (prefix: string): Promise<string[]> =>
    (await here(`select rolname from pg_roles where starts_with(rolname, '${prefix}') order by 1`)).map((row) =>
      String(row["rolname"]),
    );
  return { database, url: url.href, run: here, roles };
}

async function run(url: string, ...statements: string[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, ssl: false });
  await client.connect();
  try {
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) ({ rows } = await client.query<Record<string, unknown>>(statement));
    return rows;
  } finally {
    await client.end();
  }
}

export function postgresResource(target: PostgresTarget, drift: DriftPolicy, name = RESOURCE): Resource {
  const scope = postgres.scope.parse({
    database: target.database,
    grants: [{ schema: "public", tables: ["orders"], privileges: ["SELECT"] }],
  }) as unknown as Resource["connection"];
  return {
    name,
    connector: "postgres",
    title: name,
    labels: {},
    owners: [],
    connection: { url: target.url },
    drift,
    entitlements: {
      read: {
        ref: entitlementRef(name, "read"),
        resource: name,
        name: "read",
        title: "read",
        risk: "low",
        maxDurationMs: 8 * HOUR_MS,
        scope,
        scopeHash: hashOf({ connector: "postgres", scope }),
        narrower: [],
        describe: [],
      },
    },
  };
}

export type Swept = {
  readonly world: World;
  readonly sweeper: Sweeper;
  readonly events: readonly SweepEvent[];
  /** Sweeps now, and answers the open findings. */
  sweep(resource?: string): Promise<StoredFinding[]>;
  findings(): Promise<StoredFinding[]>;
  state(resource?: string): Promise<SweepState | undefined>;
  driftEntries(): Promise<string[]>;
  active(handle?: string, ref?: string): Promise<GrantId>;
};

const LONG_MS = 60_000;
const NEVER_MS = 24 * HOUR_MS;

/** A Tidegate with a reconciler and a sweeper, on a store of its own. */
export async function sweptWorld(
  t: TestContext,
  server: TestPostgres,
  resources: readonly Resource[] | ((world: World) => readonly Resource[]),
  more: Partial<Pick<SweeperOptions, "everyMs">> & { connectors?: readonly Connector[] } = {},
): Promise<Swept> {
  const world = await createWorld({ server, t });
  const wanted = typeof resources === "function" ? resources(world) : resources;
  await world.configure(
    configuration({
      principals: [person("alice"), person("bob")],
      policies: [automatically("all")],
      resources: wanted,
    }),
  );
  const { connectors = [], ...options } = more;
  const all = [postgres as unknown as Connector, ...connectors];
  world.reconciler({ connectors: all });
  const events: SweepEvent[] = [];
  const sweeper = sweeperOf(world, {
    everyMs: NEVER_MS,
    ...options,
    connectors: all,
    log: (event) => void events.push(event),
  });
  t.after(() => sweeper.stop());
  // The first sweep comes by itself, at any moment: from here on only those that are asked for.
  await sweeper.sweepNow(
    wanted.map((one) => one.name),
    LONG_MS,
  );
  const name = wanted[0]?.name ?? RESOURCE;
  const findings = () => listFindings(world.store.db, null, { resolvedSinceMs: null, limit: 1_000 });
  return {
    world,
    sweeper,
    events,
    findings,
    async sweep(resource = name) {
      await sweeper.sweepNow([resource], LONG_MS);
      return findings();
    },
    state: async (resource = name) => (await sweepStates(world.store.db, [resource]))[0],
    driftEntries: async () =>
      (await world.entries())
        .filter(({ leaf }) => leaf.kind.startsWith("drift."))
        .map(({ leaf }) => `${leaf.kind} ${String(leaf.data["drift"])}`),
    async active(handle = "alice", ref = `${name}:read`) {
      const id = await world.granted(handle, ref);
      await world.grantWhen(id, ({ state }) => state === "active", "active");
      return id;
    },
  };
}

export const sweeperOf = (
  world: World,
  { connectors, ...options }: Partial<Omit<SweeperOptions, "connectors">> & { connectors: readonly Connector[] },
): Sweeper =>
  startSweeper({
    context: world.context,
    owner: freshName("sweeper"),
    pollMs: 50,
    log: () => undefined,
    ...options,
    connectors: {
      byKind: new Map([memory as Connector, ...connectors].map((it): [string, Connector] => [it.kind, it])),
      resolve: (connection) => connection,
    },
  });

/** `kind: what`, for each. */
export const told = (findings: readonly StoredFinding[]): string[] =>
  findings.map(({ kind, what }) => `${kind}: ${what}`).sort();
