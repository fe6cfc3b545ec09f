/** The composition root: puts a whole Tidegate together, and takes it apart in order. The only file that sees all rooms. */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import pino, { type Logger } from "pino";
import { type KeptConfiguration, keepConfiguration } from "./admin/keep-configuration.ts";
import { systemChance } from "./base/chance.ts";
import { systemClock, systemTimers } from "./base/clock.ts";
import { armFailpoints } from "./base/failpoint.ts";
import { Recent } from "./base/recent.ts";
import { together } from "./base/together.ts";
import { loadConfiguration, secretFiles } from "./config/load-configuration.ts";
import { showMistake } from "./config/mistake.ts";
import { resolveReferences } from "./config/references.ts";
import { connectorsByKind } from "./connectors/index.ts";
import { NO_SOURCES } from "./domain/fact-sources.ts";
import { NO_OUTLETS } from "./domain/sink.ts";
import { createFactDesk, type FactDesk, trackerOf } from "./facts/gather.ts";
import { SourceError } from "./facts/source.ts";
import { type HttpLimits, limitsFrom } from "./http/limits.ts";
import { createHttpServer } from "./http/server.ts";
import { KNOWN_FOR_MS, KnownCallers } from "./identity/known-callers.ts";
import { createOidc } from "./identity/oidc.ts";
import { createScimTokens } from "./identity/scim-tokens.ts";
import { createSignals } from "./identity/signals.ts";
import { createWorkloads } from "./identity/workloads.ts";
import { type HeadLog, holdAtStart } from "./jobs/hold-against-head.ts";
import { type KeyKeeping, keyJobs, leaveKeys } from "./jobs/keep-keys.ts";
import { retentionJob } from "./jobs/retain.ts";
import { startJobs } from "./jobs/runner.ts";
import { HeadSigner } from "./jobs/sign-heads.ts";
import { type TicketWatch, ticketJob } from "./jobs/watch-tickets.ts";
import { listenForMetrics } from "./metrics/listen.ts";
import { createMetrics, type Metrics, type ReconcilerFacts } from "./metrics/metrics.ts";
import { startNotify } from "./notify/dispatch.ts";
import { type Catalog, CatalogCache, type Context } from "./operations/context.ts";
import { recordInstallation } from "./operations/record-installation.ts";
import { recordShut } from "./operations/record-shut.ts";
import { type Bounds, boundsFrom } from "./reconciler/bounds.ts";
import { startReconciler } from "./reconciler/driver.ts";
import { startJournal } from "./reconciler/journal.ts";
import { startSweeper } from "./reconciler/sweeper.ts";
import { startSending } from "./sinks/send.ts";
import { type Settings, type Started, StartFailed, StoreAway } from "./starting.ts";
import { headAgeMs } from "./store/audit-head.ts";
import { type Changes, hearChanges, onMoreThanRequests } from "./store/changes.ts";
import { databaseNowMs, openStore, type Store } from "./store/db.ts";
import { releaseAllClaims } from "./store/due.ts";
import { createDatabase } from "./store/embedded/create-database.ts";
import { EmbeddedPostgresError } from "./store/embedded/embedded-postgres-error.ts";
import { type FolderLock, lockFolder } from "./store/embedded/folder-lock.ts";
import { type KeptPostgres, keepEmbeddedPostgres } from "./store/embedded/keep-running.ts";
import { journalSource } from "./store/journal-source.ts";
import { checkSealingKeys, forgetAllHolders, joinHolders } from "./store/keys/key-use.ts";
import { loadKeyRing, sealingKeySource } from "./store/keys/sealing-keys.ts";
import { loadSigningKeys } from "./store/keys/signing-key.ts";
import { migrate } from "./store/migrate.ts";
import { quarantineNow } from "./store/quarantine.ts";
import { SqlLedger } from "./store/sql-ledger.ts";
import { connectorsOf, horizonOf, journalOptions, waitForStore } from "./wait-for-store.ts";

export type Tidegate = {
  readonly url: string;
  readonly context: Context;
  /** Of the embedded store; null with `DATABASE_URL`. */
  readonly storeSuperuserUrl: string | null;
  /** Reads the configuration now, changed or not; a bad one changes nothing. */
  reloadConfiguration(): Promise<void>;
  /** Stops taking requests, lets what is under way finish, closes the store. May be called again. */
  stop(): Promise<void>;
};

const REDACTED = ["*.password", "*.authorization", "*.token", "req.headers.authorization"];

