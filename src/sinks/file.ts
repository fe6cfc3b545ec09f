/** Entries as lines of JSON at the end of a file: written is what the disk has. */
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import type { Sent } from "../notify/channel.ts";
import { syncFolder } from "../store/embedded/server-folder.ts";
import type { OpenSink } from "./sink.ts";

export const openFileSink: OpenSink = ({ path }) => ({
  send: async ({ entries }) => append(String(path), entries.map(({ line }) => `${line}\n`).join("")),
});

const LINE_FEED = 10;

/** Opened anew each time: where the file was rotated away, another begins under its name. */
async function append(path: string, lines: string): Promise<Sent> {
  let file: FileHandle | null = null;
  try {
    file = await open(path, "a+", 0o600);
    const { size } = await file.stat();
    // Half a line is left where the machine died while writing: it ends here, and the whole entry follows.
    await file.appendFile((await isWhole(file, size)) ? lines : `\n${lines}`);
    await file.sync();
    if (size === 0) await syncFolder(dirname(path));
    return { sent: true };
  } catch (error) {
    return { sent: false, why: `it cannot be written: ${String((error as { code?: string }).code ?? error)}` };
  } finally {
    await file?.close();
  }
}

async function isWhole(file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return true;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] === LINE_FEED;
}
