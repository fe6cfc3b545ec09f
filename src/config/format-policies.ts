/** The sections of `policies:`. */
import { DAYS } from "../domain/hours.ts";
import {
  ACR_PATTERN,
  COUNT_MAX,
  clock,
  condition,
  count,
  duration,
  EXTENSIONS_MAX,
  GROUP_PATTERN,
  HOURS_MAX,
  type Key,
  LIMIT_COUNT_MAX,
  list,
  name,
  open,
  REASON_CHARS_MAX,
  type Section,
  STEPS_MAX,
  section,
  sources,
} from "./format-words.ts";

const ruleName: Key = { schema: name, about: "unique; decisions name their rule", required: true };

export const denyRule: Section = {
  title: "policies: a rule that denies",
  about: "Any deny rule that is true, or fails, wins over every other rule.",
  keys: {
    name: ruleName,
    deny: {
      schema: condition,
      about: "a condition; while it is true, the answer is no",
      required: true,
      examples: ['user.type == "contractor" && resource.labels.team == "payments"'],
    },
  },
};

export const approveRule: Section = {
  title: "policies: a rule that approves",
  about:
    "The first one that applies decides, in the order of the file; what it asks for and is not met passes it over.",
  keys: {
    name: ruleName,
    approve: {
      schema: { oneOf: [{ const: "automatically" }, list(section("step"), { minItems: 1, maxItems: STEPS_MAX })] },
      about: "`automatically`, or a list of steps",
      required: true,
      examples: ["automatically"],
    },
    when: {
      schema: condition,
      about: "a condition; false or failed, the rule does not apply",
      otherwise: "always",
      examples: ['"payments" in user.groups && entitlement.risk != "high"'],
    },
    max_duration: {
      schema: duration,
      about: "a longer request is not this rule's",
      otherwise: "any",
      examples: ["2h"],
    },
    ticket: { schema: { const: "required" }, about: "only with a ticket", otherwise: "not needed" },
    reason: { schema: section("reason"), about: "what is asked of the reason", otherwise: "nothing" },
    limit: {
      schema: section("limit"),
      about: "how often this rule may be used; beyond it, it does not apply",
      otherwise: "any number of times",
    },
    hours: {
      schema: { oneOf: [section("hours"), list(section("hours"), { minItems: 1, maxItems: HOURS_MAX })] },
      about: "when the access may start; of several any",
      otherwise: "at any time",
    },
    extensions: {
      schema: { oneOf: [{ const: "none" }, section("extensions")] },
      about: "how far a grant may be extended by this rule",
      otherwise: "as the rest of the rule allows",
      examples: ["none"],
    },
    activation: {
      schema: { enum: ["on-approval", "on-use"] },
      about: "when the time of its grants starts, however it was asked for",
      otherwise: "as the request says",
    },
    activate_within: {
      schema: duration,
      about: "how long a grant that starts on use may wait for it",
      otherwise: "`defaults.activate_within`",
      examples: ["2h"],
    },
    emergency: {
      schema: section("emergency"),
      about: "makes this a rule for emergencies, and for nothing else",
      otherwise: "for everything but emergencies",
    },
    authentication: {
      schema: section("authentication"),
      about: "how whoever acts must have shown who they are ([how](identity.md#fresh-sign-ins))",
      otherwise: "as they are signed in",
    },
    via: {
      schema: { const: "direct" },
      about: "how the access is used; a gateway there is not yet",
      otherwise: "`direct`",
    },
  },
};

export const limit: Section = {
  title: "policies: limit",
  about:
    "Requests that the rule decided and that wait or were approved; more than so many within the time, and the rule does not apply.",
  keys: {
    per: {
      schema: { type: "string", pattern: `^(?:user|rule|group:${open(GROUP_PATTERN)})$` },
      about:
        "`user`: each person for themselves; `group:NAME`: all in the group together, and nobody else; `rule`: all together",
      otherwise: "`user`",
      examples: ["user"],
    },
    count: { schema: count(LIMIT_COUNT_MAX, 1), about: "how many", required: true, examples: [5] },
    within: { schema: duration, about: "in how long", required: true, examples: ["7d"] },
  },
};

