/**
 * The keys of a configuration, section by section: the reader knows no others, and the JSON Schema and the reference are
 * made from the same table, so that what editors offer and what the documents say is what is understood.
 */
import type { JsonObject } from "../base/canonical.ts";
import { CHANNEL_KINDS } from "../domain/channel.ts";
import { DRIFT_POLICIES } from "../domain/drift.ts";
import { NAME_PATTERN, RISKS } from "../domain/entitlement.ts";
import { MESSAGES } from "../domain/message.ts";
import { ROLES } from "../domain/principal.ts";

export const LABEL_CHARS_MAX = 200;
export const TITLE_CHARS_MAX = 200;
export const WORD_CHARS_MAX = 200;
export const TEST_NAME_CHARS_MAX = 200;
export const ON_CALL_TIER_MAX = 9;
/** People that one step can ask for; more is a mistake, not a policy. */
export const COUNT_MAX = 20;
export const STEPS_MAX = 20;
export const REASON_CHARS_MAX = 1_000;
export const URL_CHARS_MAX = 2_000;
const CONDITION_CHARS_MAX = 4_000;
/** Groups come from directories that allow more in a name than we would: anything printable without white space at its ends. */
export const GROUP_PATTERN = "^[\\p{L}\\p{N}_](?:[\\p{L}\\p{N} _.@:/&+-]{0,98}[\\p{L}\\p{N}_.)])?$";
export const EMAIL_PATTERN = "^[^\\s@]+@[^\\s@]+$";
export const HASH_PATTERN = "^sha256:[0-9a-f]{64}$";

export type Key = {
  readonly schema: JsonObject;
  readonly about: string;
  readonly required?: true;
  /** What holds where it is left out, in words. */
  readonly otherwise?: string;
  readonly examples?: readonly (string | number | boolean | JsonObject | readonly string[])[];
};
export type Section = { readonly title: string; readonly about: string; readonly keys: Readonly<Record<string, Key>> };

export const keysOf = ({ keys }: Section): string[] => Object.keys(keys);

const open = (pattern: string): string => pattern.replace(/^\^|\$$/g, "");
const text = (max: number): JsonObject => ({ type: "string", maxLength: max });
const filled = (max: number): JsonObject => ({ ...text(max), pattern: "\\S" });
const name: JsonObject = { type: "string", pattern: NAME_PATTERN };
const named = (inner: JsonObject): JsonObject => ({
  type: "object",
  propertyNames: { pattern: NAME_PATTERN },
  additionalProperties: inner,
});
const list = (items: JsonObject, more: JsonObject = {}): JsonObject => ({ type: "array", items, ...more });
const section = (of: string): JsonObject => ({ $ref: `#/definitions/${of}` });
const duration: JsonObject = {
  type: "string",
  pattern: "^\\s*(?=\\S)(\\d{1,9}d)?(\\d{1,9}h)?(\\d{1,9}m)?(\\d{1,9}s)?\\s*$",
};
const time: JsonObject = {
  type: "string",
  pattern: "^\\d{4}-\\d{2}-\\d{2}[Tt]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?([Zz]|[+-]\\d{2}:\\d{2})$",
};
const group: JsonObject = { type: "string", pattern: GROUP_PATTERN };
const owner = `group:${open(GROUP_PATTERN)}|user:${open(NAME_PATTERN)}`;
const condition: JsonObject = text(CONDITION_CHARS_MAX);

const file: Section = {
  title: "The file",
  about: "What there is in production, who there is, and what policy says.",
  keys: {
    version: { schema: { const: 1 }, about: "the version of this format", required: true, examples: [1] },
    resources: { schema: named(section("resource")), about: "what there is, by name", required: true },
    policies: { schema: list(section("rule")), about: "the rules, in order", required: true },
    principals: { schema: named(section("principal")), about: "people and services, by handle", otherwise: "nobody" },
    tests: { schema: list(section("test")), about: "what the rules must decide", otherwise: "none" },
    notify: {
      schema: named(section("channel")),
      about: "where messages go out, by names of your own",
      otherwise: "messages are only in the API and the command line",
    },
    defaults: { schema: section("defaults"), about: "how long things may wait" },
  },
};

