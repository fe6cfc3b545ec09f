/** `facts:` — the services that are asked about the world. What their connections hold is never repeated in a message. */
import { suggest } from "../base/nearest.ts";
import {
  type FactSource,
  type FactSources,
  MATCHES,
  type Match,
  NO_SOURCES,
  type TicketSource,
} from "../domain/fact-sources.ts";
import { compilePattern, PatternError } from "../domain/pattern.ts";
import { isTicketOf } from "../facts/gather.ts";
import { ONCALL_KINDS, TICKET_KINDS } from "../facts/kinds.ts";
import { shorten } from "./document.ts";
import { FORMAT } from "./format.ts";
import { keysOf, WORD_CHARS_MAX } from "./format-words.ts";
import { type Connected, readConnection } from "./read-connection.ts";
import { readSchedule } from "./read-schedules.ts";
import type { Fields, Reading, Value } from "./reading.ts";
import type { ReferenceSources } from "./references.ts";

const SECOND_MS = 1_000;
const TIMEOUT_MS = { otherwise: 5 * SECOND_MS, min: SECOND_MS, max: 30 * SECOND_MS };
const MAX_AGE_MS = { otherwise: 30 * SECOND_MS, min: SECOND_MS, max: 3_600 * SECOND_MS };

const LOOK_EVERY_MS = { otherwise: 60 * SECOND_MS, min: 5 * SECOND_MS, max: 86_400 * SECOND_MS };

type Kinds = ReadonlyMap<string, Connected & { readonly kind: string; readonly match: Match }>;

export function readFactSources(reading: Reading, value: Value, references: ReferenceSources): FactSources {
  const fields = reading.fields(value, keysOf(FORMAT.facts));
  const onCallValue = fields?.optional("oncall") ?? null;
  const ticketsValue = fields?.optional("tickets") ?? null;
  const schedulesValue = fields?.optional("schedules") ?? null;
  const { oncall, tickets } = NO_SOURCES;
  const taken = new Set(["file"]);
  const readSources = <S>(value: Value, read: (name: string, member: Value) => S | null): S[] =>
    readAll(reading, value, (name, member) => {
      checkName(reading, name, member, taken);
      return read(name, member);
    });
  return {
    oncall:
      onCallValue === null
        ? oncall
        : readSources(onCallValue, (name, member) => readOnCall(reading, name, member, references)),
    ...(schedulesValue === null
      ? {}
      : { schedules: readSources(schedulesValue, (name, member) => readSchedule(reading, name, member)) }),
    tickets:
      ticketsValue === null
        ? tickets
        : readAll(reading, ticketsValue, (name, member) => readTickets(reading, name, member, references)),
  };
}

const readAll = <S>(reading: Reading, value: Value, read: (name: string, member: Value) => S | null): S[] =>
  (reading.named(value, "a source") ?? []).flatMap(([name, member]) => read(name, member) ?? []);

/** Facts carry the name of their source; those that the file itself states carry the word file. */
function checkName(reading: Reading, name: string, value: Value, taken: Set<string>): void {
  if (taken.has(name)) {
    const whose = name === "file" ? "what the file itself says" : "another source of who is on call";
    reading.wrong(value.at, `${value.path}: ${name} is ${whose}`, "choose another name");
  }
  taken.add(name);
}

function readOnCall(reading: Reading, name: string, value: Value, references: ReferenceSources): FactSource | null {
  const fields = reading.fields(value, keysOf(FORMAT.onCallSource));
  if (fields === null) return null;
  return readSource(reading, name, fields, ONCALL_KINDS, references);
}