export const hours: Section = {
  title: "policies: hours",
  about: "A window of the week. One whose end is not after its start goes past midnight.",
  keys: {
    zone: { schema: { type: "string" }, about: "a time zone by its name", required: true, examples: ["Europe/Berlin"] },
    days: {
      schema: list({ enum: [...DAYS] }, { minItems: 1, uniqueItems: true }),
      about: "on which it starts",
      otherwise: "every day",
      examples: [["mon", "tue", "wed", "thu", "fri"]],
    },
    from: { schema: clock, about: "the first minute", otherwise: "`00:00`", examples: ["08:00"] },
    to: { schema: clock, about: "the end, not included", otherwise: "`24:00`", examples: ["18:00"] },
  },
};

export const extensions: Section = {
  title: "policies: extensions",
  about: "Bounds on more time. A request for more that is not within them is not this rule's.",
  keys: {
    count: { schema: count(EXTENSIONS_MAX), about: "how many of one grant", otherwise: "any", examples: [2] },
    each: { schema: duration, about: "how much at a time", otherwise: "any", examples: ["30m"] },
    total: { schema: duration, about: "how much in all", otherwise: "any", examples: ["1h"] },
  },
};

export const emergency: Section = {
  title: "policies: emergency",
  about: "Who looks at each use afterwards, and how soon.",
  keys: {
    review_by: {
      schema: sources,
      about: "one of these looks at it afterwards",
      required: true,
      examples: [["group:security"]],
    },
    within: { schema: duration, about: "how soon they must", otherwise: "24h", examples: ["24h"] },
    open_max: {
      schema: count(LIMIT_COUNT_MAX, 1),
      about: "the rule is not for somebody of whom so many emergencies wait for their review",
      otherwise: "however many wait: an incident is not kept waiting by reviewers",
      examples: [3],
    },
  },
};

const demand = section("demand");
export const authentication: Section = {
  title: "policies: authentication",
  about:
    "Demanded at the moment of the act of somebody who is signed in; a token of a service or of the file meets none.",
  keys: {
    request: { schema: demand, about: "of whoever asks, for more time too", otherwise: "nothing" },
    review: {
      schema: demand,
      about: "of whoever approves, or reviews an emergency afterwards; whoever denies need not",
      otherwise: "nothing",
    },
  },
};

export const demandSection: Section = {
  title: "policies: authentication of one side",
  about: "All of it must hold.",
  keys: {
    max_age: {
      schema: duration,
      about: "their provider saw them sign in no longer ago; 1m or more",
      otherwise: "any",
      examples: ["15m"],
    },
    acr: {
      schema: list({ type: "string", pattern: ACR_PATTERN }, { minItems: 1, uniqueItems: true }),
      about: "the provider calls the way in which they did one of these",
      otherwise: "any",
      examples: [["phr"]],
    },
    passkey: {
      schema: { const: "required" },
      about: "a passkey of theirs answers for this very act ([how](identity.md#passkeys)); alone, without the provider",
      otherwise: "not needed",
    },
  },
};

export const escalate: Section = {
  title: "policies: escalate",
  about: "Adds people who may, counted from when the step opened.",
  keys: {
    after: { schema: duration, about: "after how long", required: true, examples: ["30m"] },
    to: { schema: sources, about: "who may then too", required: true, examples: [["group:sre-leads"]] },
  },
};

export const reason: Section = {
  title: "policies: reason",
  about: "What is asked of the reason.",
  keys: {
    min_length: {
      schema: { type: "integer", minimum: 1, maximum: REASON_CHARS_MAX },
      about: "characters, white space at the ends not counted",
      required: true,
      examples: [15],
    },
  },
};

export const step: Section = {
  title: "policies: a step of approve",
  about: "Steps run side by side; one person fills one place in all of them, and nobody approves their own request.",
  keys: {
    by: {
      schema: sources,
      about: "who may: `group:NAME`, `user:HANDLE`, `owners`, or `manager` of whoever asks",
      required: true,
      examples: [["owners", "group:sre-leads"]],
    },
    count: {
      schema: { type: "integer", minimum: 1, maximum: COUNT_MAX },
      about: "how many different people",
      otherwise: "1",
    },
    if: {
      schema: condition,
      about: "a condition; only a request for which it is true, or fails, needs this step",
      otherwise: "always",
      examples: ['entitlement.risk == "high"'],
    },
    escalate: { schema: section("escalate"), about: "who may too, once nobody did for a while", otherwise: "nobody" },
    fallback: {
      schema: sources,
      about: "who may too where not enough people living could",
      otherwise: "nobody",
      examples: [["group:security"]],
    },
  },
};
