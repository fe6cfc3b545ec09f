/**
 * What differs between two configurations, in words for people who review access. Everything here is read off the
 * structure; who gains what is in `reach.ts`.
 */
import { canonicalJson } from "../base/canonical.ts";
import { formatDuration } from "../base/duration.ts";
import { auditChanges } from "./audit-diff.ts";
import type { Kit } from "./bundle.ts";
import type { DeclaredChannel } from "./channel.ts";
import type { Configuration, DeclaredPrincipal } from "./configuration.ts";
import type { ConfigurationChange } from "./configuration-change.ts";
import type { Entitlement } from "./entitlement.ts";
import { factChanges } from "./facts-diff.ts";
import { identityChanges } from "./identity-diff.ts";
import type { Rule } from "./policy.ts";
import { reachChanges } from "./reach.ts";
import type { Resource } from "./resource.ts";
import { roleChanges } from "./role-groups.ts";
import { ruleLines } from "./rule-words.ts";

/** Who gains and loses what first, then the sections in the order of the file. */
export function diffConfigurations(before: Configuration, after: Configuration): ConfigurationChange[] {
  return [
    ...reachChanges(before, after),
    ...resourceChanges(before.resources, after.resources),
    ...bundleChanges(before.bundles ?? {}, after.bundles ?? {}),
    ...ruleChanges(before.policies, after.policies),
    ...principalChanges(before.principals, after.principals),
    ...roleChanges(before, after),
    ...testChanges(before.tests, after.tests),
    ...channelChanges(before.notify ?? {}, after.notify ?? {}),
    ...auditChanges(before.audit, after.audit),
    ...identityChanges(before.identity, after.identity),
    ...factChanges(before.facts, after.facts),
    ...defaultChanges(before.defaults, after.defaults),
  ];
}

type Change = ConfigurationChange;
const was = (text: string): string => `- ${text}`;
const is = (text: string): string => `+ ${text}`;
/** Whatever the order of keys: the store, which one of the two may come from, keeps none. */
const same = (a: unknown, b: unknown): boolean => inOrder(a) === inOrder(b);
const inOrder = (value: unknown): string => canonicalJson(JSON.parse(JSON.stringify(value ?? null)));
const missing = (from: readonly string[], other: readonly string[]): string[] =>
  from.filter((one) => !other.includes(one));

/** `- x`, `+ y` where a value differs. */
const differing = (label: string, before: string, after: string): string[] =>
  before === after ? [] : [was(`${label}: ${before || "none"}`), is(`${label}: ${after || "none"}`)];

function compare<T>(
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
  tell: { added: (one: T) => Change[]; removed: (one: T) => Change[]; both: (a: T, b: T) => Change[] },
): Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((name) => {
    const a = Object.hasOwn(before, name) ? before[name] : undefined;
    const b = Object.hasOwn(after, name) ? after[name] : undefined;
    if (a === undefined) return b === undefined ? [] : tell.added(b);
    return b === undefined ? tell.removed(a) : tell.both(a, b);
  });
}

function resourceChanges(before: Configuration["resources"], after: Configuration["resources"]): Change[] {
  return compare(before, after, {
    added: (one) => [
      {
        about: "resource",
        kind: "added",
        name: one.name,
        what: `${one.name} was added (${one.connector}: ${one.title})`,
        details: aboutResource(one).map(is),
      },
      ...Object.values(one.entitlements).map(entitlementAdded),
    ],
    removed: (one) => [
      { about: "resource", kind: "removed", name: one.name, what: `${one.name} was removed`, details: [] },
      ...Object.values(one.entitlements).map(entitlementRemoved),
    ],
    both: (a, b) => [
      ...resourceChanged(a, b),
      ...compare(a.entitlements, b.entitlements, {
        added: (one) => [entitlementAdded(one)],
        removed: (one) => [entitlementRemoved(one)],
        both: entitlementChanged,
      }),
    ],
  });
}

const labelsOf = ({ labels }: Resource): string[] =>
  Object.entries(labels)
    .map(([key, value]) => `label ${key}=${value}`)
    .sort();
