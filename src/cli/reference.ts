/** The reference of the command line, as Markdown, from the commands themselves: docs/cli.md. */
import type { Argument, Command, Option } from "commander";
import { EXIT } from "./exit-code.ts";
import { examplesOf } from "./options.ts";

/** `bin/tidegate __reference > docs/cli.md`; a test holds the file to it. */
export function reference(program: Command): void {
  program
    .command("__reference", { hidden: true })
    .action(() => void process.stdout.write(`${referenceLines(program).join("\n")}\n`));
}

export const EXIT_CODES: readonly (readonly [number, string])[] = [
  [EXIT.done, "done"],
  [EXIT.failed, "failed"],
  [EXIT.usage, "usage: nothing was tried"],
  [EXIT.denied, "denied"],
  [EXIT.pending, "pending: somebody must approve, or access is still being made"],
];

export const isShown = (command: Command): boolean => !command.name().startsWith("__");

/** What all commands share that talk to a server. */
export const isServerOption = ({ helpGroupHeading }: Option): boolean => helpGroupHeading === "Server options:";

export const ownOptions = (command: Command): Option[] =>
  command.options.filter((option) => !isServerOption(option) && !option.hidden);

function referenceLines(program: Command): string[] {
  return [
    "# The command line",
    "",
    "<!-- Made by: bin/tidegate __reference > docs/cli.md -->",
    "",
    `${program.description()} This page is made from the commands; \`tidegate help COMMAND\` says the same.`,
    "",
    "| exit code | means |",
    "|---|---|",
    ...EXIT_CODES.map(([code, means]) => `| ${code} | ${means} |`),
    "",
    "`tidegate login` signs you in. Commands that talk to a server take `--json`, `--url` and `--token-file`, and read `TIDEGATE_URL` and `TIDEGATE_TOKEN`.",
    "`tidegate` alone, with a token set, shows your situation as `tidegate status` does.",
    ...program.commands.filter(isShown).flatMap((command) => sections(command, "tidegate")),
  ];
}

function sections(command: Command, above: string): string[] {
  const path = `${above} ${command.name()}`;
  const children = command.commands.filter(isShown);
  const own = children.length === 0 ? onePage(command, path) : ["", `## ${path}`, "", sentence(command.description())];
  return [...own, ...children.flatMap((child) => onePage(child, `${path} ${child.name()}`, "###"))];
}

function onePage(command: Command, path: string, heading = "##"): string[] {
  const shown = command.registeredArguments.filter(({ description }) => description !== "");
  const rows = [...shown.map(argumentRow), ...ownOptions(command).map(optionRow)];
  const examples = examplesOf(command);
  return [
    "",
    `${heading} ${path}`,
    "",
    sentence(command.description()),
    ...(command.options.some(isServerOption) ? ["Talks to a server."] : []),
    ...(rows.length === 0 ? [] : ["", "| | |", "|---|---|", ...rows]),
    ...(examples.length === 0 ? [] : ["", "```sh", ...examples, "```"]),
  ];
}

/** A description as a sentence of its own. */
export const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.…]$/.test(text) ? "" : "."}`;

const argumentRow = (argument: Argument): string => row(argumentName(argument), argument.description);

export const argumentName = (argument: Argument): string => {
  const name = argument.variadic ? `${argument.name()}...` : argument.name();
  return argument.required ? `<${name}>` : `[${name}]`;
};

const optionRow = (option: Option): string => row(option.flags, optionWords(option));

/** What an option is for, with its variable and default; a default that comes from the environment differs from machine to machine and is left to the description. */
export function optionWords(option: Option): string {
  const { defaultValue, description } = option;
  const isOwn = !/TIDEGATE_/.test(description) && !option.negate && ["string", "number"].includes(typeof defaultValue);
  const variable = option.envVar === undefined ? "" : ` (${option.envVar})`;
  const least = isOwn ? `; without it \`${String(defaultValue)}\`` : "";
  return `${description}${variable}${least}`;
}

const row = (name: string, what: string): string => `| \`${name}\` | ${what.replaceAll("|", "\\|")} |`;
