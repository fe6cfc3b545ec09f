/**
 * Whether a change of the configuration may give anybody more than they had. What cannot be told counts as more: only
 * what surely takes away, or touches no access at all, is let through without a second pair of eyes. Evidence that would be
 * gone sooner asks for it as well.
 */
import { canonicalJson } from "../base/canonical.ts";
import { droppedSooner } from "./audit-diff.ts";
import { demandsNoLess } from "./authentication.ts";
import type { Configuration, DeclaredPrincipal } from "./configuration.ts";
import type { Entitlement } from "./entitlement.ts";
import { conditionsOf } from "./evaluate.ts";
import type { Rule } from "./policy.ts";
import type { Resource } from "./resource.ts";
import { rolesGained } from "./role-groups.ts";
import { NO_OUTLETS } from "./sink.ts";

/** What may widen access, a sentence each; empty where nothing does. */
export function wideningsOf(before: Configuration, after: Configuration): string[] {
  return [
    ...ofApproval(before, after),
    ...ofRules(before, after),
    ...ofResources(before, after),
    ...ofPeople(before, after),
    ...rolesGained(before, after),
    ...ofAudit(before, after),
    ...ofTheRest(before, after),
  ];
}

/** Whatever the order of keys. */
const inOrder = (value: unknown): string => canonicalJson(JSON.parse(JSON.stringify(value ?? null)));
const same = (a: unknown, b: unknown): boolean => inOrder(a) === inOrder(b);

const ofApproval = ({ config: a }: Configuration, { config: b }: Configuration): string[] =>
  (b?.approval?.count ?? 0) < (a?.approval?.count ?? 0)
    ? ["changes that widen access would need fewer people, or nobody, to confirm them"]
    : [];

/** A deny rule more takes away wherever it stands. Any other change of rules may let through what another rule had caught. */
function ofRules({ policies: before }: Configuration, { policies: after }: Configuration): string[] {
  const known = new Map(before.map((rule) => [rule.name, rule]));
  const kept = new Set(after.map((rule) => rule.name));
  const changed = after.flatMap((rule) => {
    const old = known.get(rule.name);
    if (old === undefined) return rule.kind === "deny" ? [] : [`rule ${rule.name} is new`];
    return same(old, rule) || demandsOnlyMore(old, rule) ? [] : [`rule ${rule.name} is another`];
  });
  const removed = before.filter(({ name }) => !kept.has(name)).map(({ name }) => `rule ${name} is gone`);
  if (changed.length + removed.length > 0) return [...changed, ...removed];
  const order = (rules: Configuration["policies"]): string[] =>
    rules.filter((rule) => rule.kind === "approve").map(({ name }) => name);
  return same(order(before), order(after)) ? [] : ["the rules stand in another order"];
}

/** The same, but for what it demands of who acts: that never sends anybody to another rule. */
function demandsOnlyMore(old: Rule, now: Rule): boolean {
  if (old.kind === "deny" || now.kind === "deny") return false;
  const { authentication: before, ...rest } = old;
  const { authentication: after, ...others } = now;
  return same(rest, others) && demandsNoLess(before, after);
}

function ofResources({ resources: before }: Configuration, { resources: after }: Configuration): string[] {
  return Object.values(after).flatMap((resource) => {
    const old = Object.hasOwn(before, resource.name) ? before[resource.name] : undefined;
    return old === undefined ? [`resource ${resource.name} is new`] : ofResource(old, resource);
  });
}

function ofResource(old: Resource, now: Resource): string[] {
  // What is done about drift and what people read gives nobody access.
  const essence = (resource: Resource) => {
    const { title: _, drift: __, entitlements: ___, ...rest } = resource;
    return rest;
  };
  return [
    ...(same(essence(old), essence(now)) ? [] : [`resource ${now.name} is another: its connection, labels or owners`]),
    ...Object.values(now.entitlements).flatMap((entitlement) => {
      const known = Object.hasOwn(old.entitlements, entitlement.name) ? old.entitlements[entitlement.name] : undefined;
      return known === undefined ? [`${entitlement.ref} is new`] : ofEntitlement(known, entitlement);
    }),
  ];
}

function ofEntitlement(old: Entitlement, now: Entitlement): string[] {
  return [
    ...(old.scopeHash === now.scopeHash ? [] : [`${now.ref} has another scope`]),
    ...(old.risk === now.risk ? [] : [`${now.ref} is of another risk, which rules may look at`]),
    ...(old.maxDurationMs >= now.maxDurationMs ? [] : [`${now.ref} may be given for longer`]),
  ];
}

function ofPeople(before: Configuration, after: Configuration): string[] {
  const known = new Map(before.principals.map((person) => [person.handle, person]));
  // A deny rule denies who is in the group: who leaves it is let through.
  const looked = [...before.policies, ...after.policies].flatMap((rule) =>
    rule.kind === "deny" ? [rule.condition] : conditionsOf(rule).filter(isWary),
  );
  return after.principals.flatMap((person) => {
    const old = known.get(person.handle);
    if (!person.active) return [];
    return old?.active === true ? ofPerson(old, person, looked) : [`${person.handle} is new`];
  });
}

function ofPerson(old: DeclaredPrincipal, now: DeclaredPrincipal, conditions: readonly string[]): string[] {
  const gained = now.groups.filter((group) => !old.groups.includes(group));
  // Who leaves a group gets more where a rule wants somebody not to be in it.
  const left = old.groups.filter((group) => !now.groups.includes(group));
  const matters = left.filter((group) => conditions.some((text) => text.includes(group)));
  const roles = now.roles.filter((role) => !old.roles.includes(role));
  const tokens = now.tokens.filter((token) => !old.tokens.some((one) => same(one, token)));
  const facts = (one: DeclaredPrincipal) => [
    one.type,
    one.kind,
    one.manager ?? null,
    one.onCallTier,
    one.email,
    one.identities ?? [],
    one.workloads ?? [],
  ];
  return [
    ...(gained.length === 0 ? [] : [`${now.handle} joins ${gained.join(", ")}`]),
    ...(matters.length === 0 ? [] : [`${now.handle} leaves ${matters.join(", ")}, which a rule looks at`]),
    ...(roles.length === 0 ? [] : [`${now.handle} gains the role ${roles.join(", ")}`]),
    ...(tokens.length === 0 ? [] : [`${now.handle} has another token`]),
    ...(same(facts(old), facts(now))
      ? []
      : [`${now.handle} is described otherwise: type, kind, manager, on call or address`]),
  ];
}

function ofAudit(
  { audit: before = NO_OUTLETS }: Configuration,
  { audit: after = NO_OUTLETS }: Configuration,
): string[] {
  const { retention: old, ...outlets } = before;
  const { retention: now, ...others } = after;
  return [...(same(outlets, others) ? [] : ["audit changed"]), ...droppedSooner(old, now)];
}

/** A condition that may be true because somebody is not in a group. */
const isWary = (text: string): boolean => /!|\bsize\b|\ball\b|false|\?/.test(text);

/** Sections that say nothing of access, and what there is besides, which may. */
const HARMLESS = [
  "version",
  "tests",
  "defaults",
  "resources",
  "policies",
  "principals",
  "config",
  "notify",
  "bundles",
  "roles",
  "audit",
];

function ofTheRest(before: Configuration, after: Configuration): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const of = (configuration: Configuration, name: string): unknown => (configuration as Record<string, unknown>)[name];
  return names
    .filter((name) => !HARMLESS.includes(name) && !same(of(before, name), of(after, name)))
    .map((name) => `${name} changed`);
}