const aboutResource = (resource: Resource): string[] => [
  `owners: ${resource.owners.join(", ") || "none"}`,
  ...(resource.drift === undefined ? [] : [`drift: ${resource.drift}`]),
  ...(resource.emergency === undefined ? [] : [`emergency: ${resource.emergency}`]),
  ...labelsOf(resource),
];

function resourceChanged(a: Resource, b: Resource): Change[] {
  const connection = [...new Set([...Object.keys(a.connection), ...Object.keys(b.connection)])].sort();
  const details = [
    ...differing("title", a.title, b.title),
    ...differing("connector", a.connector, b.connector),
    ...differing("owners", a.owners.join(", "), b.owners.join(", ")),
    ...differing("drift", a.drift ?? "report", b.drift ?? "report"),
    ...differing("emergency", a.emergency ?? "on", b.emergency ?? "on"),
    ...missing(labelsOf(a), labelsOf(b)).map(was),
    ...missing(labelsOf(b), labelsOf(a)).map(is),
    // Named and not shown: how to reach production is not for everybody who may read this.
    ...connection
      .filter((key) => !same(a.connection[key], b.connection[key]))
      .map((key) => `  connection.${key} is another`),
  ];
  if (details.length === 0) return [];
  return [{ about: "resource", kind: "changed", name: a.name, what: `${a.name} changed`, details }];
}

const entitlementAdded = (one: Entitlement): Change => ({
  about: "entitlement",
  kind: "added",
  name: one.ref,
  what: `${one.ref} was added: ${one.title} (${one.risk} risk, at most ${formatDuration(one.maxDurationMs)})`,
  details: one.describe.map(is),
});
const entitlementRemoved = (one: Entitlement): Change => ({
  about: "entitlement",
  kind: "removed",
  name: one.ref,
  what: `${one.ref} was removed: nobody can ask for it any more; live grants go on until their end`,
  details: one.describe.map(was),
});

function entitlementChanged(a: Entitlement, b: Entitlement): Change[] {
  const details = [
    ...differing("title", a.title, b.title),
    ...differing("risk", a.risk, b.risk),
    ...differing("at most", formatDuration(a.maxDurationMs), formatDuration(b.maxDurationMs)),
    ...missing(a.describe, b.describe).map(was),
    ...missing(b.describe, a.describe).map(is),
  ];
  const scope = a.scopeHash !== b.scopeHash;
  if (!scope && details.length === 0) return [];
  const unseen =
    scope && same(a.describe, b.describe) ? ["  the scope differs in what its description does not show"] : [];
  const what = scope ? `${a.ref} has another scope: live grants keep the old one` : `${a.ref} changed`;
  return [{ about: "entitlement", kind: "changed", name: a.ref, what, details: [...details, ...unseen] }];
}

function ruleChanges(before: readonly Rule[], after: readonly Rule[]): Change[] {
  const old = new Map(before.map((rule) => [rule.name, rule]));
  const names = new Set(after.map((rule) => rule.name));
  const kept = after.filter((rule) => old.has(rule.name)).map((rule) => rule.name);
  const still = longestInOrder(
    kept,
    before.map((rule) => rule.name),
  );
  return [
    ...before
      .filter((rule) => !names.has(rule.name))
      .map(
        (rule): Change => ({
          about: "rule",
          kind: "removed",
          name: rule.name,
          what: `rule ${rule.name} was removed`,
          details: ruleLines(rule).map(was),
        }),
      ),
    ...after.flatMap((rule, index): Change[] => {
      const { name } = rule;
      const place = index === 0 ? "first" : `after ${after[index - 1]?.name}`;
      const known = old.get(name);
      if (known === undefined)
        return [
          {
            about: "rule",
            kind: "added",
            name,
            what: `rule ${name} was added, ${place}`,
            details: ruleLines(rule).map(is),
          },
        ];
      const [lines, earlier] = [ruleLines(rule), ruleLines(known)];
      const details = [...missing(earlier, lines).map(was), ...missing(lines, earlier).map(is)];
      return [
        ...(details.length === 0
          ? []
          : [{ about: "rule", kind: "changed", name, what: `rule ${name} changed`, details } as const]),
        ...(still.has(name)
          ? []
          : [
              {
                about: "rule",
                kind: "moved",
                name,
                what: `rule ${name} moved: it stands ${place} now`,
                details: [],
              } as const,
            ]),
      ];
    }),
  ];
}

