/** The keys of signing in through a company's provider. */
import { SIGNAL_ENDS } from "../domain/signal.ts";
import {
  duration,
  filled,
  GROUP_PATTERN,
  list,
  name,
  named,
  type Section,
  scopes,
  section,
  TITLE_CHARS_MAX,
  URL_CHARS_MAX,
  WORD_CHARS_MAX,
} from "./format-words.ts";

const claim = (about: string, otherwise: string, ...examples: string[]) => ({
  schema: filled(WORD_CHARS_MAX),
  about,
  otherwise,
  examples,
});

const identity: Section = {
  title: "identity",
  about: "Signing in with the company's own provider ([how](identity.md)).",
  keys: {
    url: {
      schema: filled(URL_CHARS_MAX),
      about: "where browsers reach Tidegate: `https://HOST`, or `http://` on this very machine; nothing after it",
      required: true,
      examples: ["https://tidegate.example.com"],
    },
    providers: { schema: named(section("provider")), about: "providers, by names of your own", required: true },
    sessions: { schema: section("sessions"), about: "how long somebody stays signed in" },
    signals: { schema: named(section("signal")), about: "who may say that a session is over", otherwise: "nobody" },
  },
};

const sessions: Section = {
  title: "identity.sessions",
  about: "How long a browser stays signed in.",
  keys: {
    idle: { schema: duration, about: "not used for so long, it ends: 1m to 7d", otherwise: "8h", examples: ["1h"] },
    longest: { schema: duration, about: "it ends in any case: 5m to 30d", otherwise: "24h", examples: ["12h"] },
  },
};

const signal: Section = {
  title: "identity.signals.NAME",
  about: "A transmitter of shared signals. It pushes them to the `url`, then `/signals/NAME`.",
  keys: {
    provider: { schema: name, about: "whose people it speaks of", required: true },
    issuer: { schema: filled(URL_CHARS_MAX), about: "of its tokens", otherwise: "that of the provider" },
    jwks_uri: {
      schema: filled(URL_CHARS_MAX),
      about: "where its keys are",
      otherwise: "read from `/.well-known/ssf-configuration` of the issuer",
    },
    audience: { schema: filled(URL_CHARS_MAX), about: "of its tokens", otherwise: "the address that it pushes to" },
    ends: {
      schema: { enum: [...SIGNAL_ENDS] },
      about: "`sessions`: those here; `access`: every live grant, too",
      otherwise: "`access`",
    },
  },
};

const provider: Section = {
  title: "identity.providers.NAME",
  about:
    "A provider that speaks OpenID Connect. It is told the address to come back to: the `url`, then `/auth/callback/NAME`.",
  keys: {
    title: { schema: filled(TITLE_CHARS_MAX), about: "what people read", otherwise: "the name" },
    issuer: {
      schema: filled(URL_CHARS_MAX),
      about: "as the provider names itself, letter by letter; its settings are found below it",
      required: true,
      examples: ["https://example.okta.com"],
    },
    client_id: { schema: filled(WORD_CHARS_MAX), about: "what the provider calls Tidegate", required: true },
    client_secret: {
      schema: filled(URL_CHARS_MAX),
      about: "what Tidegate shows to the provider, as a reference",
      otherwise: "none: a public client",
      examples: [`\${env:OIDC_SECRET}`],
    },
    scopes: {
      schema: list(filled(WORD_CHARS_MAX), { minItems: 1, uniqueItems: true }),
      about: "what is asked for; `openid` must be among them",
      otherwise: "`[openid, profile, email]`",
      examples: [["openid", "profile", "email", "groups"]],
    },
    claims: { schema: section("claims"), about: "which claim says what" },
    groups: {
      schema: {
        type: "object",
        propertyNames: filled(WORD_CHARS_MAX),
        additionalProperties: { type: "string", pattern: GROUP_PATTERN },
      },
      about: "group there → group here; others do not count",
      otherwise: "all groups, as they are called there",
      examples: [{ "Payments Engineers": "payments" }],
    },
    scim: { schema: section("scim"), about: "it tells of people and groups by itself ([how](identity.md#scim))" },
  },
};

const scim: Section = {
  title: "identity.providers.NAME.scim",
  about:
    "The provider sends its people and groups to the `url`, then `/scim/v2` ([how](identity.md#scim)). Who may sign in, and with which groups, is then what it says there.",
  keys: {
    tokens: {
      schema: list(filled(URL_CHARS_MAX), { minItems: 1, maxItems: 2, uniqueItems: true }),
      about: "what the provider sends, as references: of 32 characters or more; two while one is changed",
      required: true,
      examples: [[`\${env:OKTA_SCIM_TOKEN}`]],
    },
    claim: claim("who signs in with it is the user with this `externalId`", "`sub`", "oid"),
  },
};

const claims: Section = {
  title: "identity.providers.NAME.claims",
  about: "Which claim says what. `realm_access.roles` is a way into one.",
  keys: {
    handle: claim("what people type; once given it stays", "`preferred_username`", "upn"),
    name: claim("what people read", "`name`"),
    email: claim("an e-mail address; never who somebody is", "`email`"),
    groups: claim("their groups: who comes without it is not let in", "nobody is in a group", "groups"),
    type: claim("what conditions read as `user.type`", "empty", "user_type"),
    manager: claim("the handle of their manager", "nobody", "manager"),
  },
};

const declaredIdentity: Section = {
  title: "principals.HANDLE.identities",
  about: "Who this person is at a provider. What the file says of them counts, and not what the provider says.",
  keys: {
    provider: { schema: name, about: "a provider of `identity`", required: true },
    subject: {
      schema: filled(255),
      about: "the `sub` by which it knows them; never an e-mail address that may be given to somebody else",
      required: true,
    },
    scim: {
      schema: filled(WORD_CHARS_MAX),
      about: "their `externalId` in SCIM: when the provider says there that they have left, they have",
      otherwise: "SCIM changes nothing of them",
    },
  },
};

const workload: Section = {
  title: "principals.HANDLE.workloads",
  about:
    "Jobs of a platform, such as a CI system, that get a token of this service for their own ([how](identity.md#jobs-of-a-ci-system)).",
  keys: {
    issuer: {
      schema: filled(URL_CHARS_MAX),
      about: "as the platform names itself, letter by letter",
      required: true,
      examples: ["https://token.actions.githubusercontent.com"],
    },
    audience: { schema: filled(URL_CHARS_MAX), about: "what its token must be for", required: true },
    claims: {
      schema: { type: "object", additionalProperties: { type: ["string", "array"] }, minProperties: 1 },
      about: "claim → value, or a list of those that it may have; all must hold",
      required: true,
      examples: [{ repository: "acme/deploy", ref: "refs/heads/main" }],
    },
    lifetime: { schema: duration, about: "of the token that it gets: 1m to 1h", otherwise: "15m" },
    scopes,
  },
};

export const IDENTITY_FORMAT = { identity, signal, workload, provider, claims, scim, sessions, declaredIdentity };
