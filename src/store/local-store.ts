/**
 * The store for a command that runs on the machine of the server: that of DATABASE_URL, else the embedded one of the data
 * folder, whether a server runs on it or not.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { openStore, type Store } from "./db.ts";
import { hasCluster } from "./embedded/create-cluster.ts";
import { createDatabase } from "./embedded/create-database.ts";
import { startEmbeddedPostgres } from "./embedded/embedded-postgres.ts";
import { EmbeddedPostgresError } from "./embedded/embedded-postgres-error.ts";
import { lockFolder } from "./embedded/folder-lock.ts";
import { pidFileOwner } from "./embedded/postmaster.ts";
import { serverFolder } from "./embedded/server-folder.ts";
import { superuserPassword, superuserUrl } from "./embedded/superuser.ts";
import { forgetAllHolders } from "./keys/key-use.ts";
import { migrate, requireThisVersion } from "./migrate.ts";

export type StorePlace = { readonly dataDir: string; readonly databaseUrl: string | null };

/** The database of the embedded store. */
export const EMBEDDED_DATABASE = "tidegate";
const CONNECTIONS = 2;

/** Runs `work` on the store and lets go of it; an embedded server that was started for it is stopped again. */
export const withLocalStore = <T>(place: StorePlace, work: (store: Store) => Promise<T>): Promise<T> =>
  atPlace(place, work, { asItIs: false });

/** The same for a store of whatever version: it is neither refused nor brought up to date. For looking only. */
export const withStoreAsItIs = <T>(place: StorePlace, work: (store: Store) => Promise<T>): Promise<T> =>
  atPlace(place, work, { asItIs: true });

type How = { readonly asItIs: boolean };

/** A server makes its store at its first start; until then nothing is wrong with a folder that has none. */
export class NoStoreYet extends Error {
  override readonly name = "NoStoreYet";

  constructor(dataDir: string) {
    super(`There is no store in ${dataDir}. Name the data folder of the server with --data, or set DATABASE_URL.`);
  }
}

async function atPlace<T>(place: StorePlace, work: (store: Store) => Promise<T>, how: How): Promise<T> {
  if (place.databaseUrl !== null) return onUrl(place.databaseUrl, work, how);
  const folder = serverFolder(join(place.dataDir, "store"));
  if (!(await hasCluster(folder))) throw new NoStoreYet(place.dataDir);
  const lock = await lockFolder(place.dataDir).catch((error: unknown) => {
    if (error instanceof EmbeddedPostgresError) return null;
    throw error;
  });
  if (lock === null) return onUrl(await urlOfRunning(folder), work, how);
  try {
    return await onEmbedded(place.dataDir, work, how);
  } finally {
    lock.release();
  }
}

/** Starts the embedded server of the folder (which the caller has locked), brings its store up to date, and stops it afterwards. */
export async function onEmbedded<T>(
  dataDir: string,
  work: (store: Store) => Promise<T>,
  { asItIs }: How = { asItIs: false },
): Promise<T> {
  const server = await startEmbeddedPostgres({ dir: join(dataDir, "store") });
  try {
    const password = randomBytes(24).toString("base64url");
    const url = await createDatabase(server.superuserUrl, {
      database: EMBEDDED_DATABASE,
      owner: EMBEDDED_DATABASE,
      password,
    });
    const store = openStore(url, { connections: CONNECTIONS });
    try {
      if (!asItIs) {
        await migrate(store.pool);
        await forgetAllHolders(store.db);
      }
      return await work(store);
    } finally {
      await store.close();
    }
  } finally {
    await server.stop();
  }
}

async function onUrl<T>(url: string, work: (store: Store) => Promise<T>, { asItIs }: How): Promise<T> {
  const store = openStore(url, { connections: CONNECTIONS });
  try {
    if (!asItIs) await requireThisVersion(store.pool);
    return await work(store);
  } finally {
    await store.close();
  }
}

/** A server runs on the folder: we go in beside it, as the superuser whose password lies there. */
async function urlOfRunning(folder: ReturnType<typeof serverFolder>): Promise<string> {
  const owner = await pidFileOwner(folder.cluster);
  if (owner.kind !== "postmaster" || owner.port === null)
    throw new Error(`The server on ${folder.dir} is starting or stopping. Try again in a moment.`);
  const url = new URL(superuserUrl(await superuserPassword(folder, true), owner.port));
  url.pathname = `/${EMBEDDED_DATABASE}`;
  return url.href;
}