/** The most names that stand in the same order in both lists: the fewest others were moved. */
function longestInOrder(names: readonly string[], order: readonly string[]): Set<string> {
  const at = new Map(order.map((name, index) => [name, index]));
  const places = names.map((name) => at.get(name) ?? -1);
  const length: number[] = [];
  const from: number[] = [];
  for (const [i, place] of places.entries()) {
    length[i] = 1;
    from[i] = -1;
    for (let j = 0; j < i; j++)
      if ((places[j] ?? 0) < place && (length[j] ?? 0) + 1 > (length[i] ?? 0)) {
        length[i] = (length[j] ?? 0) + 1;
        from[i] = j;
      }
  }
  const kept = new Set<string>();
  for (let i = length.indexOf(Math.max(...length)); i >= 0; i = from[i] ?? -1) kept.add(names[i] ?? "");
  return kept;
}

function principalChanges(before: readonly DeclaredPrincipal[], after: readonly DeclaredPrincipal[]): Change[] {
  const byHandle = (all: readonly DeclaredPrincipal[]) => Object.fromEntries(all.map((one) => [one.handle, one]));
  return compare(byHandle(before), byHandle(after), {
    added: (one) => [
      {
        about: "principal",
        kind: "added",
        name: one.handle,
        what: `${one.handle} was added`,
        details: aboutPerson(one).map(is),
      },
    ],
    removed: (one) => [
      {
        about: "principal",
        kind: "removed",
        name: one.handle,
        what: `${one.handle} was removed: all their access ends`,
        details: aboutPerson(one).map(was),
      },
    ],
    both: personChanged,
  });
}

const rolesOf = ({ roles }: DeclaredPrincipal): string[] => roles.filter((role) => role !== "member");
const only = (scopes: readonly string[] | undefined): string =>
  scopes === undefined ? "" : `, only ${scopes.join(", ")}`;
const aboutPerson = (one: DeclaredPrincipal): string[] => [
  ...(one.active ? [] : ["not active"]),
  ...(one.kind === "service" ? ["a service"] : []),
  ...(one.type === "" ? [] : [`type: ${one.type}`]),
  ...one.groups.map((group) => `in the group ${group}`),
  ...rolesOf(one).map((role) => `has the role ${role}`),
  ...(one.manager === undefined ? [] : [`managed by ${one.manager}`]),
  ...(one.onCallTier === 0 ? [] : [`on call in tier ${one.onCallTier}`]),
  ...one.tokens.map(
    (token) => `token ${token.name}${token.expires === null ? "" : ` until ${token.expires}`}${only(token.scopes)}`,
  ),
  ...(one.identities ?? []).map(({ provider, subject }) => `at ${provider}: ${subject}`),
  ...(one.workloads ?? []).map(
    ({ issuer, audience, claims, lifetimeMs, scopes }) =>
      `jobs of ${issuer} for ${audience} with ${canonicalJson(claims)}, for ${formatDuration(lifetimeMs)}${only(scopes)}`,
  ),
];

function personChanged(a: DeclaredPrincipal, b: DeclaredPrincipal): Change[] {
  const name = a.handle;
  const [old, now] = [aboutPerson(a), aboutPerson(b)];
  const replaced = b.tokens.filter((token) =>
    a.tokens.some((one) => one.name === token.name && one.hash !== token.hash),
  );
  const details = [
    ...missing(old, now).map(was),
    ...missing(now, old).map(is),
    ...differing("name", a.name, b.name),
    ...(a.email === b.email ? [] : ["  the e-mail address is another"]),
    ...replaced.map((token) => `  token ${token.name} is another`),
  ];
  if (details.length === 0) return [];
  const [joined, left] = [missing(b.groups, a.groups), missing(a.groups, b.groups)];
  const [gained, lost] = [missing(rolesOf(b), rolesOf(a)), missing(rolesOf(a), rolesOf(b))];
  const words = [
    ...(a.active && !b.active ? ["is no longer active: all their access ends"] : []),
    ...(!a.active && b.active ? ["is active again"] : []),
    ...(joined.length === 0 ? [] : [`joins ${joined.join(", ")}`]),
    ...(left.length === 0 ? [] : [`leaves ${left.join(", ")}`]),
    ...(gained.length === 0 ? [] : [`gains the role ${gained.join(", ")}`]),
    ...(lost.length === 0 ? [] : [`loses the role ${lost.join(", ")}`]),
  ];
  return [{ about: "principal", kind: "changed", name, what: `${name} ${words.join("; ") || "changed"}`, details }];
}

