/** What could stand at the cursor: read off the commands themselves, so that completion never falls behind them. */
import type { Command, Option } from "commander";
import type { Kind } from "./live-values.ts";

/** A word to offer, and what it is. */
export type Candidate = { readonly value: string; readonly about: string };

/** `files`: the shell knows those best. */
export type Expected = { readonly offers: readonly Candidate[]; readonly live: Kind | null; readonly files: boolean };

const NOTHING: Expected = { offers: [], live: null, files: false };

/** What each argument or option means, by the path of its command; the rest is told by its own words. */
const LIVE: Readonly<Record<string, Kind>> = {
  "request 0": "askable",
  "request 1": "entitlements",
  "psql 0": "entitlements",
  "explain 0": "entitlements",
  "explain 1": "entitlements",
  "explain --extend": "active",
  "who can 0": "entitlements",
  "access 0": "people",
  "approve 0": "reviewable",
  "deny 0": "reviewable",
  "cancel 0": "pending",
  "edit 0": "pending",
  "comment 0": "requests",
  "extend 0": "active",
  "revoke 0": "held",
  "credential 0": "held",
  "resources 0": "resources",
  "drift 0": "resources",
  "requests show 0": "requests",
  "grants show 0": "grants",
  "approve --entitlement": "entitlements",
  "requests list --person": "people",
  "requests list --resource": "resources",
  "requests list --entitlement": "entitlements",
  "grants list --person": "people",
  "grants list --resource": "resources",
  "grants list --entitlement": "entitlements",
  "audit list --kind": "kinds",
  "audit list --actor": "actors",
  "audit list --grant": "grants",
  "audit list --request": "requests",
  "panic start --resource": "resources",
  "emergencies review 0": "requests",
  "emergencies list --person": "people",
  "emergencies list --resource": "resources",
  "emergencies list --entitlement": "entitlements",
  "away set --delegate": "people",
  "away set --user": "people",
};
const WORDS: Readonly<Record<string, readonly string[]>> = {
  "completion 0": ["bash", "zsh", "fish"],
  "requests list --state": ["pending", "approved", "denied", "cancelled", "expired"],
  "grants list --state": ["scheduled", "provisioning", "active", "revoking", "revoked", "cancelled", "failed"],
  "emergencies list --state": ["open", "overdue", "done"],
  "serve --log-level": ["trace", "debug", "info", "warn", "error"],
};
const DURATIONS = ["15m", "30m", "1h", "2h", "4h", "8h"];

/** `words`: what was typed after the program's name, the one at the cursor last (it may be empty). */
export function expectedAt(program: Command, words: readonly string[]): Expected {
  const current = words.at(-1) ?? "";
  if (words[0] === "help") return words.length > 2 ? NOTHING : { ...NOTHING, offers: commandsOf(program, program) };
  let command = program;
  let path = "";
  let place = 0;
  let awaited: Option | null = null;
  for (const word of words.slice(0, -1)) {
    if (awaited !== null) {
      awaited = null;
      continue;
    }
    // What follows is for another program.
    if (word === "--") return { ...NOTHING, files: true };
    if (word.startsWith("-")) {
      const option = word.includes("=") ? null : optionNamed(command, word);
      awaited = option?.required === true ? option : null;
      continue;
    }
    const child = place === 0 ? childNamed(command, word) : undefined;
    if (child === undefined) place += 1;
    else [command, path] = [child, `${path} ${child.name()}`.trim()];
  }
  if (awaited !== null) return valueFor(commandOf(command, path), awaited);
  if (current.startsWith("-")) return { ...NOTHING, offers: optionsOf(command) };
  if (place === 0 && command.commands.length > 0) return { ...NOTHING, offers: commandsOf(command, program) };
  return argumentAt(commandOf(command, path), place);
}

type Here = { readonly command: Command; readonly path: string };

/** What a group does by itself. */
const BY_ITSELF: Readonly<Record<string, string>> = {
  requests: "list",
  grants: "list",
  audit: "list",
  panic: "start",
  emergencies: "list",
};

/** The options of a group that does something by itself are those of what it does. */
function commandOf(command: Command, path: string): Here {
  const byItself = BY_ITSELF[path];
  const child = command.commands.find((one) => one.name() === byItself);
  return child === undefined ? { command, path } : { command: child, path: `${path} ${child.name()}` };
}

const childNamed = (command: Command, name: string): Command | undefined =>
  command.commands.find((child) => child.name() === name || child.aliases().includes(name));

function optionNamed(command: Command, flag: string): Option | null {
  const all = [...command.options, ...commandOf(command, command.name()).command.options];
  return all.find((option) => option.long === flag || option.short === flag) ?? null;
}

const isShown = (command: Command): boolean => !command.name().startsWith("__");

function commandsOf(command: Command, program: Command): Candidate[] {
  const offers = command.commands.filter(isShown).map((child) => ({ value: child.name(), about: child.description() }));
  return command === program ? [...offers, { value: "help", about: "help for a command" }] : offers;
}

function optionsOf(command: Command): Candidate[] {
  const { options } = commandOf(command, command.name()).command;
  const all = [...new Set([...command.options, ...options])];
  return [
    ...all.flatMap((option) =>
      option.long == null || option.hidden ? [] : [{ value: option.long, about: option.description }],
    ),
    { value: "--help", about: "help for this command" },
  ];
}

const offered = (words: readonly string[]): Expected => ({
  ...NOTHING,
  offers: words.map((value) => ({ value, about: "" })),
});

function valueFor({ path }: Here, option: Option): Expected {
  const key = `${path} ${option.long ?? ""}`;
  const live = LIVE[key];
  if (live !== undefined) return { ...NOTHING, live };
  const words = option.argChoices ?? WORDS[key];
  if (words !== undefined) return offered(words);
  if (/<duration>/.test(option.flags)) return offered(DURATIONS);
  return { ...NOTHING, files: /<(file|dir|path)>/.test(option.flags) };
}

function argumentAt({ command, path }: Here, place: number): Expected {
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[place] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return NOTHING;
  // Of an argument that takes several, the second stands for all that follow.
  const key = `${path} ${Math.min(place, command.registeredArguments.length)}`;
  const live = LIVE[key];
  if (live !== undefined) return { ...NOTHING, live };
  const words = WORDS[key];
  return words === undefined ? { ...NOTHING, files: ["file", "path"].includes(argument.name()) } : offered(words);
}
