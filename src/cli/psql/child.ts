import { spawn } from "node:child_process";
import { constants } from "node:os";
import { CommandFailure } from "../failure.ts";
import type { Signal } from "../interrupts.ts";

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
export function runChild(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<ChildEnd> {
  const { promise, resolve, reject } = Promise.withResolvers<ChildEnd>();
  let endedBy: Signal | null = null;
  let killer: NodeJS.Timeout | null = null;
  const child = spawn(file, args, { stdio: "inherit", env });
  const end = (signal: Signal): void => {
    endedBy ??= signal;
    child.kill("SIGTERM");
    killer ??= setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
  };
  const handlers = new Map<NodeJS.Signals, () => void>([
    ["SIGINT", () => undefined],
    ["SIGQUIT", () => undefined],
    ["SIGTERM", () => end("SIGTERM")],
    ["SIGHUP", () => end("SIGHUP")],
  ]);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  const tidy = (): void => {
    if (killer !== null) clearTimeout(killer);
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
  child.on("error", (error) => {
    tidy();
    reject(new CommandFailure("psql-failed", `psql could not be started: ${error.message}`));
  });
  child.on("exit", (code, signal) => {
    tidy();
    resolve({ exitCode: code ?? 128 + constants.signals[signal ?? "SIGKILL"], endedBy });
  });
  return promise;
}
