/** Who may call what: the one table that every route is tested by, and that docs/roles.md shows. */
import { type NeededScope, SCOPES } from "../../src/base/scope.ts";
import { contract } from "../../src/contract/contract.ts";
import { neededScope } from "../../src/contract/scopes.ts";
import type { Role } from "../../src/domain/principal.ts";

/** What an answer may be: good, or the code of the refusal. */
export type Verdict =
  | "yes"
  | "not-found"
  | "forbidden"
  | "self-review"
  | "not-an-approver"
  | "policy-denied"
  | "no-emergency";

export type Row = {
  readonly route: string;
  /** Of somebody whom the thing does not concern, by role. */
  readonly verdicts: Readonly<Record<Role, Verdict>>;
  /** Who may besides, because it concerns them. */
  readonly besides: string;
};

const row = (
  route: string,
  member: Verdict,
  auditor: Verdict,
  operator: Verdict,
  admin: Verdict,
  besides = "",
): Row => ({
  route,
  verdicts: { member, auditor, operator, admin },
  besides,
});
const everybody = (route: string, besides = ""): Row => row(route, "yes", "yes", "yes", "yes", besides);
const nobody = (route: string, refused: Verdict, besides: string): Row =>
  row(route, refused, refused, refused, refused, besides);

/** Whom a request, and the grant that came of it, concerns. */
const CONCERNED = "who asked, who may review it";

/** Routes that answer without a token, to anybody. */
export const OPEN: readonly (readonly [route: string, who: string])[] = [
  ["GET /healthz", "anybody"],
  ["GET /readyz", "anybody"],
  ["GET /v1/openapi.json", "anybody"],
  ["POST /v1/login", "anybody: the provider says who it is"],
  ["POST /v1/login/token", "the command line that began to sign in"],
  ["POST /v1/login/renew", "a command line, by its token"],
];

const SCIM = [
  ...["ServiceProviderConfig", "ResourceTypes", "ResourceTypes/:id", "Schemas", "Schemas/:id"].map(
    (it) => `GET /${it}`,
  ),
  ...["Users", "Groups"].flatMap((it) => [
    `POST /${it}/.search`,
    ...["GET", "POST"].map((method) => `${method} /${it}`),
    ...["GET", "PUT", "PATCH", "DELETE"].map((method) => `${method} /${it}/:id`),
  ]),
].map((route) => route.replace(" ", " /scim/v2"));

/** Routes beside the contract. No token of a person, not even an admin's, changes what they answer: who may says something else. */
export const BESIDE: readonly (readonly [route: string, who: string])[] = [
  ["GET /", "anybody: browsers are sent to the page of sessions"],
  ["GET /auth/sign-in", "anybody"],
  ["GET /auth/sign-in/:provider", "anybody"],
  ["GET /auth/callback/:provider", "the browser that began to sign in, once"],
  ["GET /auth/sessions", "who is signed in in this browser: their own"],
  ["GET /auth/step-up/:id", "who was given the address"],
  ["GET /auth/step-up/:id/sign-in", "the same, from a page of ours: the provider says whether it is who they are"],
  ["POST /auth/step-up/:id/passkey", "the same, from a page of ours, with a passkey of whoever asked"],
  ["GET /auth/passkeys", "who is signed in in this browser: their own"],
  ["POST /auth/passkeys", "the same, from a page of ours, who has just signed in"],
  ["POST /auth/passkeys/remove", "the same, from a page of ours: their own"],
  ["GET /auth/passkey.js", "anybody"],
  ["GET /auth/cli", "the browser of who began to sign in on a command line"],
  ["POST /auth/cli", "the same, from a page of ours"],
  ["POST /auth/sign-out", "who is signed in in this browser: their own, from a page of ours"],
  ["POST /auth/logout/:provider", "the provider, by a logout token"],
  ["POST /signals/:transmitter", "the transmitter, by a security event token"],
  ["POST /auth/token", "a workload, by a token of the issuer that vouches for it"],
  ...SCIM.map((route) => [route, "a provider, by its token of SCIM"] as const),
];