const defaults: Section = {
  title: "defaults",
  about: "How long things may wait.",
  keys: {
    request_expires_after: {
      schema: duration,
      about: "a request that nobody decides ends",
      otherwise: "24h",
      examples: ["24h"],
    },
    activate_within: {
      schema: duration,
      about: "a grant that starts on first use, and is not used, lapses",
      otherwise: "8h",
      examples: ["8h"],
    },
  },
};

const channel: Section = {
  title: "notify.NAME",
  about: "A channel through which [messages](messages.md) go out.",
  keys: {
    channel: { schema: { enum: [...CHANNEL_KINDS] }, about: "what kind it is", required: true, examples: ["webhook"] },
    url: {
      schema: filled(URL_CHARS_MAX),
      about: "where to: `https://`, or `http://` on this very machine; as a reference where it holds a secret",
      required: true,
      examples: ["https://hooks.example.com/tidegate"],
    },
    secret: {
      schema: filled(URL_CHARS_MAX),
      about:
        "what messages are signed with, as a reference: `whsec_` and the base64 of 24 to 64 random bytes; two with a blank between them while one is changed for the other",
      required: true,
      examples: [`\${env:TIDEGATE_WEBHOOK_SECRET}`],
    },
    kinds: {
      schema: list({ enum: Object.keys(MESSAGES) }, { minItems: 1, uniqueItems: true }),
      about: "only these kinds of messages",
      otherwise: "all",
      examples: [["request.needs-approval", "panic.started"]],
    },
  },
};

const resource: Section = {
  title: "resources.NAME",
  about: "A system in production.",
  keys: {
    connector: {
      schema: { type: "string" },
      about: "which connector reaches it",
      required: true,
      examples: ["postgres"],
    },
    title: { schema: filled(TITLE_CHARS_MAX), about: "what people read", otherwise: "the name" },
    labels: {
      schema: named(text(LABEL_CHARS_MAX)),
      about: "names and texts of your own; conditions read them as `resource.labels.NAME`",
      otherwise: "none",
      examples: [{ env: "prod", team: "payments" }],
    },
    owners: {
      schema: list({ type: "string", pattern: `^(?:${owner})$` }, { uniqueItems: true }),
      about: "`group:NAME` and `user:HANDLE`; what `owners` means in an approval step",
      otherwise: "none",
      examples: [["group:payments-leads"]],
    },
    connection: {
      schema: { type: "object" },
      about: `how Tidegate signs in; its keys are the connector's. Secrets only as \`\${env:NAME}\` or \`\${file:PATH}\``,
      required: true,
    },
    drift: {
      schema: { enum: [...DRIFT_POLICIES] },
      about:
        "what is done about access that the ledger does not know, or that differs from it: told; or also put right. What is more than was approved is taken back in either case",
      otherwise: "`report`",
    },
    entitlements: { schema: named(section("entitlement")), about: "what may be asked for, by name", required: true },
  },
};

const entitlement: Section = {
  title: "resources.NAME.entitlements.NAME",
  about: "A named, narrow permission on a resource.",
  keys: {
    title: { schema: filled(TITLE_CHARS_MAX), about: "what people read", otherwise: "the name" },
    risk: { schema: { enum: [...RISKS] }, about: "conditions read it as `entitlement.risk`", otherwise: "medium" },
    max_duration: {
      schema: duration,
      about: "nothing is given for longer, whatever a rule says",
      required: true,
      examples: ["8h"],
    },
    scope: {
      schema: { type: "object" },
      about: "what exactly it allows; its keys are the connector's",
      required: true,
    },
  },
};

const principal: Section = {
  title: "principals.HANDLE",
  about: "A person or a service. The handle is what people type, and what `user:HANDLE` and `user.name` mean.",
  keys: {
    name: { schema: filled(WORD_CHARS_MAX), about: "what people read", otherwise: "the handle" },
    email: {
      schema: { ...text(WORD_CHARS_MAX), pattern: EMAIL_PATTERN },
      about: "an e-mail address",
      otherwise: "none",
    },
    type: {
      schema: text(WORD_CHARS_MAX),
      about: "a word of your own; conditions read it as `user.type`",
      otherwise: "empty",
      examples: ["employee", "contractor"],
    },
    groups: { schema: list(group, { uniqueItems: true }), about: "names, without `group:`", otherwise: "none" },
    oncall_tier: {
      schema: { type: "integer", minimum: 0, maximum: ON_CALL_TIER_MAX },
      about: "0 is not on call, 1 the first line, and so on",
      otherwise: "0",
    },
    roles: {
      schema: list({ enum: [...ROLES] }),
      about: "what they may do inside Tidegate; everybody is a member",
      otherwise: "member",
    },
    active: { schema: { type: "boolean" }, about: "false ends all their access at once", otherwise: "true" },
    kind: { schema: { enum: ["user", "service"] }, about: "services ask, and never approve", otherwise: "user" },
    tokens: { schema: list(section("token")), about: "what they sign in with", otherwise: "none" },
  },
};

