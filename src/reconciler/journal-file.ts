/**
 * The file of the journal: two places of a fixed size, made and filled before anything is kept in them, so that a full disk
 * does not stop it. What is new goes into the place of the older one, and is on disk before `write` answers: after a torn
 * write or a power cut the other place still holds what was there before.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { failpoint } from "../base/failpoint.ts";
import { syncFolder } from "../store/embedded/server-folder.ts";

/** Of one place. What is kept is compressed, so that this is some tens of thousands of grants. */
export const PLACE_BYTES = 4 * 1024 * 1024;
const PLACES = 2;
const MAGIC = Buffer.from("tidegate journal 1\n");
/** Magic, number (8), length (4), SHA-256 of number, length and what is kept (32). */
const HEAD_BYTES = MAGIC.length + 8 + 4 + 32;
const ZEROS = Buffer.alloc(256 * 1024);

export type JournalFile = {
  /** The last that was kept whole; null where none was. */
  read(): Promise<Buffer | null>;
  /** Durable when it answers. Throws when it does not fit, or the disk fails. */
  write(kept: Buffer): Promise<void>;
  close(): Promise<void>;
};

/** Opens it, made whole first where it is new or was cut short. */
export async function openJournalFile(path: string): Promise<JournalFile> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    await preallocate(file);
    await syncFolder(dirname(path));
  } catch (error) {
    await file.close();
    throw error;
  }
  let last = await newest(file);
  return {
    read: async () => last?.kept ?? null,
    async write(kept) {
      if (kept.length > PLACE_BYTES - HEAD_BYTES)
        throw new Error(`the journal holds at most ${PLACE_BYTES - HEAD_BYTES} bytes; this would be ${kept.length}`);
      const number = (last?.number ?? 0n) + 1n;
      const place = last === null ? 0 : (last.place + 1) % PLACES;
      await put(file, Buffer.concat([headOf(number, kept), kept]), place * PLACE_BYTES);
      await failpoint("journal.write.before-sync");
      await file.datasync();
      last = { number, place, kept };
    },
    close: () => file.close(),
  };
}

/** Every block is written, so that later writes only change what is there. */
async function preallocate(file: FileHandle): Promise<void> {
  const whole = PLACES * PLACE_BYTES;
  for (let { size } = await file.stat(); size < whole; ) {
    const bytes = Math.min(ZEROS.length, whole - size);
    await put(file, ZEROS.subarray(0, bytes), size);
    size += bytes;
  }
  await file.sync();
}

async function put(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

function headOf(number: bigint, kept: Buffer): Buffer {
  const counts = Buffer.alloc(12);
  counts.writeBigUInt64BE(number, 0);
  counts.writeUInt32BE(kept.length, 8);
  return Buffer.concat([MAGIC, counts, createHash("sha256").update(counts).update(kept).digest()]);
}

type Kept = { readonly number: bigint; readonly place: number; readonly kept: Buffer };

async function newest(file: FileHandle): Promise<Kept | null> {
  const all = await Promise.all(Array.from({ length: PLACES }, (_, place) => readPlace(file, place)));
  const whole = all.flatMap((one) => (one === null ? [] : [one]));
  return whole.reduce<Kept | null>((best, one) => (best === null || one.number > best.number ? one : best), null);
}

/** Null where nothing was ever kept, or not to its end. */
async function readPlace(file: FileHandle, place: number): Promise<Kept | null> {
  const head = Buffer.alloc(HEAD_BYTES);
  await file.read(head, 0, HEAD_BYTES, place * PLACE_BYTES);
  if (!head.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const number = head.readBigUInt64BE(MAGIC.length);
  const length = head.readUInt32BE(MAGIC.length + 8);
  if (length > PLACE_BYTES - HEAD_BYTES) return null;
  const kept = Buffer.alloc(length);
  await file.read(kept, 0, length, place * PLACE_BYTES + HEAD_BYTES);
  return headOf(number, kept).equals(head) ? { number, place, kept } : null;
}