export const ROLES_TABLE: readonly Row[] = [
  everybody("POST /v1/requests", "policy decides"),
  everybody("GET /v1/requests", "those that one may see"),
  row("GET /v1/requests/{id}", "not-found", "yes", "yes", "yes", CONCERNED),
  nobody("PATCH /v1/requests/{id}", "not-found", "who asked"),
  nobody("POST /v1/requests/{id}/reviews", "not-an-approver", "who may review it; nobody their own"),
  row("POST /v1/requests/{id}/comments", "not-found", "forbidden", "yes", "yes", CONCERNED),
  row("POST /v1/requests/{id}/cancel", "not-found", "not-found", "yes", "yes", "who asked"),
  everybody("GET /v1/emergencies", "those that one may see"),
  nobody("POST /v1/requests/{id}/emergency-review", "not-an-approver", "who is to review it; nobody their own"),
  everybody("POST /v1/bundles", "policy decides on each"),
  row("GET /v1/bundles/{id}", "not-found", "yes", "yes", "yes", CONCERNED),
  nobody("POST /v1/bundles/{id}/reviews", "not-an-approver", "who may review one of it"),
  row("POST /v1/bundles/{id}/cancel", "not-found", "not-found", "yes", "yes", "who asked"),
  everybody("GET /v1/grants", "those that one may see"),
  row("GET /v1/grants/{id}", "not-found", "yes", "yes", "yes", CONCERNED),
  row("GET /v1/grants/{id}/receipt", "not-found", "yes", "yes", "yes", "whose it is"),
  nobody("POST /v1/grants/{id}/activate", "not-found", "whose it is"),
  nobody("POST /v1/grants/{id}/extend", "not-found", "whose it is; policy decides"),
  row("POST /v1/grants/{id}/revoke", "not-found", "not-found", "yes", "yes", "whose it is, who may approve it"),
  nobody("POST /v1/grants/{id}/credential", "not-found", "whose it is"),
  everybody("GET /v1/resources"),
  everybody("POST /v1/explain", "for somebody else: auditors, operators, admins"),
  row("GET /v1/entitlements/{id}/people", "forbidden", "yes", "yes", "yes", "owners of the resource"),
  row("GET /v1/principals/{id}/access", "forbidden", "yes", "yes", "yes", "that person"),
  everybody("GET /v1/away", "whom one stands in for"),
  everybody("PUT /v1/me/away"),
  everybody("DELETE /v1/me/away"),
  row("PUT /v1/principals/{id}/away", "forbidden", "forbidden", "forbidden", "yes", "that person"),
  row("DELETE /v1/principals/{id}/away", "forbidden", "forbidden", "forbidden", "yes", "that person"),
  row("POST /v1/principals/{id}/erase", "forbidden", "forbidden", "forbidden", "yes"),
  row("POST /v1/panics", "forbidden", "forbidden", "yes", "yes"),
  row("GET /v1/panics", "forbidden", "yes", "yes", "yes"),
  row("GET /v1/panics/{id}", "forbidden", "yes", "yes", "yes"),
  row("POST /v1/panics/{id}/lift", "forbidden", "forbidden", "forbidden", "yes"),
  row("GET /v1/drift", "forbidden", "yes", "yes", "yes"),
  row("POST /v1/drift/sweep", "forbidden", "yes", "yes", "yes"),
  row("GET /v1/drift/others", "forbidden", "yes", "yes", "yes"),
  row("GET /v1/policy", "forbidden", "yes", "forbidden", "yes"),
  row("GET /v1/policy/requests", "forbidden", "yes", "yes", "yes"),
  row("GET /v1/review", "forbidden", "yes", "forbidden", "yes"),
  row("GET /v1/evidence", "forbidden", "yes", "yes", "yes"),
  row("GET /v1/config/versions", "forbidden", "yes", "forbidden", "yes"),
  row("GET /v1/config/diff", "forbidden", "yes", "forbidden", "yes"),
  row("GET /v1/config/waiting", "forbidden", "yes", "forbidden", "yes"),
  row("POST /v1/config/versions/{id}/confirm", "forbidden", "forbidden", "forbidden", "yes"),
  row("POST /v1/config/versions/{id}/reject", "forbidden", "forbidden", "forbidden", "yes"),
  row("GET /v1/audit", "forbidden", "yes", "forbidden", "yes", "of one request or grant: who may see it"),
  everybody("GET /v1/events", "what concerns them"),
  everybody("GET /v1/audit/checkpoint"),
  everybody("GET /v1/audit/keys"),
  everybody("GET /v1/audit/proof"),
  everybody("GET /v1/audit/consistency"),
  row("GET /v1/audit/export", "forbidden", "yes", "forbidden", "yes"),
  everybody("GET /v1/messages", "their own; all: auditors, operators, admins"),
  row("GET /v1/messages/{id}", "not-found", "yes", "yes", "yes", "to whom it is"),
  everybody("GET /v1/me"),
  everybody("GET /v1/sessions", "their own; of others: admins"),
  row("DELETE /v1/sessions/{id}", "not-found", "not-found", "not-found", "yes", "whose it is"),
  nobody("GET /v1/step-ups/{id}", "not-found", "who is to show who they are"),
  everybody("GET /v1/tokens", "their own; everybody's: auditors, admins"),
  everybody("POST /v1/tokens", "for themselves; for a service: admins"),
  row(
    "POST /v1/tokens/{id}/rotate",
    "not-found",
    "not-found",
    "not-found",
    "forbidden",
    "whose it is; of a service: admins",
  ),
  row("DELETE /v1/tokens/{id}", "not-found", "not-found", "not-found", "yes", "whose it is"),
  everybody("GET /v1/passkeys", "their own; of others: admins"),
  row("DELETE /v1/passkeys/{id}", "not-found", "not-found", "not-found", "yes", "whose it is"),
  row("GET /metrics", "forbidden", "yes", "yes", "yes"),
  row("GET /v1/health", "forbidden", "yes", "yes", "yes"),
  row("GET /v1/targets", "forbidden", "yes", "yes", "yes"),
];

