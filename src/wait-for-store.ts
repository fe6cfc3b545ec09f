/** The journal, put together; and a start that waits for its store, with only the journal at work. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pauseMs } from "node:timers/promises";
import { bootNow } from "./base/boot.ts";
import type { JsonObject } from "./base/canonical.ts";
import { systemChance } from "./base/chance.ts";
import { systemTimers } from "./base/clock.ts";
import { parseDuration } from "./base/duration.ts";
import { secretFiles } from "./config/load-configuration.ts";
import { resolveReferences } from "./config/references.ts";
import { connectorsByKind } from "./connectors/index.ts";
import { createAwayServer } from "./http/store-away.ts";
import type { Connectors } from "./reconciler/host.ts";
import { JOURNAL_HORIZON_MS, type JournalEvent, startJournal } from "./reconciler/journal.ts";
import { keepJournal } from "./reconciler/keep-journal.ts";
import { type Settings, Started, StartFailed, StoreAway } from "./starting.ts";
import { findKeyRing } from "./store/keys/sealing-keys.ts";
import type { KeyRing } from "./store/sealed.ts";

/** It was told to stop while it waited for the store. */
export class StoppedWaiting extends Error {
  override readonly name = "StoppedWaiting";
}

const STORE_AGAIN_MS = 3_000;

/**
 * Starts everything. While the store is away and the journal of the data folder holds something, it shuts what ends, says so
 * to everybody who asks, and tries again until the store is there.
 */
export async function waitForStore<T>(
  settings: Settings,
  start: (settings: Settings, started: Started, reached: () => Promise<void>) => Promise<T>,
): Promise<T> {
  let alone: Started | null = null;
  for (;;) {
    const started = new Started();
    try {
      return await start(settings, started, async () => alone?.stop());
    } catch (error) {
      await started.stop();
      if (error instanceof StoreAway) alone ??= await startAlone(settings, error.message);
      if (!(error instanceof StoreAway) || alone === null) {
        await alone?.stop();
        throw error;
      }
      settings.log.error({ error: error.message }, "the store is away: only the journal is at work");
    }
    await pauseMs(STORE_AGAIN_MS, undefined, { signal: settings.stopping }).catch(() => undefined);
    if (settings.stopping?.aborted === true) {
      await alone.stop();
      throw new StoppedWaiting();
    }
  }
}

/** What a process does without a store: the journal, and a listener that says so. Null: the journal holds nothing to go on with. */
async function startAlone(settings: Settings, why: string): Promise<Started | null> {
  const { log, env, dataDir, host, port } = settings;
  if (!existsSync(join(dataDir, "journal"))) return null;
  const sealing = findKeyRing(dataDir, env);
  if (sealing === null) return null;
  const started = new Started();
  const journal = started.add(
    await startJournal({
      ...(await journalOptions(settings, sealing)),
      source: null,
      installation: null,
      report: async () => undefined,
    }),
    (it) => it.stop(),
  );
  const away = () => journal.away() ?? { lines: 0, shut: 0 };
  if (away().lines + away().shut === 0) {
    await started.stop();
    return null;
  }
  const http = started.add(createAwayServer(away, log), (it) => it.close());
  await http
    .listen({ host, port })
    .then((url) => log.error({ url, why, ...away() }, "tidegate waits for its store"))
    .catch((error: unknown) => log.error({ error: String(error) }, "cannot listen"));
  return started;
}

export async function journalOptions(settings: Settings, sealing: KeyRing) {
  const { log, env, dataDir } = settings;
  return {
    file: await keepJournal(dataDir, (error) => log.error({ error }, "journal-not-kept")),
    sealing,
    connectors: connectorsOf(settings),
    clock: systemTimers,
    chance: systemChance,
    bootNow,
    log: ({ level, what, ...rest }: JournalEvent) => log[level](rest, what),
    horizonMs: horizonOf(env),
  };
}

const HORIZON_MS_MIN = 60_000;
const HORIZON_MS_MAX = 24 * 60 * 60_000;

export function horizonOf(env: Settings["env"]): number {
  const given = env["TIDEGATE_JOURNAL_HORIZON"];
  if (given === undefined) return JOURNAL_HORIZON_MS;
  const parsed = parseDuration(given);
  if (parsed.ok && parsed.value >= HORIZON_MS_MIN && parsed.value <= HORIZON_MS_MAX) return parsed.value;
  throw new StartFailed(`TIDEGATE_JOURNAL_HORIZON=${given} is no time from 1m to 24h, such as 1h.`);
}

export function connectorsOf({ env, configFile }: Settings): Connectors {
  const resolve = (connection: JsonObject): JsonObject => {
    const result = resolveReferences(connection, { env, readFile: secretFiles(configFile) });
    if (!result.ok) throw new Error(`the connection needs what is missing: ${result.missing.join(", ")}`);
    return result.connection;
  };
  return { byKind: connectorsByKind, resolve };
}
