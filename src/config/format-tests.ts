/** The sections of `tests:`. */
import { TICKET_STATES } from "../domain/facts.ts";
import {
  count,
  duration,
  EXTENSIONS_MAX,
  filled,
  group,
  LIMIT_COUNT_MAX,
  list,
  ON_CALL_TIER_MAX,
  type Section,
  section,
  TEST_NAME_CHARS_MAX,
  time,
  WORD_CHARS_MAX,
} from "./format-words.ts";

export const test: Section = {
  title: "tests",
  about: "A case that `tidegate policy test` decides.",
  keys: {
    name: { schema: filled(TEST_NAME_CHARS_MAX), about: "unique; what is to hold", required: true },
    given: { schema: section("given"), about: "who asks for what", required: true },
    expect: { schema: section("expect"), about: "what the rules must decide", required: true },
  },
};

export const given: Section = {
  title: "tests: given",
  about: "Who asks for what, and when.",
  keys: {
    user: {
      schema: { oneOf: [{ type: "string" }, section("givenUser")] },
      about: "a handle of `principals`, or facts written out",
      otherwise: "nobody in particular",
    },
    oncall_tier: {
      schema: { oneOf: [{ type: "integer", minimum: 0, maximum: ON_CALL_TIER_MAX }, { const: "unknown" }] },
      about: "as of a principal; or `unknown`: the source cannot be reached",
      otherwise: "of the person, or 0",
    },
    entitlement: { schema: { type: "string" }, about: "one that exists", required: true, examples: ["orders-db:read"] },
    duration: { schema: duration, about: "how long", otherwise: "1h, or the entitlement's longest if shorter" },
    ticket: {
      schema: { oneOf: [{ type: "string" }, section("givenTicket")] },
      about: "its name, or a map that says what the tracker knows of it",
      otherwise: "none",
      examples: ["INC-42"],
    },
    reason: { schema: { type: "string" }, about: "the reason", otherwise: "empty" },
    emergency: { schema: { type: "boolean" }, about: "asked for as an emergency", otherwise: "false" },
    used: {
      schema: count(LIMIT_COUNT_MAX * 10),
      about: "how often each limit that counts this was used before",
      otherwise: "0",
    },
    history: { schema: section("givenHistory"), about: "what they had before", otherwise: "nothing" },
    extension: {
      schema: section("givenExtension"),
      about: "asks for more time on a grant",
      otherwise: "for a new one",
    },
    now: { schema: time, about: "a time with a zone", otherwise: "when the test runs" },
  },
};

export const givenUser: Section = {
  title: "tests: given.user",
  about: "Facts about somebody who need not exist.",
  keys: {
    name: { schema: { type: "string" }, about: "the handle", otherwise: "empty" },
    type: { schema: { type: "string" }, about: "as of a principal", otherwise: "empty" },
    groups: { schema: list(group, { uniqueItems: true }), about: "as of a principal", otherwise: "none" },
    email: { schema: { type: "string" }, about: "as of a principal", otherwise: "empty" },
    manager: { schema: { type: "string" }, about: "as of a principal", otherwise: "empty" },
  },
};

const grantsMax = 100_000;
export const givenHistory: Section = {
  title: "tests: given.history",
  about: "Grants of the person: conditions read them as `history`.",
  keys: {
    open: { schema: count(grantsMax), about: "that have not ended", otherwise: "0" },
    open_here: { schema: count(grantsMax), about: "of them, of this resource", otherwise: "0" },
    recent: { schema: count(grantsMax), about: "made within thirty days", otherwise: "0" },
    recent_here: { schema: count(grantsMax), about: "of them, of this resource", otherwise: "0" },
    unreviewed: { schema: count(grantsMax), about: "their emergencies that nobody has reviewed", otherwise: "0" },
  },
};

export const givenExtension: Section = {
  title: "tests: given.extension",
  about: "`duration` is then the whole time that it would make.",
  keys: {
    add: { schema: duration, about: "how much more", required: true, examples: ["30m"] },
    count: { schema: count(EXTENSIONS_MAX), about: "how often it was extended before", otherwise: "0" },
    total: { schema: duration, about: "by how much in all", otherwise: "nothing" },
  },
};

export const expect: Section = {
  title: "tests: expect",
  about: "What the rules must decide.",
  keys: {
    decision: { schema: { enum: ["automatic", "needs-approval", "denied"] }, about: "the outcome", required: true },
    rule: { schema: { type: "string" }, about: "the rule that must decide", otherwise: "any" },
    steps: {
      schema: list({ type: "string" }),
      about: "who must approve, a line for each step",
      otherwise: "any",
      examples: [["1 of owners", "1 of group:security"]],
    },
    authentication: {
      schema: section("authentication"),
      about: "what is demanded of who acts, exactly; `{}`: nothing",
      otherwise: "anything",
    },
  },
};

export const givenTicket: Section = {
  title: "tests: given.ticket",
  about: "What the tracker would say. Of a ticket given by its name alone, nothing is known.",
  keys: {
    id: { schema: filled(WORD_CHARS_MAX), about: "its name", required: true, examples: ["INC-42"] },
    state: {
      schema: { enum: [...TICKET_STATES] },
      about:
        "`other`: it exists, and is neither open nor closed; `missing`: there is none; `unknown`: nobody could tell",
      required: true,
    },
    status: { schema: { type: "string" }, about: "the tracker's own word", otherwise: "empty" },
    assignee: { schema: { type: "string" }, about: "as the tracker names them", otherwise: "empty" },
    mine: { schema: { type: "boolean" }, about: "whether it is assigned to who asks", otherwise: "false" },
  },
};