/** What a token that has scopes needs for each route of the contract. */
export const SCOPE_OF: ReadonlyMap<string, NeededScope> = new Map(
  Object.entries(contract).flatMap(([group, routes]) =>
    Object.entries(routes).map(([name, { "~orpc": definition }]): [string, NeededScope] => {
      const { method, path } = definition.route as { method?: string; path?: string };
      return [`${method} ${path}`, neededScope(group, name)];
    }),
  ),
);
const scopeCell = (route: string): string => {
  const needed = SCOPE_OF.get(route) ?? "none";
  return needed === "any" ? "any" : needed === "none" ? "–" : `\`${needed}\``;
};

/** As docs/roles.md shows it. */
export const rolesTables = (): string =>
  [
    "| route | member | auditor | operator | admin | besides | scope |",
    "|---|---|---|---|---|---|---|",
    ...ROLES_TABLE.map(({ route, verdicts, besides }) => {
      const cells = Object.values(verdicts).map((verdict) => (verdict === "yes" ? "yes" : "–"));
      return `| \`${route}\` | ${[...cells, besides, scopeCell(route)].join(" | ")} |`;
    }),
    "",
    "These look at no role:",
    "",
    "| route | who |",
    "|---|---|",
    ...[...OPEN, ...BESIDE].map(([route, who]) => `| \`${route}\` | ${who} |`),
    "",
    "A token may be narrowed to scopes ([how](identity.md#scopes)); it then does only what its scopes *and* the roles of its owner allow:",
    "",
    "| scope | what |",
    "|---|---|",
    ...Object.entries(SCOPES).map(([scope, what]) => `| \`${scope}\` | ${what} |`),
  ].join("\n");
