/** A whole Tidegate without its edges: a real store, the operations, and as many reconcilers as a test wants. */
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import type { GrantId, RequestId } from "../../src/base/ids.ts";
import { isRefusal, type Refusal } from "../../src/base/problem.ts";
import type { Connector } from "../../src/connector/connector.ts";
import { type MemoryDirectory, memory, memoryDirectory } from "../../src/connectors/memory.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import type { Facts } from "../../src/domain/facts.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { Principal } from "../../src/domain/principal.ts";
import type { AccessRequest } from "../../src/domain/request.ts";
import { activateConfiguration } from "../../src/operations/activate-config.ts";
import { CatalogCache, type Context } from "../../src/operations/context.ts";
import { recordInstallation } from "../../src/operations/record-installation.ts";
import { type GivenVerdict, reviewRequest } from "../../src/operations/review-request.ts";
import { type Asked, submitRequest } from "../../src/operations/submit-request.ts";
import { type Reconciler, type ReconcilerOptions, startReconciler } from "../../src/reconciler/driver.ts";
import { readEntries, type SequencedEntry, sequenceAll } from "../../src/store/audit.ts";
import { openStore, type Store } from "../../src/store/db.ts";
import { createDatabase } from "../../src/store/embedded/create-database.ts";
import { findGrant, listGrants } from "../../src/store/grants.ts";
import { migrate } from "../../src/store/migrate.ts";
import { findByHandle } from "../../src/store/principals.ts";
import { findRequest } from "../../src/store/requests.ts";
import { KeyRing, sealingKey } from "../../src/store/sealed.ts";
import { SqlLedger } from "../../src/store/sql-ledger.ts";
import { freshName } from "./configuration.ts";
import { assertStoreUntold, assertUntold } from "./issued-secrets.ts";
import { startTestPostgres, type TestPostgres } from "./postgres-server.ts";
import { until } from "./until.ts";

export const NO_FACTS: Facts = { oncall: { tier: 0, source: "file", ageMs: 0 } };

/** Ten minutes from the approval on, and nothing else of note. */
export const ASKED: Omit<Asked, "entitlement"> = {
  durationMs: 600_000 as DurationMs,
  reason: "looking into it",
  ticket: "",
  startMs: null,
  activation: "on-approval",
  emergency: false,
};

type Logged = Parameters<ReconcilerOptions["log"]>[0];
export type WorldReconciler = Reconciler & { readonly logged: readonly Logged[] };
type WantedReconciler = Partial<Omit<ReconcilerOptions, "connectors" | "log">> & { connectors?: readonly Connector[] };

export type World = {
  readonly store: Store;
  readonly context: Context;
  /** As the owner of the database, who is no superuser. */
  readonly url: string;
  readonly superuserUrl: string;
  /** A directory of the memory connector that is this world's alone. */
  readonly directoryName: string;
  readonly directory: MemoryDirectory;
  configure(configuration: Configuration): Promise<{ version: number; changed: boolean }>;
  principal(handle: string): Promise<Principal>;
  /** Asks as that person; ten minutes unless told. */
  ask(handle: string, entitlement: string, more?: Partial<Asked>): Promise<{ requestId: RequestId } | Refusal>;
  /** Asks for what policy grants at once, and answers the grant. */
  granted(handle: string, entitlement: string, more?: Partial<Asked>): Promise<GrantId>;
  review(handle: string, request: RequestId, more?: Partial<GivenVerdict>): Promise<{ requestId: RequestId } | Refusal>;
  request(id: RequestId): Promise<AccessRequest>;
  grant(id: GrantId): Promise<Grant>;
  /** All of them, oldest first. */
  grants(): Promise<Grant[]>;
  /** The grant, once it is as wanted. */
  grantWhen(id: GrantId, condition: (grant: Grant) => boolean, what: string): Promise<Grant>;
  /** The end of the grant is now. So a test waits for what comes before it, however long that takes. */
  endNow(id: GrantId): Promise<void>;
  entries(): Promise<SequencedEntry[]>;
  members(group: string): string[];
  /** Starts one with the memory connector; stopped with the world. */
  reconciler(wanted?: WantedReconciler): WorldReconciler;
  stop(): Promise<void>;
};

type WorldOptions = {
  /** The database is made there and the server is left running; else the world has a server of its own. */
  readonly server?: TestPostgres;
  /** The test with which the world ends, also when it fails. */
  readonly t?: Pick<TestContext, "after">;
  readonly connections?: number;
};

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const server = options.server ?? (await startTestPostgres(18));
  try {
    const world = await build(server, options.server === undefined, options.connections ?? 12);
    options.t?.after(() => world.stop());
    return world;
  } catch (error) {
    if (options.server === undefined) await server.stop();
    throw error;
  }
}

