/** How options and arguments are written and read. What cannot be right is refused here, before anything is sent. */
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { parseTimestamp, toTimestamp } from "../base/clock.ts";
import { parseDuration } from "../base/duration.ts";
import { bundleId, grantId, panicId, requestId } from "../base/ids.ts";
import { suggest } from "../base/nearest.ts";
import { usage } from "./failure.ts";

/** A command that talks to a server, whoever runs it. */
export const withAddress = (command: Command): Command =>
  command
    .addOption(new Option("--json", "print JSON on stdout and nothing else there").helpGroup("Server options:"))
    .addOption(new Option("--url <url>", "the server (environment: TIDEGATE_URL)").helpGroup("Server options:"));

/** A command that talks to a server as somebody. */
export const withServer = (command: Command): Command =>
  withAddress(command).addOption(
    new Option(
      "--token-file <file>",
      "file that holds the token (environment: TIDEGATE_TOKEN, the token itself)",
    ).helpGroup("Server options:"),
  );

const EXAMPLES = new WeakMap<Command, readonly string[]>();

/** An example or two under the help of a command. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  EXAMPLES.set(command, examples);
  return command.addHelpText(
    "after",
    `\n${examples.length === 1 ? "Example" : "Examples"}:\n${examples.map((line) => `  $ ${line}`).join("\n")}`,
  );
}

export const examplesOf = (command: Command): readonly string[] => EXAMPLES.get(command) ?? [];

/** A duration as typed, checked but not changed: the server reads it again. */
export function durationText(written: string): string {
  const parsed = parseDuration(written);
  if (!parsed.ok) throw new InvalidArgumentError(`${parsed.why}.`);
  return written.trim();
}

export function wholeNumber(least: number, most: number): (written: string) => number {
  return (written) => {
    const value = /^\d{1,16}$/.test(written) ? Number(written) : Number.NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(`Write a whole number from ${least} to ${most}.`);
    return value;
  };
}

const TIME_OF_DAY = /^([01]?\d|2[0-3]):([0-5]\d)$/;

/** `2026-01-31T12:00:00Z`, `14:30` (the next time it is that late here), or `+2h`; answered in RFC 3339. */
export function startTime(nowMs: number): (written: string) => string {
  return (written) => {
    const text = written.trim();
    const exact = parseTimestamp(text);
    if (exact !== null) return toTimestamp(exact);
    if (text.startsWith("+")) {
      const from = parseDuration(text.slice(1));
      if (from.ok) return toTimestamp(nowMs + from.value);
    }
    const clock = TIME_OF_DAY.exec(text);
    if (clock !== null) return toTimestamp(nextAt(Number(clock[1]), Number(clock[2]), nowMs));
    throw new InvalidArgumentError("Write 2026-01-31T12:00:00Z with its zone, 14:30, or +2h.");
  };
}

function nextAt(hours: number, minutes: number, nowMs: number): number {
  const at = new Date(nowMs);
  at.setHours(hours, minutes, 0, 0);
  if (at.getTime() <= nowMs) at.setDate(at.getDate() + 1);
  return at.getTime();
}

/** A moment that people look back to: RFC 3339, a day, a time of today, `2h` ago, `+2h` from now; answered in RFC 3339. Days are those of this machine's zone. */
export function momentText(nowMs: number): (written: string) => string {
  return (written) => {
    const text = written.trim();
    const ms = parseTimestamp(text) ?? dayMs(text) ?? timeOfDayMs(text, nowMs) ?? distanceMs(text, nowMs);
    if (ms !== null && ms >= 0) return toTimestamp(ms);
    throw new InvalidArgumentError(
      "Write 2026-01-31T12:00:00Z with its zone, 2026-01-31, 14:30 (today, here), 2h (so long ago) or +2h.",
    );
  };
}

/** Midnight here, at the beginning of that day; null where there is no such day. */
function dayMs(text: string): number | null {
  const day = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (day === null) return null;
  const [year, month, date] = day.slice(1).map(Number) as [number, number, number];
  const at = new Date(year, month - 1, date);
  return at.getMonth() === month - 1 && at.getDate() === date ? at.getTime() : null;
}

