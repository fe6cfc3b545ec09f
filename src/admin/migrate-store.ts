/** `tidegate migrate`: the schema of a store is brought up to date before a server of this version starts. */
import { openStore } from "../store/db.ts";
import { migrate } from "../store/migrate.ts";
import type { CommandResult } from "./check.ts";

const NO_STORE =
  "Set DATABASE_URL to the store that is to be migrated. The embedded store is migrated when the server starts.";

export async function migrateStore(url: string | undefined): Promise<CommandResult> {
  if (url === undefined) return { exitCode: 2, text: NO_STORE };
  const store = openStore(url, { connections: 1 });
  try {
    const ran = await migrate(store.pool);
    return { exitCode: 0, text: ran.length === 0 ? "The store is up to date." : `Migrated: ${ran.join(", ")}.` };
  } finally {
    await store.close();
  }
}
