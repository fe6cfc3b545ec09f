/** `tidegate audit verify`: an export, a receipt, or the log of a server as it is now, by the same file that an auditor runs alone. */
import { createReadStream, readFileSync } from "node:fs";
import type { Command } from "commander";
import { connect, type ServerOptions } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { usage } from "./failure.ts";
import { withExamples, withServer } from "./options.ts";
import { Output } from "./output.ts";

type Options = ServerOptions & {
  readonly checkpoint: readonly string[];
  readonly witness: readonly string[];
  readonly key: readonly string[];
};

const READ_BYTES = 1 << 16;

export function verifying(group: Command): void {
  const command = group
    .command("verify")
    .description("whether the log or a receipt is whole; exit code 1 names the first bad position")
    .argument("[file]", 'as "tidegate audit export" or "receipt" wrote it; default: the log of the server')
    .option("--checkpoint <file>", "a checkpoint that was kept elsewhere, or a receipt; may be given again", also, [])
    .option("--witness <key>", "a witness that must have signed one of these; may be given again", also, [])
    .option("--key <key>", "a public key that is trusted, as you were told it; may be given again", also, []);
  withExamples(
    withServer(command),
    "tidegate audit verify audit.jsonl --checkpoint checkpoint-monday",
    "tidegate audit verify",
  ).action(async (file: string | undefined) => {
    process.exitCode = await verify(file, command.optsWithGlobals<Options>());
  });
}

const also = (value: string, before: readonly string[]): readonly string[] => [...before, value];

async function verify(file: string | undefined, options: Options): Promise<number> {
  const checkpoints = options.checkpoint.map((name) => ({ name, note: kept(name) }));
  const { output, pieces } = await source(file, options);
  const { Verifier, told } = await import("../../verifier/verify.mjs");
  const verifier = new Verifier({ keys: options.key, checkpoints, witnesses: options.witness });
  for await (const piece of pieces) if (!verifier.push(piece)) break;
  const verdict = verifier.end();
  const words = told(verdict, file ?? "The log").split("\n");
  if (output.json) output.jsonLine(verdict);
  else if (verdict.ok) output.lines(words);
  else output.note(...words);
  return verdict.ok ? EXIT.done : EXIT.failed;
}

async function source(
  file: string | undefined,
  options: Options,
): Promise<{ output: Output; pieces: AsyncIterable<Uint8Array> }> {
  if (file !== undefined) {
    const stream = createReadStream(file, { highWaterMark: READ_BYTES });
    return { output: new Output(options.json === true), pieces: opened(stream, file) };
  }
  const { client, output } = await connect(options);
  return { output, pieces: client.exportAudit("yes") };
}

async function* opened(stream: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (error) {
    throw usage(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

function kept(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw usage(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
}
