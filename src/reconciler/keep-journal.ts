/** The file of the journal in a data folder: one process keeps it; another on the same folder goes without, and says so. */
import { join } from "node:path";
import { lockFolder } from "../store/embedded/folder-lock.ts";
import { type JournalFile, openJournalFile } from "./journal-file.ts";

/** Null when it cannot be kept; `trouble` is told why. */
export async function keepJournal(dataDir: string, trouble: (why: string) => void): Promise<JournalFile | null> {
  const folder = join(dataDir, "journal");
  try {
    const lock = await lockFolder(folder);
    try {
      const file = await openJournalFile(join(folder, "journal"));
      return {
        ...file,
        async close() {
          await file.close();
          lock.release();
        },
      };
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    trouble(error instanceof Error ? error.message : String(error));
    return null;
  }
}
