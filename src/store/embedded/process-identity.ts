import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** A process, told apart from a later one that was given the same number. */
export type ProcessIdentity = {
  readonly pid: number;
  /** When it started, in the words of the platform; `UNKNOWN_START` where it lives but does not show that. */
  readonly start: string;
};

const UNKNOWN_START = "unknown";

/** The process that has this number now, or null when none lives. A zombie has ended: it only waits to be reaped. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  if (!isSignalable(pid)) return null;
  const start = process.platform === "linux" ? startOnLinux(pid) : startByPs(pid);
  return start === null ? null : { pid, start };
}

/** Whether this very process still lives. In doubt it does: then nobody takes its folder and nobody signals a stranger. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  if (now === null) return false;
  return now.start === identity.start || now.start === UNKNOWN_START || identity.start === UNKNOWN_START;
}

function isSignalable(pid: number): boolean {
  // Zero and negative numbers mean process groups to kill().
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function startOnLinux(pid: number): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    // Gone a moment ago, or /proc is mounted with hidepid.
    return isSignalable(pid) ? UNKNOWN_START : null;
  }
  // The second field is the name in parentheses and may itself hold spaces and parentheses; the third is the state,
  // the twenty-second the start in clock ticks since boot. Ticks repeat after a reboot, hence the boot's id.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return null;
  return `${bootId()}:${fields[19] ?? ""}`;
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

function startByPs(pid: number): string | null {
  try {
    const line = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      env: { PATH: "/bin:/usr/bin", LC_ALL: "C", TZ: "UTC" },
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
    const [state = "", ...start] = line.split(/\s+/);
    return state.startsWith("Z") ? null : start.join(" ") || UNKNOWN_START;
  } catch {
    return isSignalable(pid) ? UNKNOWN_START : null;
  }
}
