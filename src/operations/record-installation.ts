import type { InstallationId } from "../base/ids.ts";
import { appendEntries } from "../store/audit.ts";
import { type Db, databaseNowMs } from "../store/db.ts";
import { ensureInstallation } from "../store/installation.ts";

/** The id of this installation; made at the first start, as the first entry of the log. */
export const recordInstallation = (db: Db): Promise<InstallationId> =>
  db.transaction().execute(async (tx) => {
    const nowMs = await databaseNowMs(tx);
    const { id, isNew } = await ensureInstallation(tx, nowMs);
    if (isNew)
      await appendEntries(
        tx,
        id,
        [{ kind: "installation.created", actor: { system: "installation" }, refs: {}, data: {} }],
        nowMs,
      );
    return id;
  });
