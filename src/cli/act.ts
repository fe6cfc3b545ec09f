import type { Command } from "commander";
import { type Context, connect, type ServerOptions } from "./connect.ts";
import { EXIT } from "./exit-code.ts";

/**
 * The action of a command that talks to a server: connects as its options say, runs, and leaves with the code that `run`
 * answers (none: done). `run` gets the command's arguments, then its options.
 */
export function act<Input extends readonly unknown[]>(
  run: (context: Context, ...input: Input) => Promise<number> | Promise<void>,
): (...input: [...Input, Command]) => Promise<void> {
  return async (...input) => {
    const command = input.at(-1) as Command;
    const context = await connect(command.optsWithGlobals<ServerOptions>());
    process.exitCode = (await run(context, ...(input.slice(0, -1) as unknown as Input))) ?? EXIT.done;
  };
}