/** JSON lines to a file or to standard error; on a terminal, lines for people. */
export function createLogger(level: string, file: string | null = null): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: REDACTED };
  if (file === null && process.stderr.isTTY)
    return pino(options, { write: (line) => process.stderr.write(forPeople(line)) });
  return pino(options, pino.destination({ dest: file ?? 2, sync: true }));
}

function forPeople(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as { level: number; time: string; msg?: string };
  const more = Object.entries(rest).map(
    ([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `${time.slice(11, 19)} ${pino.levels.labels[level] ?? level} ${msg ?? ""}${more.join("")}\n`;
}

/** Starts everything, and waits for the store where the journal has something to do meanwhile. */
export const startTidegate = (settings: Settings): Promise<Tidegate> => waitForStore(settings, start);

/** `reached` is called once the store answers. */
async function start(settings: Settings, started: Started, reached: () => Promise<void>): Promise<Tidegate> {
  const { log, env } = settings;
  const limits = limitsOf(env);
  const bounds = boundsOf(env);
  horizonOf(env);
  armOrFail(settings);
  failBeforeAnythingIsMade(settings);
  const { store, url, embedded } = await openAnyStore(settings, started);
  const migrations = await migrate(store.pool).catch((error: unknown) => {
    if (embedded !== null || !isConnectionError(error)) throw error;
    throw new StoreAway(
      `Cannot sign in to the store that DATABASE_URL names: ${error.message || String((error as { code?: string }).code)}.`,
    );
  });
  await reached();
  if (migrations.length > 0) log.info({ migrations }, "store migrated");
  const sealing = loadKeyRing(settings.dataDir, env);
  await checkSealingKeys(store.db, sealing);
  // An embedded store has one process: whoever holds a claim there is dead.
  if (embedded !== null) {
    await releaseAllClaims(store.db);
    await forgetAllHolders(store.db);
  }
  const owner = `${hostname()}:${process.pid}:${randomBytes(4).toString("hex")}`;
  await joinHolders(store.db, owner, sealing);

  const changes = started.add(hearChanges(url), (it: Changes) => it.close());
  const installation = await recordInstallation(store.db);
  const context: Context = {
    db: store.db,
    ledger: new SqlLedger(store.db),
    installation,
    sealing,
    catalog: new CatalogCache(),
    wake: (changed) => changes.announce(changed),
  };
  const alarm: HeadLog = (level, what, more) => log[level](more, what);
  await holdAtStart(context, settings.dataDir, alarm);
  const signing = loadSigningKeys(settings.dataDir, env);
  const heads = new HeadSigner(context, { signing, dataDir: settings.dataDir, alarm });
  const keeping: KeyKeeping = {
    process: owner,
    source: sealingKeySource(settings.dataDir, env),
    heads,
    log: (what, more) => log.info(more, what),
  };
  // After everything else has stopped, the last entries are under a signed head.
  started.add(keeping, (it) => leaveKeys(context, it).catch((error: unknown) => log.error(String(error))));
  const kept = await keepOrFail(context, settings, started);

  // Before anything else works on targets: what was shut while the store was away is in the ledger first.
  const journal = started.add(
    await startJournal({
      ...(await journalOptions(settings, sealing)),
      source: journalSource(url, sealing),
      installation,
      report: (shut) => recordShut(context, shut),
    }),
    (it) => it.stop(),
  );
  started.add(
    changes.subscribe(() => journal.wake()),
    (unsubscribe) => unsubscribe(),
  );
  // The two need each other: what is in flight is a figure, what is done is told.
  let health = (): ReconcilerFacts => ({ running: false, lastTickMs: null, inFlight: 0, silent: [] });
  const { db, pool } = store;
  const active = new Recent<Catalog>(systemClock, { keptMs: KNOWN_FOR_MS, most: 1 });
  const callers = new KnownCallers(systemClock);
  started.add(
    onMoreThanRequests(changes, () => {
      active.forget();
      callers.forget();
    }),
    (unsubscribe) => unsubscribe(),
  );
  const facts = factDeskOf(settings, context, active);
  const metrics = createMetrics({
    ...{ db, pool, clock: systemClock },
    resources: async () => Object.keys((await context.catalog.active(context.ledger))?.configuration.resources ?? {}),
    outlets: async () => (await context.catalog.active(context.ledger))?.configuration.audit ?? NO_OUTLETS,
    reconciler: () => health(),
    configurationTrouble: () => kept.trouble(),
    factSources: () => facts.health(),
    headAgeMs: () => headAgeMs(settings.dataDir, systemClock.nowMs()),
    journal: () => journal.state(),
  });
  // Connections of its own: however much there is to do on targets, calls of the API do not queue behind it.
  const work = started.add(openStore(url, { connections: bounds.connections }), (it) => it.close());
  const reconciler = startReconciler({
    context: { ...context, ledger: new SqlLedger(work.db) },
    ...bounds,
    connectors: connectorsOf(settings),
    owner,
    log: ({ level, what, ...rest }) => log[level](rest, what),
    watch: {
      performed: (action) => metrics.performed(action),
      closed: (grant) =>
        void metrics.closed(grant).catch((error: unknown) => log.warn({ error: String(error) }, "lag not counted")),
    },
  });
  const sweeper = startSweeper({
    context,
    connectors: connectorsOf(settings),
    owner,
    log: ({ level, what, ...rest }) => log[level](rest, what),
    watch: { performed: (action) => metrics.performed(action) },
    // A store that does not know what has happened knows of no mark that may stay.
    policy: async () => ((await quarantineNow(db)) === null ? undefined : "repair"),
  });
  started.add(sweeper, (it) => it.stop());
  health = () => reconciler.health();
  started.add(reconciler, (it) => it.stop());
  started.add(
    changes.subscribe(() => reconciler.wake()),
    (unsubscribe) => unsubscribe(),
  );
  started.add(
    startNotify({
      ...{ context, changes, timers: systemTimers, chance: systemChance },
      resolve: connectorsOf(settings).resolve,
      log: (level, what, more) => log[level](more, what),
      attempted: (channel, outcome) => metrics.attempted(channel, outcome),
    }),
    (it) => it.stop(),
  );
  started.add(
    startSending({
      ...{ context, timers: systemTimers, chance: systemChance, checkpoint: () => heads.signWhenDue() },
      resolve: connectorsOf(settings).resolve,
      log: (level, what, more) => log[level](more, what),
    }),
    (it) => it.stop(),
  );
  started.add(
    startJobs(context, (job, error) => log.error({ job, error: String(error) }, "job failed"), [
      ...keyJobs(keeping),
      ticketJob(ticketWatch(context, facts, log)),
      retentionJob(heads),
    ]),
    (stopJobs) => stopJobs(),
  );
  const http = createHttpServer({
    ...{ context, changes, callers },
    latestCheckpoint: () => heads.latest(),
    receiptSigner: () => heads.receiptSigner(),
    sweeps: sweeper,
    facts,
    oidc: createOidc(connectorsOf(settings).resolve, (more, what) => log.warn(more, what)),
    scim: createScimTokens(connectorsOf(settings).resolve, (more, what) => log.error(more, what)),
    signals: createSignals((more, what) => log.warn(more, what)),
    workloads: createWorkloads((more, what) => log.warn(more, what)),
    reconcilerHealth: () => reconciler.health(),
    configurationTrouble: () => kept.trouble(),
    storeAway: () => journal.away(),
    logger: log,
    clock: systemClock,
    limits,
    metrics,
  });
  started.add(http, (server) => server.close());
  const address = await http.listen({ host: settings.host, port: settings.port }).catch((error: unknown) => {
    throw new StartFailed(
      `Cannot listen on ${settings.host}:${settings.port}: ${error instanceof Error ? error.message : String(error)}. Choose another with --port.`,
    );
  });
  if (settings.metricsPort !== null) await listenBeside(settings.metricsPort, metrics, log, started);
  return {
    url: address,
    context,
    storeSuperuserUrl: embedded?.superuserUrl ?? null,
    reloadConfiguration: () => kept.reload(),
    stop: () => started.stop(),
  };
}

function factDeskOf({ env, configFile, log }: Settings, context: Context, recent: Recent<Catalog>): FactDesk {
  const active = together(() => context.catalog.active(context.ledger));
  return createFactDesk({
    async sources() {
      const now = await recent.of("", active, isNull);
      return now?.configuration.facts ?? NO_SOURCES;
    },
    resolve: (connection) => {
      const result = resolveReferences(connection, { env, readFile: secretFiles(configFile) });
      if (!result.ok) throw new SourceError("secrets", `needs what is missing: ${result.missing.join(", ")}`);
      return result.connection;
    },
    clock: systemClock,
    nowMs: () => databaseNowMs(context.db),
    log: (level, what, more) => log[level](more, what),
  });
}

const isNull = (it: unknown): it is null => it === null;

const ticketWatch = (context: Context, facts: FactDesk, log: Logger): TicketWatch => ({
  async watched() {
    const catalog = await context.catalog.active(context.ledger);
    const tickets = catalog?.configuration.facts?.tickets ?? [];
    if (catalog === null || tickets.every(({ endAccess }) => endAccess === null)) return null;
    return { version: catalog.id, lookEveryMs: (id) => trackerOf(tickets, id)?.endAccess?.lookEveryMs ?? null };
  },
  ticket: (id) => facts.ticket(id),
  log: (what, more) => log.info(more, what),
});

async function listenBeside(port: number, metrics: Metrics, log: Logger, started: Started): Promise<void> {
  const listener = await listenForMetrics(metrics, port).catch((error: unknown) => {
    throw new StartFailed(
      `Cannot listen on port ${port} for figures: ${error instanceof Error ? error.message : String(error)}. Choose another with --metrics-port.`,
    );
  });
  started.add(listener, (it) => it.close());
  log.info({ url: listener.url }, "figures");
}

const limitsOf = (env: Settings["env"]): HttpLimits => understood(() => limitsFrom(env));
const boundsOf = (env: Settings["env"]): Bounds => understood(() => boundsFrom(env));

function understood<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new StartFailed(error instanceof Error ? error.message : String(error));
  }
}

/** For tests only; a server that was told to break is never taken for another. */
function armOrFail({ env, log }: Settings): void {
  try {
    const failpoints = armFailpoints(env);
    if (failpoints.length > 0)
      log.error(
        { failpoints },
        "TIDEGATE_FAILPOINTS is set: this server kills, stops or fails itself on purpose. It is for tests and must never be near production",
      );
  } catch (error) {
    throw new StartFailed(error instanceof Error ? error.message : String(error));
  }
}

/** No answer, or a refusal to let us in: the operator's to mend. */
const isConnectionError = (error: unknown): error is Error =>
  error instanceof Error && "code" in error && /^(E[A-Z]+|28\w{3}|3D000|08\w{3})$/.test(String(error.code));

const nothingToGoOnWith = (configFile: string): string =>
  `${configFile} could not be made active and there is no earlier version to go on with. Mend what is listed above.`;

/** A first start with a bad file leaves no store behind. */
function failBeforeAnythingIsMade({ configFile: path, databaseUrl, dataDir, env, log }: Settings): void {
  if (databaseUrl !== null || existsSync(join(dataDir, "store"))) return;
  const loaded = loadConfiguration({ path, connectors: connectorsByKind, env });
  if (loaded.ok) return;
  for (const mistake of loaded.mistakes) log.error(showMistake(mistake, "error"));
  throw new StartFailed(nothingToGoOnWith(path));
}

/** A bad file never stops revocations: the server starts with the last good version, and says so. */
async function keepOrFail(context: Context, settings: Settings, started: Started): Promise<KeptConfiguration> {
  const { configFile: path, env, log } = settings;
  const kept = await keepConfiguration({
    context,
    path,
    load: () => loadConfiguration({ path, connectors: connectorsByKind, env }),
    log: (level, what, facts = {}) => log[level](facts, what),
    clock: systemClock,
  });
  started.add(kept, (it) => it.stop());
  if ((await context.catalog.active(context.ledger)) !== null) return kept;
  throw new StartFailed(nothingToGoOnWith(path));
}

async function openAnyStore(
  settings: Settings,
  started: Started,
): Promise<{ store: Store; url: string; embedded: KeptPostgres | null }> {
  if (settings.databaseUrl !== null) {
    const store = started.add(openStore(settings.databaseUrl), (it) => it.close());
    return { store, url: settings.databaseUrl, embedded: null };
  }
  started.add(await lockFolder(settings.dataDir), (lock: FolderLock) => lock.release());
  const { log } = settings;
  const embedded = await keepEmbeddedPostgres(
    { dir: join(settings.dataDir, "store"), log: (line) => log.debug(line) },
    (failure) => {
      if (failure === null) log.warn("the embedded store had died and was started again");
      else log.error({ error: failure.message }, "the embedded store has died and cannot be started yet");
    },
  ).catch((error: unknown) => {
    if (!(error instanceof EmbeddedPostgresError)) throw error;
    throw new StoreAway(error.message);
  });
  started.add(embedded, (it) => it.stop());
  const url = await createDatabase(embedded.superuserUrl, {
    database: "tidegate",
    owner: "tidegate",
    password: randomBytes(24).toString("base64url"),
  });
  const store = started.add(openStore(url), (it) => it.close());
  return { store, url, embedded };
}
