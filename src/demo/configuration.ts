/** The demo's tidegate.yaml: a small but complete policy for one database. */
import { CLIENT_ID, PROVIDER_NAME } from "./identity-provider.ts";
import { PEOPLE, subjectOf } from "./people.ts";

/** The file with the admin URL of production, beside the configuration. */
export const ADMIN_URL_FILE = "production-admin.url";

/** The file with what Tidegate shows to the demo's identity provider. */
export const CLIENT_SECRET_FILE = "identity-provider.secret";

/** Where browsers find Tidegate, and the demo's identity provider. */
export type Addresses = { readonly url: string; readonly issuer: string };

const KEPT = "# the demo keeps this address right";
const KEPT_LINE = new RegExp(`^( *)(url|issuer): (\\S+) ${KEPT}$`, "gm");

/** Those that the text has; null where nobody signs in through the demo's provider by it. */
export function addressesIn(text: string): Addresses | null {
  const { url, issuer } = Object.fromEntries(Array.from(text.matchAll(KEPT_LINE), ([, , key, value]) => [key, value]));
  return url === undefined || issuer === undefined ? null : { url, issuer };
}

/** The text with others, where a port has been taken by somebody else meanwhile. */
export const withAddresses = (text: string, addresses: Addresses): string =>
  text.replaceAll(
    KEPT_LINE,
    (_line, indent: string, key: keyof Addresses) => `${indent}${key}: ${addresses[key]} ${KEPT}`,
  );

const identityOf = ({ url, issuer }: Addresses): string => `
# Browsers sign in through the demo's own identity provider, the way they would through a company's.
identity:
  url: ${url} ${KEPT}
  providers:
    ${PROVIDER_NAME}:
      title: the demo's identity provider
      issuer: ${issuer} ${KEPT}
      client_id: ${CLIENT_ID}
      client_secret: "\${file:${CLIENT_SECRET_FILE}}"
      scopes: [openid, profile, email, groups]
      claims: { groups: groups, type: type }
`;

/** `hashes`: the token hash of each person, by handle. `addresses`: null where nobody signs in with a browser. */
export function demoConfiguration(
  hashes: Readonly<Record<string, string>>,
  addresses: Addresses | null = null,
): string {
  const people = PEOPLE.map(
    (person) => `  ${person.handle}:
    name: ${person.name}
    email: ${person.handle}@example.com
    type: ${person.type}
    groups: [${person.groups.join(", ")}]
    oncall_tier: ${person.onCallTier}
    roles: [${person.roles.join(", ")}]
    tokens: [{ name: demo, hash: "${hashes[person.handle]}" }]
${addresses === null ? "" : `    identities: [{ provider: ${PROVIDER_NAME}, subject: ${subjectOf(person)} }]\n`}`,
  ).join("");
  return `# The demo's configuration. Change it, then start the demo again with the same --dir.
version: 1

resources:
  orders-db:
    connector: postgres
    title: Orders database
    labels: { env: prod, team: payments }
    owners: [group:payments-leads]
    connection: { url: "\${file:${ADMIN_URL_FILE}}" }
    entitlements:
      read:
        title: Read orders and customers
        risk: medium
        max_duration: 8h
        scope:
          database: orders
          grants:
            - { schema: public, tables: [orders], privileges: [SELECT] }
            - { schema: public, tables: [customers], columns: [id, name], privileges: [SELECT] }
          read_only: true
          statement_timeout: 30s
      fix:
        title: Correct orders
        risk: high
        max_duration: 2h
        scope:
          database: orders
          grants:
            - { schema: public, tables: [orders], privileges: [SELECT, UPDATE] }
            - { schema: public, tables: [customers], columns: [id, name], privileges: [SELECT] }
          statement_timeout: 30s

bundles:
  incident-kit:
    title: Look into orders and mend them
    entitlements: ["orders-db:read", "orders-db:fix"]

policies:
  - name: no-contractors-on-payments
    deny: 'user.type == "contractor" && resource.labels.team == "payments"'

  - name: on-call-reads-in-an-incident
    when: 'oncall.tier in [1, 2] && entitlement.risk != "high" && request.ticket.matches("^INC-[0-9]+$")'
    approve: automatically
    max_duration: 2h

  - name: high-risk-needs-security-too
    when: '"payments" in user.groups && resource.labels.team == "payments" && entitlement.risk == "high"'
    approve:
      - { by: [owners], count: 1 }
      - { by: [group:security], count: 1 }
    ticket: required
    reason: { min_length: 15 }

  - name: payments-engineers
    when: '"payments" in user.groups && resource.labels.team == "payments"'
    approve:
      - { by: [owners], count: 1 }
    reason: { min_length: 15 }

  - name: break-glass
    emergency: { review_by: [group:security], within: 24h }
    when: 'oncall.tier in [1, 2]'
    approve: automatically
    max_duration: 1h

principals:
${people}${addresses === null ? "" : identityOf(addresses)}
tests:
  - name: a payments engineer needs a lead
    given: { user: { groups: [payments] }, entitlement: "orders-db:read", duration: 1h, reason: checking slow checkouts }
    expect: { decision: needs-approval, rule: payments-engineers }
  - name: on call with an incident reads at once
    given: { user: { groups: [payments] }, oncall_tier: 1, entitlement: "orders-db:read", duration: 1h, ticket: INC-42, reason: checkouts fail }
    expect: { decision: automatic, rule: on-call-reads-in-an-incident }
  - name: in an emergency who is on call corrects orders at once
    given: { user: { groups: [payments] }, oncall_tier: 1, entitlement: "orders-db:fix", duration: 30m, emergency: true, reason: checkouts fail }
    expect: { decision: automatic, rule: break-glass }
  - name: a contractor gets nothing
    given: { user: { type: contractor, groups: [payments] }, entitlement: "orders-db:read", duration: 1h, reason: checking slow checkouts }
    expect: { decision: denied, rule: no-contractors-on-payments }
`;
}