async function build(server: TestPostgres, ownsServer: boolean, connections: number): Promise<World> {
  const database = freshName("world").replace("-", "_");
  const password = randomBytes(12).toString("hex");
  const url = await createDatabase(server.superuserUrl, { database, owner: `${database}_owner`, password });
  const store = openStore(url, { connections });
  await migrate(store.pool);
  const reconcilers: Reconciler[] = [];
  const loggedByAll: Logged[][] = [];
  const configured: Configuration[] = [];
  const wake = (): void => {
    for (const reconciler of reconcilers) reconciler.wake();
  };
  const installation = await recordInstallation(store.db);
  const sealing = new KeyRing([sealingKey(Buffer.alloc(32, 7))]);
  const context: Context = {
    db: store.db,
    ledger: new SqlLedger(store.db),
    installation,
    sealing,
    catalog: new CatalogCache(),
    wake,
  };
  const directoryName = freshName("directory");
  const superuserUrl = new URL(server.superuserUrl);
  superuserUrl.pathname = `/${database}`;
  let stopping: Promise<void> | null = null;

  const grant = async (id: GrantId): Promise<Grant> => {
    const found = await findGrant(store.db, id);
    if (found === null) throw new Error(`there is no grant ${id}`);
    return found.grant;
  };
  const principal = async (handle: string): Promise<Principal> => {
    const found = await findByHandle(store.db, handle);
    if (found === null) throw new Error(`nobody active is called ${handle}`);
    return found;
  };
  const ask: World["ask"] = async (handle, entitlement, more = {}) => {
    return submitRequest(context, (await principal(handle)).id, { ...ASKED, entitlement, ...more }, NO_FACTS);
  };
  const request = async (id: RequestId): Promise<AccessRequest> => {
    const found = await findRequest(store.db, id);
    if (found === null) throw new Error(`there is no request ${id}`);
    return found;
  };

  return {
    store,
    context,
    url,
    superuserUrl: superuserUrl.href,
    directoryName,
    directory: memoryDirectory(directoryName),
    configure(configuration) {
      configured.push(configuration);
      return activateConfiguration(context, configuration, "test");
    },
    principal,
    ask,
    async granted(handle, entitlement, more) {
      const answer = await ask(handle, entitlement, more);
      if (isRefusal(answer)) throw new Error(`${answer.refused}: ${answer.detail}`);
      const { grantId } = await request(answer.requestId);
      if (grantId === null) throw new Error("the request waits for approval");
      return grantId;
    },
    async review(handle, id, more = {}) {
      const asSeen = { durationMs: null, entitlement: null, seen: null };
      const verdict: GivenVerdict = { verdict: "approve", comment: "", ...asSeen, ...more };
      return reviewRequest(context, (await principal(handle)).id, id, verdict);
    },
    request,
    grant,
    grants: async () => (await listGrants(store.db, { limit: 10_000 })).map((row) => row.grant).reverse(),
    grantWhen: (id, condition, what) =>
      until(
        async () => {
          const now = await grant(id);
          return condition(now) ? now : null;
        },
        { what: `grant ${id}: ${what}` },
      ),
    async endNow(id) {
      await store.pool.query(
        "update grants set expires_at = greatest(starts_at + interval '1 ms', clock_timestamp()), due_at = clock_timestamp() where id = $1",
        [id],
      );
      wake();
    },
    async entries() {
      await sequenceAll(store.db);
      return readEntries(store.db, { afterSeq: 0, limit: 100_000 });
    },
    members: (group) => [...(memoryDirectory(directoryName).members.get(group) ?? [])].sort(),
    reconciler(wanted = {}) {
      const { connectors = [], ...rest } = wanted;
      const logged: Logged[] = [];
      loggedByAll.push(logged);
      const kinds = [memory as Connector, ...connectors].map((it): [string, Connector] => [it.kind, it]);
      const started = startReconciler({
        context,
        owner: freshName("reconciler"),
        pollMs: 200,
        claimLifetimeMs: 500,
        ...rest,
        connectors: { byKind: new Map(kinds), resolve: (connection) => connection },
        log: (event) => void logged.push(event),
      });
      reconcilers.push(started);
      return { ...started, logged };
    },
    stop() {
      stopping ??= (async () => {
        await Promise.all(reconcilers.map((reconciler) => reconciler.stop(0)));
        try {
          await assertStoreUntold(store.db, configured);
          assertUntold(JSON.stringify(loggedByAll), "the log of a reconciler");
        } finally {
          await store.close();
          if (ownsServer) await server.stop();
        }
      })();
      return stopping;
    },
  };
}
