/**
 * The keys of a configuration, section by section: the reader knows no others, and the JSON Schema and the reference are
 * made from the same table, so that what editors offer and what the documents say is what is understood.
 */
import { BUNDLE_MAX } from "../domain/bundle.ts";
import { DRIFT_POLICIES } from "../domain/drift.ts";
import { RISKS } from "../domain/entitlement.ts";
import { ROLES } from "../domain/principal.ts";
import { AUDIT_FORMAT } from "./format-audit.ts";
import { facts, onCallSource, SCHEDULE_FORMAT, ticketSource } from "./format-facts.ts";
import { IDENTITY_FORMAT } from "./format-identity.ts";
import { channel } from "./format-notify.ts";
import {
  approveRule,
  authentication,
  demandSection,
  denyRule,
  emergency,
  escalate,
  extensions,
  hours,
  limit,
  reason,
  step,
} from "./format-policies.ts";
import { expect, given, givenExtension, givenHistory, givenTicket, givenUser, test } from "./format-tests.ts";
import {
  COUNT_MAX,
  duration,
  EMAIL_PATTERN,
  EMERGENCY_SWITCH,
  filled,
  group,
  HASH_PATTERN,
  LABEL_CHARS_MAX,
  list,
  name,
  named,
  ON_CALL_TIER_MAX,
  owner,
  type Section,
  scopes,
  section,
  TITLE_CHARS_MAX,
  text,
  time,
  WORD_CHARS_MAX,
} from "./format-words.ts";

const file: Section = {
  title: "The file",
  about: "What there is in production, who there is, and what policy says.",
  keys: {
    version: { schema: { const: 1 }, about: "the version of this format", required: true, examples: [1] },
    resources: { schema: named(section("resource")), about: "what there is, by name", required: true },
    bundles: { schema: named(section("bundle")), about: "what is asked for as one, by name", otherwise: "none" },
    policies: { schema: list(section("rule")), about: "the rules, in order", required: true },
    principals: { schema: named(section("principal")), about: "people and services, by handle", otherwise: "nobody" },
    roles: {
      schema: section("roles"),
      about: "roles that come with groups",
      otherwise: "those that stand under `principals`",
    },
    tests: { schema: list(section("test")), about: "what the rules must decide", otherwise: "none" },
    facts: { schema: section("facts"), about: "services that are asked about the world", otherwise: "none" },
    notify: {
      schema: named(section("channel")),
      about: "where messages go out, by names of your own",
      otherwise: "messages are only in the API and the command line",
    },
    audit: { schema: section("audit"), about: "where the audit log goes outside", otherwise: "nowhere" },
    identity: {
      schema: section("identity"),
      about: "signing in with the company's own provider",
      otherwise: "tokens of the file alone",
    },
    defaults: { schema: section("defaults"), about: "how long things may wait" },
    config: {
      schema: section("changes"),
      about: "how this configuration itself may be changed",
      otherwise: "by whoever changes the file",
    },
  },
};

const changes: Section = {
  title: "config",
  about: "How this configuration itself may be changed. What is active counts, not what a new file says of it.",
  keys: {
    approval: {
      schema: section("approval"),
      about: "a change that may widen access waits until admins have confirmed it",
      otherwise: "every valid change is active at once",
    },
  },
};

const approval: Section = {
  title: "config: approval",
  about: "Who writes the file is not known here: where admins write it themselves, ask for two.",
  keys: {
    count: {
      schema: { type: "integer", minimum: 1, maximum: COUNT_MAX },
      about: "how many different admins",
      otherwise: "1",
      examples: [2],
    },
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
    emergency: {
      schema: { enum: [...EMERGENCY_SWITCH] },
      about: "`off`: nobody gets anything here as an emergency, whatever the rules say",
      otherwise: "`on`: as the rules say",
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

const bundle: Section = {
  title: "bundles.NAME",
  about: "Entitlements that are asked for as one, by this name. Each is decided, granted and ended on its own.",
  keys: {
    title: { schema: filled(TITLE_CHARS_MAX), about: "what people read", otherwise: "the name" },
    entitlements: {
      schema: list({ type: "string" }, { minItems: 1, maxItems: BUNDLE_MAX, uniqueItems: true }),
      about: "entitlements that exist",
      required: true,
      examples: [["orders-db:read", "logs:read"]],
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
    manager: {
      schema: name,
      about: "the handle of their manager; what `manager` means in an approval step",
      otherwise: "nobody",
    },
    active: { schema: { type: "boolean" }, about: "false ends all their access at once", otherwise: "true" },
    kind: { schema: { enum: ["user", "service"] }, about: "services ask, and never approve", otherwise: "user" },
    tokens: { schema: list(section("token")), about: "what they sign in with", otherwise: "none" },
    identities: {
      schema: list(section("declaredIdentity")),
      about: "who they are at providers",
      otherwise: "they sign in with tokens",
    },
    workloads: {
      schema: list(section("workload")),
      about: "of a service: jobs elsewhere that are it",
      otherwise: "none",
    },
  },
};

const ofGroups = (role: string) => ({
  schema: list(group, { uniqueItems: true }),
  about: `whose members are ${role}, as names, without \`group:\``,
  otherwise: "none",
});
const roles: Section = {
  title: "roles",
  about:
    "Roles inside Tidegate that come with a group, whether the file, SCIM or a claim says who is in it, and go with it ([what each may do](roles.md)).",
  keys: { auditor: ofGroups("auditors"), operator: ofGroups("operators"), admin: ofGroups("admins") },
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
    scopes,
  },
};

/** In the order in which people read them. */
export const FORMAT = {
  ...{ changes, approval },
  ...{
    file,
    resource,
    entitlement,
    bundle,
    denyRule,
    approveRule,
    step,
    escalate,
    reason,
    limit,
    hours,
    extensions,
    emergency,
    authentication,
    demand: demandSection,
  },
  ...{ principal, roles, token, ...IDENTITY_FORMAT, facts, onCallSource, ticketSource, ...SCHEDULE_FORMAT },
  ...{ test, given, givenUser, givenTicket, givenHistory, givenExtension, expect, channel, ...AUDIT_FORMAT, defaults },
};
