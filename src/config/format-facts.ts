/** The sections of the format about services that are asked about the world. */
import { MATCHES, TICKET_FORM } from "../domain/fact-sources.ts";
import { ONCALL_KINDS, TICKET_KINDS } from "../facts/kinds.ts";
import {
  clock,
  count,
  duration,
  filled,
  type Key,
  list,
  name,
  named,
  ON_CALL_TIER_MAX,
  type Section,
  section,
  time,
  WORD_CHARS_MAX,
} from "./format-words.ts";

export const facts: Section = {
  title: "facts",
  about: "Services that are asked about the world before policy decides: who is on call, what a ticket is.",
  keys: {
    oncall: {
      schema: named(section("onCallSource")),
      about: "who is on call, by name of the source",
      otherwise: "none",
    },
    schedules: {
      schema: named(section("schedule")),
      about: "who is on call by turns that this file holds, by name",
      otherwise: "none",
    },
    tickets: { schema: named(section("ticketSource")), about: "trackers, by name of the source", otherwise: "none" },
  },
};

const sourceKeys = (kinds: readonly string[]): Readonly<Record<string, Key>> => ({
  source: { schema: { enum: [...kinds] }, about: "which kind of service it is", required: true },
  connection: {
    schema: { type: "object" },
    about: `how it is asked; its keys are the kind's. Secrets only as \`\${env:NAME}\` or \`\${file:PATH}\``,
    required: true,
  },
  timeout: { schema: duration, about: "it answers within so long, or is not known: 1s to 30s", otherwise: "5s" },
  max_age: { schema: duration, about: "an older answer is not used: 1s to 1h", otherwise: "30s" },
  match: {
    schema: { enum: [...MATCHES] },
    about: "by what somebody there is known to be somebody here; `people`: by what stands there, and nothing else",
    otherwise: "`people` for `pagerduty` and `opsgenie`, else `email`",
  },
  people: {
    schema: named(filled(WORD_CHARS_MAX)),
    about: "who somebody is over there, by handle; comes before `match`",
    otherwise: "nobody",
    examples: [{ alice: "5b10a2844c20165700ede21g" }],
  },
});

export const onCallSource: Section = {
  title: "facts.oncall.NAME",
  about: "A service that tells who is on call. Conditions read it as `oncall.tier`.",
  keys: sourceKeys([...ONCALL_KINDS.keys()]),
};

export const ticketSource: Section = {
  title: "facts.tickets.NAME",
  about: "A tracker. Conditions read what it says of the request's ticket as `ticket.open`, `ticket.mine` and so on.",
  keys: {
    ...sourceKeys([...TICKET_KINDS.keys()]),
    pattern: {
      schema: { type: "string", pattern: "^\\^.*\\$$" },
      about: "which tickets are its own; the first source whose pattern fits is asked",
      required: true,
      examples: ["^OPS-[0-9]+$"],
    },
    example: {
      schema: { type: "string", pattern: TICKET_FORM },
      about: "a ticket that exists: `tidegate doctor` looks it up",
      otherwise: "doctor looks none up",
      examples: ["OPS-1"],
    },
    end_access: {
      schema: { enum: ["when-closed"] },
      about: "access that was asked for with a ticket of this tracker ends when the ticket is seen to have been closed",
      otherwise: "access does not depend on it",
    },
    look_every: {
      schema: duration,
      about: "how often the tickets of live access are looked at, with `end_access`: 5s to 24h",
      otherwise: "1m",
    },
  },
};

const schedule: Section = {
  title: "facts.schedules.NAME",
  about: "Turns of being on call. Conditions read them as `oncall.tier`, like what a service tells.",
  keys: {
    zone: {
      schema: { type: "string" },
      about: "whose clocks tell the hand-over",
      required: true,
      examples: ["Europe/Berlin"],
    },
    rotations: { schema: named(section("rotation")), about: "who takes turns, by names of your own", required: true },
    overrides: { schema: list(section("override")), about: "who stands in for whose turn it is", otherwise: "nobody" },
  },
};

const rotation: Section = {
  title: "facts.schedules.NAME.rotations.NAME",
  about: "People who take turns in one line.",
  keys: {
    tier: { schema: count(ON_CALL_TIER_MAX, 1), about: "1 the first line, 2 the second", required: true },
    people: {
      schema: list(name, { minItems: 1 }),
      about: "handles, in the order of their turns",
      required: true,
      examples: [["alice", "bob"]],
    },
    start: {
      schema: { type: "string", pattern: "^\\d{4}-\\d{2}-\\d{2}$" },
      about: "the day of the first hand-over; nobody is on call before it",
      required: true,
      examples: ["2026-01-05"],
    },
    handover: { schema: clock, about: "when the next one takes over", otherwise: "`00:00`", examples: ["09:00"] },
    length: { schema: duration, about: "of a turn, as clocks show it: 1h or more", required: true, examples: ["7d"] },
  },
};

const override: Section = {
  title: "facts.schedules.NAME.overrides",
  about: "Somebody stands in. Those of one rotation do not overlap.",
  keys: {
    rotation: { schema: name, about: "in which rotation", required: true },
    person: { schema: name, about: "the handle of who stands in", required: true },
    from: { schema: time, about: "from then on", required: true, examples: ["2026-12-24T09:00:00+01:00"] },
    to: { schema: time, about: "until then, not included", required: true },
  },
};

export const SCHEDULE_FORMAT = { schedule, rotation, override };