type Kits = Readonly<Record<string, Kit>>;

function bundleChanges(before: Kits, after: Kits): Change[] {
  const change = (kind: "added" | "removed" | "changed", name: string, details: string[]): Change[] => [
    { about: "bundle", kind, name, what: `the bundle ${name} ${kind === "changed" ? kind : `was ${kind}`}`, details },
  ];
  return compare(before, after, {
    added: ({ name, entitlements }) => change("added", name, entitlements.map(is)),
    removed: ({ name, entitlements }) => change("removed", name, entitlements.map(was)),
    both: (a, b) => {
      const details = [
        ...differing("title", a.title, b.title),
        ...missing(a.entitlements, b.entitlements).map(was),
        ...missing(b.entitlements, a.entitlements).map(is),
      ];
      return details.length === 0 ? [] : change("changed", a.name, details);
    },
  });
}

function testChanges(before: Configuration["tests"], after: Configuration["tests"]): Change[] {
  const byName = (all: Configuration["tests"]) => Object.fromEntries(all.map((one) => [one.name, one]));
  const change =
    (kind: "added" | "removed" | "changed") =>
    (one: { name: string }): Change[] => [
      {
        about: "test",
        kind,
        name: one.name,
        what: `test "${one.name}" ${kind === "changed" ? kind : `was ${kind}`}`,
        details: [],
      },
    ];
  return compare(byName(before), byName(after), {
    added: change("added"),
    removed: change("removed"),
    both: (a, b) => (same(a, b) ? [] : change("changed")(a)),
  });
}

function channelChanges(
  before: NonNullable<Configuration["notify"]>,
  after: NonNullable<Configuration["notify"]>,
): Change[] {
  const one = { about: "channel" } as const;
  const takes = ({ kinds }: DeclaredChannel): string => kinds?.join(", ") ?? "all messages";
  // As they are written, with references: a secret is never among them.
  const written = ({ channel, settings }: DeclaredChannel): string =>
    [
      channel,
      ...Object.entries(settings)
        .map(([key, value]) => `${key} ${value}`)
        .sort(),
    ].join(", ");
  return compare(before, after, {
    added: (it) => [
      {
        ...one,
        kind: "added",
        name: it.name,
        what: `the channel ${it.name} was added`,
        details: [is(written(it)), is(takes(it))],
      },
    ],
    removed: ({ name }) => [{ ...one, kind: "removed", name, what: `the channel ${name} was removed`, details: [] }],
    both: (a, b) => {
      const details = [...differing("it is", written(a), written(b)), ...differing("it takes", takes(a), takes(b))];
      return details.length === 0
        ? []
        : [{ ...one, kind: "changed", name: a.name, what: `the channel ${a.name} changed`, details }];
    },
  });
}

function defaultChanges(a: Configuration["defaults"], b: Configuration["defaults"]): Change[] {
  const details = [
    ...differing(
      "a request that nobody decides ends after",
      formatDuration(a.requestExpiresAfterMs),
      formatDuration(b.requestExpiresAfterMs),
    ),
    ...differing(
      "a grant that nobody uses lapses after",
      formatDuration(a.activateWithinMs),
      formatDuration(b.activateWithinMs),
    ),
  ];
  return details.length === 0
    ? []
    : [{ about: "defaults", kind: "changed", name: "defaults", what: "the defaults changed", details }];
}
