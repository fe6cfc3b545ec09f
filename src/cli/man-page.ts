/** The manual page tidegate(1), in the macros of man(7), from the commands themselves: man/tidegate.1. */
import type { Command, Option } from "commander";
import { tidegateVersion } from "../base/version.ts";
import { examplesOf } from "./options.ts";
import { argumentName, EXIT_CODES, isServerOption, isShown, optionWords, ownOptions, sentence } from "./reference.ts";

/** `bin/tidegate __man > man/tidegate.1`; a test holds the file to it. */
export function manPage(program: Command): void {
  program
    .command("__man", { hidden: true })
    .action(() => void process.stdout.write(`${manLines(program).join("\n")}\n`));
}

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ["TIDEGATE_URL", "The server; --url wins over it."],
  ["TIDEGATE_TOKEN", "The token to sign in with, before that of tidegate login; --token-file wins over it."],
  ["TIDEGATE_CONFIG", "The configuration, where a command runs beside the server: a file, or a folder of files."],
  ["TIDEGATE_DATA", "The data folder of the server."],
  ["DATABASE_URL", "The store: a PostgreSQL. Without it the server brings its own, in the data folder."],
  ["NO_COLOR", "Set to anything: no colours."],
];

function manLines(program: Command): string[] {
  const commands = program.commands.filter(isShown);
  const groups = [...new Set(commands.map((command) => command.helpGroup()))];
  const server = commands.flatMap(({ options }) => options).filter(isServerOption);
  const shared = server.filter((option, at) => server.findIndex(({ flags }) => flags === option.flags) === at);
  return [
    String.raw`.\" Made by: bin/tidegate __man > man/tidegate.1`,
    `.TH TIDEGATE 1 "" "Tidegate ${tidegateVersion()}" "Tidegate"`,
    ".SH NAME",
    String.raw`tidegate \- just-in-time access to production`,
    ".SH SYNOPSIS",
    ".B tidegate",
    ".I command",
    String.raw`[\fIargument\fR...] [\fIoption\fR...]`,
    ".SH DESCRIPTION",
    ...paragraph(program.description()),
    ".PP",
    ...paragraph('"tidegate" alone, signed in or with a token set, shows your situation as "tidegate status" does.'),
    ...groups.flatMap((group) => [
      `.SH ${roff(group.replace(/:$/, "").toUpperCase())}`,
      ...commands.filter((command) => command.helpGroup() === group).flatMap((command) => pages(command, "tidegate")),
    ]),
    ".SH SERVER OPTIONS",
    "Taken by every command that talks to a server.",
    ...shared.flatMap(optionLines),
    ".SH ENVIRONMENT",
    ...ENVIRONMENT.flatMap(([name, what]) => tagged(`.B ${roff(name)}`, what)),
    ".SH EXIT STATUS",
    ...EXIT_CODES.flatMap(([code, means]) => tagged(`.B ${code}`, sentence(means))),
    ".PP",
    ...paragraph(
      '"psql" ends with psql\'s own. With --json stdout holds the answer, or the problem (RFC 9457), as JSON.',
    ),
    ".SH SEE ALSO",
    ".BR psql (1)",
  ];
}

function pages(command: Command, above: string): string[] {
  const path = `${above} ${command.name()}`;
  const children = command.commands.filter(isShown);
  return children.length === 0 ? page(command, path) : children.flatMap((child) => pages(child, path));
}

function page(command: Command, path: string): string[] {
  const shown = command.registeredArguments.filter(({ description }) => description !== "");
  const isOfServer = command.options.some(isServerOption);
  const examples = examplesOf(command);
  return [
    `.SS ${roff([path, ...shown.map(argumentName)].join(" "))}`,
    ...paragraph(sentence(command.description())),
    ...(isOfServer ? ["Talks to a server."] : []),
    ...shown.flatMap((argument) => tagged(`.I ${roff(argumentName(argument))}`, sentence(argument.description))),
    ...ownOptions(command).flatMap(optionLines),
    ...(examples.length === 0 ? [] : [".PP", ".EX", ...examples.map((line) => roff(`$ ${line}`)), ".EE"]),
  ];
}

const optionLines = (option: Option): string[] =>
  tagged(`.B ${roff(option.flags)}`, sentence(optionWords(option).replaceAll("`", "")));

const tagged = (tag: string, what: string): string[] => [".TP", tag, ...paragraph(what)];

/** Text for troff: what it would read as a command of its own, as a hyphen that breaks, or not at all, is written out. */
const roff = (text: string): string =>
  text
    .replaceAll("\\", String.raw`\e`)
    .replaceAll("-", String.raw`\-`)
    .replaceAll('"', String.raw`\(dq`)
    .replaceAll("'", String.raw`\(aq`)
    .replaceAll("`", String.raw`\(ga`)
    .replaceAll("~", String.raw`\(ti`)
    .replaceAll(
      /[^\n\x20-\x7e]/gu,
      (sign) => `\\[u${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`,
    );

const LINE_CHARS_MAX = 80;

/** A paragraph in lines that an editor shows whole; troff fills them anew. None may begin with a dot: that would be a command. */
const paragraph = (text: string): string[] =>
  (roff(text).match(LINES) ?? []).map((line) => line.trimEnd().replace(/^\./, String.raw`\&.`));
const LINES = new RegExp(`.{1,${LINE_CHARS_MAX}}(?: |$)|\\S+`, "g");
