/** How long this machine runs: time that goes on while a process is down and that nobody moves by setting the clock. */
import { readFileSync } from "node:fs";
import { uptime } from "node:os";

export type Boot = {
  /** Another one after every start of the machine. */
  readonly id: string;
  /** Milliseconds since that start, the time in which the machine slept included. */
  readonly uptimeMs: number;
};

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** Null where the machine does not name its starts (it is no Linux): then only its clock is left. */
export function bootNow(): Boot | null {
  try {
    return { id: readFileSync(BOOT_ID, "utf8").trim(), uptimeMs: Math.round(uptime() * 1_000) };
  } catch {
    return null;
  }
}