const token: Section = {
  title: "principals.HANDLE.tokens",
  about: "`tidegate token create NAME` makes one and prints the line.",
  keys: {
    name: { schema: name, about: "what it is for; unique for this person", required: true, examples: ["laptop"] },
    hash: {
      schema: { type: "string", pattern: HASH_PATTERN },
      about: "the hash of the token, never the token",
      required: true,
    },
    expires: { schema: time, about: "a time with a zone", otherwise: "never", examples: ["2027-01-31T00:00:00Z"] },
  },
};

const ruleName: Key = { schema: name, about: "unique; decisions name their rule", required: true };

const denyRule: Section = {
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

const approveRule: Section = {
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
  },
};

const reason: Section = {
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

const step: Section = {
  title: "policies: a step of approve",
  about: "Steps run side by side; one person fills one place in all of them, and nobody approves their own request.",
  keys: {
    by: {
      schema: list({ type: "string", pattern: `^(?:owners|${owner})$` }, { minItems: 1, uniqueItems: true }),
      about: "who may: `group:NAME`, `user:HANDLE` or `owners`",
      required: true,
      examples: [["owners", "group:sre-leads"]],
    },
    count: {
      schema: { type: "integer", minimum: 1, maximum: COUNT_MAX },
      about: "how many different people",
      otherwise: "1",
    },
  },
};

const test: Section = {
  title: "tests",
  about: "A case that `tidegate policy test` decides.",
  keys: {
    name: { schema: filled(TEST_NAME_CHARS_MAX), about: "unique; what is to hold", required: true },
    given: { schema: section("given"), about: "who asks for what", required: true },
    expect: { schema: section("expect"), about: "what the rules must decide", required: true },
  },
};

const given: Section = {
  title: "tests: given",
  about: "Who asks for what, and when.",
  keys: {
    user: {
      schema: { oneOf: [{ type: "string" }, section("givenUser")] },
      about: "a handle of `principals`, or facts written out",
      otherwise: "nobody in particular",
    },
    oncall_tier: {
      schema: { type: "integer", minimum: 0, maximum: ON_CALL_TIER_MAX },
      about: "as of a principal",
      otherwise: "of the person, or 0",
    },
    entitlement: { schema: { type: "string" }, about: "one that exists", required: true, examples: ["orders-db:read"] },
    duration: { schema: duration, about: "how long", otherwise: "1h, or the entitlement's longest if shorter" },
    ticket: { schema: { type: "string" }, about: "the ticket", otherwise: "empty", examples: ["INC-42"] },
    reason: { schema: { type: "string" }, about: "the reason", otherwise: "empty" },
    now: { schema: time, about: "a time with a zone", otherwise: "when the test runs" },
  },
};

const givenUser: Section = {
  title: "tests: given.user",
  about: "Facts about somebody who need not exist.",
  keys: {
    name: { schema: { type: "string" }, about: "the handle", otherwise: "empty" },
    type: { schema: { type: "string" }, about: "as of a principal", otherwise: "empty" },
    groups: { schema: list(group, { uniqueItems: true }), about: "as of a principal", otherwise: "none" },
    email: { schema: { type: "string" }, about: "as of a principal", otherwise: "empty" },
  },
};

const expect: Section = {
  title: "tests: expect",
  about: "What the rules must decide.",
  keys: {
    decision: { schema: { enum: ["automatic", "needs-approval", "denied"] }, about: "the outcome", required: true },
    rule: { schema: { type: "string" }, about: "the rule that must decide", otherwise: "any" },
  },
};

/** In the order in which people read them. */
export const FORMAT = {
  ...{ file, resource, entitlement, denyRule, approveRule, step, reason, principal, token },
  ...{ test, given, givenUser, expect, channel, defaults },
};
