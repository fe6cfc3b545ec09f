/** Mistakes in what a rule demands, for the table of `mistakes.test.ts`. */

/** `»` marks the place in the file at which the mistake must be reported. */
export type Case = [what: string, from: string, to: string, says: RegExp, hint?: RegExp];

export const BY = "[{ by: [owners] }]";
const TICKET = "    ticket: required";

export const DEMANDS: readonly Case[] = [
  ["a misspelt field in a step's if", BY, "[{ by: [owners], if: 'user.»grups == []' }]", /user\.grups: no such field/],
  ["an escalation to nobody", BY, "[{ by: [owners], »escalate: { after: 1h } }]", /escalate\.to is missing/],
  [
    "an escalation to an empty list",
    BY,
    "[{ by: [owners], escalate: { after: 1h, to: »[] } }]",
    /nobody could approve/,
  ],
  ["a fallback to nobody", BY, "[{ by: [owners], fallback: »[] }]", /nobody could approve/],
  ["a limit without a time", TICKET, "    »limit: { count: 5 }", /limit\.within is missing/],
  ["a limit of none", TICKET, "    limit: { count: »0, within: 7d }", /whole number from 1 to 1000/],
  [
    "a limit by no group",
    TICKET,
    "    limit: { per: »team, count: 1, within: 7d }",
    /team cannot be counted by/,
    /group:NAME/,
  ],
  ["an emergency that nobody looks at", TICKET, "    »emergency: {}", /review_by is missing/, /group:security/],
  [
    "an open_max that lets nobody in",
    TICKET,
    '    emergency: { review_by: ["group:security"], open_max: »0 }',
    /open_max must be/,
  ],
  ["hours in no zone", TICKET, '    »hours: { from: "08:00" }', /hours\.zone is missing/, /Europe\/Berlin/],
  [
    "hours in a zone that there is not",
    TICKET,
    "    hours: { zone: »Europe/Berln }",
    /Europe\/Berln is not a time zone/,
  ],
  ["a time of day that is none", TICKET, '    hours: { zone: UTC, to: »"25:00" }', /25:00 is not a time of day/],
  ["a day that is none", TICKET, "    hours: { zone: UTC, days: [»monday] }", /monday is not one of/, /mon/],
  ["no days at all", TICKET, "    hours: { zone: UTC, days: »[] }", /would never apply/],
  [
    "a sign-in that nobody could be in time for",
    TICKET,
    "    authentication: { request: { max_age: »30s } }",
    /is over before/,
  ],
  [
    "a demand for nothing",
    TICKET,
    "    authentication: { »review: {} }",
    /review demands nothing/,
    /max_age, acr or passkey/,
  ],
  [
    "a kind of sign-in that is no word",
    TICKET,
    '    authentication: { request: { acr: [»"a b"] } }',
    /no value of acr/,
  ],
  ["a kind that is among none", TICKET, "    authentication: { request: { acr: »[] } }", /nobody could meet it/],
  ["a passkey of another word", TICKET, "    authentication: { review: { passkey: »true } }", /passkey must be/],
  ["extensions of another word", TICKET, "    extensions: »never", /never is not one of none/],
  ["an activation that is none", TICKET, "    activation: »later", /later is not one of on-approval, on-use/],
  [
    "a gateway, which there is not",
    TICKET,
    "    via: »gateway",
    /there is no gateway in this version/,
    /never given instead/,
  ],
];