function timeOfDayMs(text: string, nowMs: number): number | null {
  const clock = TIME_OF_DAY.exec(text);
  if (clock === null) return null;
  return new Date(nowMs).setHours(Number(clock[1]), Number(clock[2]), 0, 0);
}

function distanceMs(text: string, nowMs: number): number | null {
  const far = parseDuration(text.replace(/^[+-]/, ""));
  if (!far.ok) return null;
  return text.startsWith("+") ? nowMs + far.value : nowMs - far.value;
}

/** `orders-db:read`: a resource and what is wanted on it. */
export function entitlementName(written: string): string {
  const text = written.trim();
  if (/^[^\s:]+:[^\s:]+$/.test(text)) return text;
  throw new InvalidArgumentError(
    `Write resource and entitlement, such as ${/^[^\s:]+$/.test(text) ? text : "orders-db"}:read; "tidegate resources" lists them.`,
  );
}

/** Entitlements, one or several, or the name of a bundle; each word is added to those before it. */
export function wantedNames(written: string, before: readonly string[] = []): readonly string[] {
  const text = written.trim();
  const isBundle = /^[^\s:]+$/.test(text);
  if (isBundle && before.length > 0) throw new InvalidArgumentError("Name one bundle alone, or several entitlements.");
  if (before.some((one) => !one.includes(":")))
    throw new InvalidArgumentError("Name one bundle alone, or several entitlements.");
  return [...before, isBundle ? text : entitlementName(text)];
}

/** What can be reviewed or taken back as one. */
export const requestOrBundleIdText = (written: string): string =>
  bundleId.parse(written.trim()) ?? requestIdText(written);

export const isBundleId = (id: string): boolean => bundleId.parse(id) !== null;

export function requestIdText(written: string): string {
  return idText(written, requestId.parse(written.trim()), "request", "rq");
}

export function grantIdText(written: string): string {
  return idText(written, grantId.parse(written.trim()), "grant", "gr");
}

export function panicIdText(written: string): string {
  const parsed = panicId.parse(written.trim());
  if (parsed !== null) return parsed;
  throw new InvalidArgumentError(
    'Write the id of a panic: pn_ and 16 characters, as "tidegate panic list" shows them.',
  );
}

function idText(written: string, parsed: string | null, what: string, prefix: string): string {
  if (parsed !== null) return parsed;
  const other =
    grantId.parse(written.trim()) === null ? (requestId.parse(written.trim()) === null ? null : "request") : "grant";
  const is = other === null ? "" : `This is a ${other}. `;
  throw new InvalidArgumentError(
    `${is}Write the id of a ${what}: ${prefix}_ and 16 characters, as "tidegate ${what}s" lists them.`,
  );
}

/** Some of these words, with commas between them. */
export function wordsOf(words: readonly string[]): (written: string) => string {
  return (written) => {
    const wrong = written.split(",").find((word) => !words.includes(word));
    if (wrong !== undefined)
      throw new InvalidArgumentError(`Write one or more of ${words.join(", ")}, with commas between them.`);
    return written;
  };
}

/** For the list that a group shows by itself: a word after it is no argument, it is a command that does not exist. */
export const withoutWords = (list: Command, commands: readonly string[]): Command =>
  list
    .usage("[options]")
    .allowExcessArguments()
    .addArgument(
      new Argument("[word]").argParser((word: string) => {
        throw usage(`There is no such command as ${JSON.stringify(word)}: ${suggest(word, commands, "commands")}`);
      }),
    );

/** What a command cannot do without and nobody is there to be asked for. */
export function requireGiven(missing: readonly string[], example: string): void {
  if (missing.length > 0) throw usage(`Missing: ${missing.join(", ")}. Example: ${example}`);
}

/** The same flag wherever access is asked for. */
export const EMERGENCY_ABOUT = "emergency access: at once, everybody passed over is told, reviewed afterwards";
