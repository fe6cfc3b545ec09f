import { spawn } from "node:child_process";
import { exitCodeOfSignal } from "../exit-code.ts";
import { CommandFailure } from "../failure.ts";
import type { Interrupts, Signal } from "../interrupts.ts";

export type ChildEnd = {
  /** As a shell would say it: the exit code, or 128 and the signal. */
  readonly exitCode: number;
  /** What we were told to end by, and ended psql for. */
  readonly endedBy: Signal | null;
};

/** psql gets this long to end by itself once it was told to. */
const KILL_AFTER_MS = 5_000;

/**
 * Runs psql on our terminal until it ends. Ctrl-C is psql's: the terminal sends it to both of us, it cancels the query
 * there, and here it is ignored. Being told to end, or losing the terminal, ends psql first; what must be given back is
 * given back by the caller afterwards.
 */
export function runChild(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  interrupts: Interrupts,
): Promise<ChildEnd> {
  const { promise, resolve, reject } = Promise.withResolvers<ChildEnd>();
  let endedBy: Signal | null = null;
  let killer: NodeJS.Timeout | null = null;
  const child = spawn(file, args, { stdio: "inherit", env });
  const onSignal = (signal: Signal): void => {
    if (signal === "SIGINT" || signal === "SIGQUIT") return;
    endedBy ??= signal;
    child.kill("SIGTERM");
    killer ??= setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
  };
  child.on("error", (error) =>
    reject(new CommandFailure("psql-failed", `psql could not be started: ${error.message}`)),
  );
  child.on("exit", (code, signal) => {
    if (killer !== null) clearTimeout(killer);
    resolve({ exitCode: code ?? exitCodeOfSignal(signal ?? "SIGKILL"), endedBy });
  });
  return interrupts.meanwhile(onSignal, () => promise);
}
