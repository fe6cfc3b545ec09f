/** The `tidegate` command: what it offers, and how it ends. */
import { type Argument, Command, CommanderError, type Option } from "commander";
import { tidegateVersion } from "../base/version.ts";
import { access } from "./access.ts";
import { approve } from "./approve.ts";
import { audit } from "./audit.ts";
import { away } from "./away.ts";
import { cancel } from "./cancel.ts";
import { comment } from "./comment.ts";
import { completion } from "./completion/completion.ts";
import { config } from "./config.ts";
import { addressOf } from "./connect.ts";
import { credential } from "./credential.ts";
import { deny } from "./deny.ts";
import { drift } from "./drift.ts";
import { edit } from "./edit.ts";
import { emergencies } from "./emergencies.ts";
import { evidence } from "./evidence.ts";
import { EXIT } from "./exit-code.ts";
import { explain } from "./explain.ts";
import { extend } from "./extend.ts";
import { type FailureReport, failureLines, reportFailure, usage } from "./failure.ts";
import { grants } from "./grants.ts";
import { health } from "./health.ts";
import { inbox } from "./inbox.ts";
import { hasSession } from "./login/kept-session.ts";
import { login } from "./login.ts";
import { logout } from "./logout.ts";
import { manPage } from "./man-page.ts";
import { Output } from "./output.ts";
import { panic } from "./panic.ts";
import { passkeys } from "./passkeys.ts";
import { people } from "./people.ts";
import { psql } from "./psql.ts";
import { receipt } from "./receipt.ts";
import { reference } from "./reference.ts";
import { request } from "./request.ts";
import { requests } from "./requests.ts";
import { resources } from "./resources.ts";
import { review } from "./review.ts";
import { revoke } from "./revoke.ts";
import { sessions } from "./sessions.ts";
import { status } from "./status.ts";
import { token } from "./token.ts";
import { who } from "./who.ts";
import { whoami } from "./whoami.ts";

/** Commands that run here rather than talk to a server; whoever composes the program brings them. */
export type LocalCommands = (program: Command) => void;

const AFTER = `
Sign in with "tidegate login". Every command that talks to a server takes --json, --url and --token-file;
environment: TIDEGATE_URL, TIDEGATE_TOKEN.
With --json stdout holds one JSON value and nothing else: the answer, or the problem (RFC 9457) where there is none.

Exit codes: 0 done, 1 failed, 2 usage, 3 denied, 4 pending. "psql" ends with psql's own.`;

export function createProgram({ local }: { local: LocalCommands }): Command {
  const program = new Command("tidegate")
    .description(
      "Just-in-time access to production: asked for, approved, narrow, short, taken back on time and proven gone.",
    )
    .version(tidegateVersion(), "-V, --version")
    // Options belong to the command before them: "tidegate psql orders-db:read -- -c …" leaves the last ones to psql.
    .enablePositionalOptions()
    .configureHelp({
      subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map(usageOf)].join(" "),
      groupItems: ownFirst,
    })
    .addHelpText("after", AFTER);
  program.commandsGroup("Get access:");
  for (const add of [psql, request, edit, cancel, credential, extend, revoke]) add(program);
  program.commandsGroup("Sign in:");
  for (const add of [login, logout, whoami, sessions, passkeys, token]) add(program);
  program.commandsGroup("Decide about access:");
  for (const add of [approve, deny, comment, away]) add(program);
  program.commandsGroup("In an emergency:");
  for (const add of [panic, emergencies]) add(program);
  program.commandsGroup("Look:");
  for (const add of [
    status,
    inbox,
    resources,
    requests,
    grants,
    explain,
    who,
    access,
    people,
    config,
    audit,
    receipt,
    review,
    evidence,
    drift,
    health,
  ])
    add(program);
  program.commandsGroup("Run Tidegate:");
  local(program);
  program.commandsGroup("Help:");
  completion(program);
  program.helpCommand("help [command]", HELP_OF_HELP);
  // Left to itself a group shows its own under whatever heading the program had reached by then.
  for (const group of program.commands.filter(({ commands }) => commands.length > 0))
    group.helpCommand("help [command]", HELP_OF_HELP);
  reference(program);
  manPage(program);
  return program;
}

const HELP_OF_HELP = "help for a command";

/** What is the command's own first, also where it has nothing but --help; what all share that talk to a server after it. */
function ownFirst<T extends Command | Option>(all: T[], shown: T[], groupOf: (item: T) => string): Map<string, T[]> {
  const names = [...new Set([...all, ...shown].map(groupOf))];
  const ordered = names.toSorted((one, other) => Number(other === OWN) - Number(one === OWN));
  return new Map(ordered.map((name) => [name, shown.filter((item) => groupOf(item) === name)]));
}
const OWN = "Options:";

/** One without a description is not meant to be given. */
const usageOf = (argument: Argument): string =>
  argument.description === "" ? "" : argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;

/** Parses, runs, says what went wrong, and sets the exit code. Never throws. */
export async function run(program: Command, argv: readonly string[]): Promise<void> {
  const json = asksForJson(argv);
  const output = new Output(json);
  prepare(program, json);
  surviveClosedPipes();
  try {
    await (isBare(argv) ? bare(program, argv) : program.parseAsync(argv));
  } catch (error) {
    const report = error instanceof CommanderError ? reportUsage(error) : reportFailure(error);
    if (report === null) return;
    process.exitCode = report.exitCode;
    // Commander has said it already, unless it was told to keep stdout and stderr to the machine.
    if (json) output.jsonLine(report.problem);
    else if (!(error instanceof CommanderError)) output.note(...failureLines(report, output.notePage));
    if (report.unexpected && process.env["TIDEGATE_DEBUG"] && error instanceof Error) output.note(error.stack ?? "");
  }
}

/** The program's name alone, by somebody who has a token or is signed in. */
const isBare = (argv: readonly string[]): boolean =>
  argv.length <= 2 && (Boolean(process.env["TIDEGATE_TOKEN"]?.trim()) || isSignedIn(process.env));

function isSignedIn(env: NodeJS.ProcessEnv): boolean {
  try {
    return hasSession(addressOf({}, env), env);
  } catch {
    // What is wrong with the address is said to whoever names a command.
    return false;
  }
}

/** Shows how things are with whoever asks; where no server answers, what there is to do without one. */
async function bare(program: Command, argv: readonly string[]): Promise<void> {
  try {
    await program.parseAsync([...argv, "status"]);
  } catch (error) {
    if (!(error instanceof Error && error.name === "CannotReach")) throw error;
    program.outputHelp({ error: true });
    throw error;
  }
}

/** Null: help or the version was asked for and shown; that is no failure. */
function reportUsage(error: CommanderError): FailureReport | null {
  if (error.exitCode === EXIT.done) return null;
  const shown = error.code === "commander.help" ? "Name a command." : error.message.replace(/^error: /, "");
  return reportFailure(usage(shown));
}

const asksForJson = (argv: readonly string[]): boolean => {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? argv.length : end).includes("--json");
};

/** Every command, those brought by others too: none ends the process by itself, each points at its own help. */
function prepare(command: Command, json: boolean, path = command.name()): void {
  command.exitOverride();
  command.configureOutput({ writeErr: (text) => void (json || process.stderr.write(text)) });
  command.showHelpAfterError(`Help: ${path} --help`);
  for (const child of command.commands) prepare(child, json, `${path} ${child.name()}`);
}

/** `tidegate audit list | head` ends when head does, quietly; a terminal that went away must not stop us from cleaning up. */
function surviveClosedPipes(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(process.exitCode ?? EXIT.done);
  });
  process.stderr.on("error", () => undefined);
}
