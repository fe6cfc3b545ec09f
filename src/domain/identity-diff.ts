/** What differs between the providers of two configurations, in words. Secrets are named and never shown. */
import { formatDuration } from "../base/duration.ts";
import type { Configuration } from "./configuration.ts";
import type { ConfigurationChange } from "./configuration-change.ts";
import type { Identity, IdentityProvider } from "./identity.ts";

export function identityChanges(
  before: Configuration["identity"],
  after: Configuration["identity"],
): ConfigurationChange[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  const details = [
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ];
  if (details.length === 0) return [];
  const kind = before === undefined ? "added" : after === undefined ? "removed" : "changed";
  const what = {
    added: "people may sign in through providers",
    removed: "nobody signs in through a provider any more",
    changed: "how people sign in through providers changed",
  }[kind];
  return [{ about: "identity", kind, name: "identity", what, details }];
}

const linesOf = (identity: Identity | undefined): string[] =>
  identity === undefined
    ? []
    : [
        `at ${identity.url}`,
        `sessions: ${formatDuration(identity.sessions.idleMs)} idle, ${formatDuration(identity.sessions.longestMs)} at most`,
        ...identity.providers.flatMap(providerLines),
        ...(identity.signals ?? []).map(
          ({ name, provider, issuer, jwksUri, audience, ends }) =>
            `signals of ${name} about ${provider}: ${issuer} to ${audience}, keys at ${jwksUri ?? "its settings"}, end ${ends}`,
        ),
      ];

function providerLines(provider: IdentityProvider): string[] {
  const { name, issuer, clientId, settings, scopes, claims, groups, scim } = provider;
  // The store, which one of the two may come from, keeps no order of keys.
  const said = Object.entries(claims).flatMap(([what, claim]) => (claim === null ? [] : [`${what} from ${claim}`]));
  return [
    `${name}: ${issuer}, as ${clientId}${Object.keys(settings).length === 0 ? ", a public client" : ""}`,
    `${name}: asks for ${scopes.join(", ")}`,
    `${name}: ${said.sort().join(", ")}`,
    ...Object.values(settings).map((secret) => `${name}: secret ${String(secret)}`),
    ...(scim === undefined
      ? []
      : [`${name}: SCIM with ${[scim.settings["tokens"]].flat().join(", ")}, as ${scim.claim}`]),
    ...Object.entries(groups ?? {}).map(([there, here]) => `${name}: ${there} is ${here}`),
  ];
}
