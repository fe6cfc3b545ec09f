/** The reference of the command line, as Markdown, from the commands themselves: docs/cli.md. */
import type { Argument, Command, Option } from "commander";
import { examplesOf } from "./options.ts";

/** `bin/tidegate __reference > docs/cli.md`; a test holds the file to it. */
export function reference(program: Command): void {
  program
    .command("__reference", { hidden: true })
    .action(() => void process.stdout.write(`${referenceLines(program).join("\n")}\n`));
}

const isShown = (command: Command): boolean => !command.name().startsWith("__");

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
    "| 0 | done |",
    "| 1 | failed |",
    "| 2 | usage: nothing was tried |",
    "| 3 | denied |",
    "| 4 | pending: somebody must approve, or access is still being made |",
    "",
    "Commands that talk to a server take `--json`, `--url` and `--token-file`, and read `TIDEGATE_URL` and `TIDEGATE_TOKEN`.",
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
  const server = command.options.filter(({ helpGroupHeading }) => helpGroupHeading === "Server options:");
  const options = command.options.filter((option) => !server.includes(option) && !option.hidden);
  const rows = [...shown.map(argumentRow), ...options.map(optionRow)];
  const examples = examplesOf(command);
  return [
    "",
    `${heading} ${path}`,
    "",
    sentence(command.description()),
    ...(server.length === 0 ? [] : ["Talks to a server."]),
    ...(rows.length === 0 ? [] : ["", "| | |", "|---|---|", ...rows]),
    ...(examples.length === 0 ? [] : ["", "```sh", ...examples, "```"]),
  ];
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

const argumentRow = (argument: Argument): string => {
  const name = argument.variadic ? `${argument.name()}...` : argument.name();
  return row(argument.required ? `<${name}>` : `[${name}]`, argument.description);
};

/** A default that comes from the environment differs from machine to machine and is left to the description. */
function optionRow(option: Option): string {
  const { defaultValue, description } = option;
  const isOwn = !/TIDEGATE_/.test(description) && !option.negate && ["string", "number"].includes(typeof defaultValue);
  const variable = option.envVar === undefined ? "" : ` (${option.envVar})`;
  const least = isOwn ? `; without it \`${String(defaultValue)}\`` : "";
  return row(option.flags, `${description}${variable}${least}`);
}

const row = (name: string, what: string): string => `| \`${name}\` | ${what.replaceAll("|", "\\|")} |`;
