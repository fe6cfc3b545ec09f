import { Argument, type Command } from "commander";
import { connect, type ServerOptions } from "../connect.ts";
import { withExamples } from "../options.ts";
import { cleanText } from "../words/clean.ts";
import { type Candidate, expectedAt } from "./candidates.ts";
import { liveValues } from "./live-values.ts";
import { SCRIPTS } from "./scripts.ts";

/** Whoever pressed Tab waits for it. */
const ANSWER_WITHIN_MS = 900;

export function completion(program: Command): void {
  const shells = Object.keys(SCRIPTS) as (keyof typeof SCRIPTS)[];
  const command = program
    .command("completion")
    .description("print what completes commands, options, entitlements and your grants in your shell")
    .addArgument(new Argument("<shell>", "your shell").choices(shells));
  withExamples(
    command,
    "source <(tidegate completion bash)",
    "source <(tidegate completion zsh)",
    "tidegate completion fish > ~/.config/fish/completions/tidegate.fish",
  ).action((shell: keyof typeof SCRIPTS) => void process.stdout.write(SCRIPTS[shell]));
  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .action(async (words: string[]) => {
      const lines = await complete(program, words);
      if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
    });
}

/** The lines of an answer. Whatever goes wrong, there is simply nothing to offer: nobody asked for an error. */
async function complete(program: Command, words: readonly string[]): Promise<string[]> {
  const current = words.at(-1) ?? "";
  const { offers, live, files } = expectedAt(program, words);
  if (files) return [":files"];
  const all = live === null ? offers : await liveOrNothing(live, words);
  return all.filter(({ value }) => value.startsWith(current)).map(lineOf);
}

async function liveOrNothing(kind: Parameters<typeof liveValues>[1], words: readonly string[]): Promise<Candidate[]> {
  try {
    const { client } = await connect({ ...serverIn(words), json: true }, process.env, {
      timeoutMs: ANSWER_WITHIN_MS,
      quiet: true,
    });
    return await liveValues(client, kind);
  } catch {
    return [];
  }
}

/** The server that the line itself names. */
function serverIn(words: readonly string[]): ServerOptions {
  const after = (flag: string): string | undefined => {
    const at = words.lastIndexOf(flag);
    return at < 0 ? words.findLast((word) => word.startsWith(`${flag}=`))?.slice(flag.length + 1) : words[at + 1];
  };
  const [url, tokenFile] = [after("--url"), after("--token-file")];
  return { ...(url === undefined ? {} : { url }), ...(tokenFile === undefined ? {} : { tokenFile }) };
}

/** What others wrote must not end the line, or the field. */
const lineOf = ({ value, about }: Candidate): string =>
  `${cleanText(value)}\t${cleanText(about).replaceAll(/\s+/g, " ")}`;