function readTickets(reading: Reading, name: string, value: Value, references: ReferenceSources): TicketSource | null {
  const fields = reading.fields(value, keysOf(FORMAT.ticketSource));
  if (fields === null) return null;
  const patternValue = fields.required("pattern", 'as in pattern: "^OPS-[0-9]+$"');
  const endValue = fields.optional("end_access");
  const everyValue = fields.optional("look_every");
  const end = endValue && reading.choice(endValue, ["when-closed"]);
  if (everyValue !== null && endValue === null)
    reading.wrong(
      everyValue.at,
      `${everyValue.path} means nothing without end_access`,
      "add end_access: when-closed, or remove it",
    );
  const lookEveryMs = durationOf(reading, everyValue, LOOK_EVERY_MS);
  const pattern = patternValue && readPattern(reading, patternValue);
  const exampleValue = fields.optional("example");
  const example = exampleValue && reading.text(exampleValue);
  if (exampleValue !== null && example !== null && pattern !== null && !isTicketOf({ pattern }, example))
    reading.wrong(
      exampleValue.tree.start,
      `${exampleValue.path} does not fit the pattern`,
      "name a ticket of this tracker",
    );
  return {
    ...readSource(reading, name, fields, TICKET_KINDS, references),
    pattern: pattern ?? "",
    ...(example === null ? {} : { example }),
    endAccess: end === null ? null : { lookEveryMs },
  };
}

function readSource(
  reading: Reading,
  name: string,
  fields: Fields,
  kinds: Kinds,
  references: ReferenceSources,
): FactSource {
  const kindValue = fields.required("source", `one of ${[...kinds.keys()].join(", ")}`);
  const kind = kindValue && reading.text(kindValue);
  const known = kind === null ? undefined : kinds.get(kind);
  if (kind !== null && kindValue !== null && known === undefined) {
    const what = `${kindValue.path}: there is no kind of source ${shorten(kind)}`;
    reading.wrong(kindValue.tree.start, what, suggest(kind, [...kinds.keys()], "kinds"));
  }
  const connectionValue = fields.required("connection");
  const matchValue = fields.optional("match");
  const peopleValue = fields.optional("people");
  const match = (matchValue && reading.choice(matchValue, MATCHES)) ?? known?.match ?? "people";
  if (match === "people" && peopleValue === null && kindValue !== null)
    reading.warn(
      kindValue.at,
      `${name} maps nobody: nobody is on call by it`,
      "say who somebody is there, under people",
    );
  if (match === "handle" && known?.match === "people" && matchValue !== null)
    reading.wrong(matchValue.tree.start, `${matchValue.path}: people have no handles there`, "map them, under people");
  return {
    name,
    kind: kind ?? "",
    connection: (connectionValue && readConnection(reading, connectionValue, known, references)) ?? {},
    timeoutMs: durationOf(reading, fields.optional("timeout"), TIMEOUT_MS),
    maxAgeMs: durationOf(reading, fields.optional("max_age"), MAX_AGE_MS),
    match,
    people: peopleValue === null ? {} : readPeople(reading, peopleValue),
  };
}

type Bounds = { readonly otherwise: number; readonly min: number; readonly max: number };

function durationOf(reading: Reading, value: Value | null, { otherwise, min, max }: Bounds): number {
  const ms = value && reading.duration(value);
  if (value === null || ms === null) return otherwise;
  if (ms >= min && ms <= max) return ms;
  const [least, most] = [min, max].map((bound) => `${bound / SECOND_MS}s`);
  reading.wrong(value.tree.start, `${value.path} must be from ${least} to ${most}`, "");
  return otherwise;
}

function readPeople(reading: Reading, value: Value): Record<string, string> {
  const people: Record<string, string> = {};
  for (const [handle, member] of reading.named(value, "a person") ?? []) {
    const there = reading.filled(member, WORD_CHARS_MAX);
    if (there !== null) people[handle] = there;
  }
  return people;
}

/** Of a whole name: a pattern that fits somewhere in the middle would send other trackers' tickets here. */
function readPattern(reading: Reading, value: Value): string | null {
  const text = reading.filled(value);
  if (text === null) return null;
  const hint = 'write the whole name, as in "^OPS-[0-9]+$"';
  if (!text.startsWith("^") || !text.endsWith("$"))
    return reading.wrong(value.tree.start, `${value.path} must begin with ^ and end with $`, hint);
  try {
    compilePattern(text);
    return text;
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    return reading.wrong(value.tree.start, `${value.path}: ${error.message}`, hint);
  }
}
