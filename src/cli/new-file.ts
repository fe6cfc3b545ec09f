import { type FileHandle, open } from "node:fs/promises";
import { usage } from "./failure.ts";

/** A file that was not there, readable by its owner alone: what people asked for, did and why is nobody else's business. */
export async function createFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx", 0o600);
  } catch (error) {
    throw usage(`${path} cannot be made: ${error instanceof Error ? error.message : String(error)}.`);
  }
}
