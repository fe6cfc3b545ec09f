/** What is valid and still worth saying: rules that can never come to a decision, and approvers that nobody is. */
import type { PrincipalId } from "../base/ids.ts";
import { placesFor } from "../domain/approvers.ts";
import type { Configuration, DeclaredPrincipal } from "../domain/configuration.ts";
import { handlesIn } from "../domain/fact-sources.ts";
import { idleRules, idleSteps } from "../domain/idle-rules.ts";
import { canComplete } from "../domain/matching.ts";
import type { Source } from "../domain/policy.ts";
import type { Principal } from "../domain/principal.ts";
import type { Resource } from "../domain/resource.ts";
import type { PlacedRule } from "./read-policies.ts";
import type { Reading, Value } from "./reading.ts";
import { warnOfEmergencies } from "./warn-emergencies.ts";

/** Places of what was read, to point at. */
export type Places = {
  readonly rules: readonly PlacedRule[];
  readonly resources: Value | null;
  readonly policies: Value | null;
  readonly principals: Value | null;
  readonly facts: Value | null;
};

/** Warns; refuses nothing. Who can approve is decided when somebody asks (S12): people come and go without this file. */
export function crossCheck(reading: Reading, configuration: Omit<Configuration, "tests">, places: Places): void {
  if (places.rules.every(({ rule }) => rule.kind === "deny")) {
    reading.warn(
      places.policies?.at ?? 0,
      "no rule approves anything: every request is denied",
      "add a rule with approve:",
    );
  }
  for (const { index, what, hint } of [...idleRules(configuration), ...idleSteps(configuration)])
    reading.warn(places.rules[index]?.at ?? 0, what, hint);
  warnOfEmergencies(reading, configuration, places.rules, configuration.principals.map(asPrincipal));
  warnOfUnaskedTickets(reading, configuration, places.rules);
  warnOfNoProvider(reading, configuration, places.rules);
  // Without declared people the file does not know who there is, and has nothing to say about them.
  if (configuration.principals.length === 0) return;
  for (const { source, at, path } of mentioned(places)) {
    const why = unknownSource(source, configuration.principals);
    const hint = path.includes(".emergency.")
      ? "nobody of it reviews emergencies"
      : "whoever needs this approval will be told that nobody can give it";
    if (why !== null) reading.warn(at, `${path}: ${why}`, hint);
  }
  warnOfManagers(reading, configuration.principals, places.principals);
  warnOfOnCall(reading, configuration, places.facts);
  warnOfTooFew(reading, configuration, places.rules);
}

const LOOKS_AT_TICKET = /\bticket\s*\.\s*(?:exists|open|closed|status|assignee|mine)\b/;

/** Without a tracker nothing is ever known of a ticket: rules that look at it only ever fail. */
function warnOfUnaskedTickets(
  reading: Reading,
  { facts }: Omit<Configuration, "tests">,
  rules: readonly PlacedRule[],
): void {
  if (facts !== undefined && facts.tickets.length > 0) return;
  for (const { rule, at } of rules) {
    const condition = rule.kind === "deny" ? rule.condition : rule.when;
    if (condition === null || !LOOKS_AT_TICKET.test(condition)) continue;
    const comes = rule.kind === "deny" ? "denies every request with a ticket" : "never applies to a request with one";
    const what = `${rule.name} looks at the ticket, and no tracker is configured: it ${comes}`;
    reading.warn(at, what, "name the tracker under facts.tickets");
  }
}

/** Tokens meet no demand: without a provider nobody can. */
function warnOfNoProvider(
  reading: Reading,
  { identity }: Omit<Configuration, "tests">,
  rules: readonly PlacedRule[],
): void {
  for (const { rule, at } of identity === undefined ? rules : [])
    if (rule.kind === "approve" && rule.authentication !== undefined)
      reading.warn(
        at,
        `${rule.name} demands authentication, and nobody signs in through a provider: nobody can meet it`,
        "name the provider under identity, or remove authentication",
      );
}

function warnOfManagers(reading: Reading, people: readonly DeclaredPrincipal[], principals: Value | null): void {
  for (const { handle, manager } of people) {
    if (manager === undefined) continue;
    const why = manager === handle ? `${handle} is their own manager` : unknownSource(`user:${manager}`, people);
    const person = principals && member(principals, handle);
    if (why !== null)
      reading.warn(
        (person && member(person, "manager"))?.at ?? 0,
        `principals.${handle}.manager: ${why}`,
        `what needs approval by the manager of ${handle} can be approved by nobody`,
      );
  }
}

function warnOfOnCall(
  reading: Reading,
  { facts, principals }: Omit<Configuration, "tests">,
  value: Value | null,
): void {
  if (facts === undefined) return;
  for (const handle of new Set(handlesIn(facts))) {
    const person = principals.find((one) => one.handle === handle);
    if (person?.active === true) continue;
    const why = person === undefined ? `there is no ${handle} under principals` : `${handle} is not active`;
    const hint = "declare them there: nobody takes a name that the file uses by signing in with it";
    reading.warn(value?.at ?? 0, `facts names ${handle}: ${why}`, hint);
  }
}

function* mentioned({ rules, resources }: Places): Generator<{ source: Source; at: number; path: string }> {
  const there = (value: Value | null): Value[] => (value === null ? [] : [value]);
  const lists: Value[] = rules.flatMap(({ steps, emergency }) => [
    ...steps.flatMap((step) => [
      ...there(member(step, "by")),
      ...there(member(step, "escalate")).flatMap((escalate) => there(member(escalate, "to"))),
      ...there(member(step, "fallback")),
    ]),
    ...there(emergency && member(emergency, "review_by")),
  ]);
  if (resources?.tree.kind === "map") {
    for (const { key, value, start } of resources.tree.entries) {
      const owners = member({ tree: value, path: `resources.${key}`, at: start }, "owners");
      if (owners !== null) lists.push(owners);
    }
  }
  for (const list of lists) {
    if (list.tree.kind !== "list") continue;
    for (const [index, item] of list.tree.items.entries()) {
      if (item.kind === "scalar")
        yield { source: String(item.value) as Source, at: item.start, path: `${list.path}[${index}]` };
    }
  }
}

function member({ tree, path }: Value, key: string): Value | null {
  const entry = tree.kind === "map" ? tree.entries.find((candidate) => candidate.key === key) : undefined;
  return entry === undefined ? null : { tree: entry.value, path: `${path}.${key}`, at: entry.start };
}

function unknownSource(source: Source, principals: readonly DeclaredPrincipal[]): string | null {
  const name = source.slice(source.indexOf(":") + 1);
  if (source.startsWith("group:") && !principals.some((principal) => principal.groups.includes(name)))
    return `nobody is in the group ${name}`;
  if (!source.startsWith("user:")) return null;
  const person = principals.find((principal) => principal.handle === name);
  if (person === undefined) return `there is no ${name} under principals`;
  if (!person.active) return `${name} is not active`;
  return person.kind === "user" ? null : `${name} is a service, and services do not approve`;
}

/** Rules whose steps could not be completed even if everybody who may approve did: asked of the same matching that counts. */
function warnOfTooFew(
  reading: Reading,
  configuration: Omit<Configuration, "tests">,
  rules: readonly PlacedRule[],
): void {
  const people = configuration.principals.map(asPrincipal);
  for (const { rule, at, steps: places } of rules) {
    if (rule.kind !== "approve" || rule.approve === "automatically") continue;
    // Who is whose manager depends on who asks; who is added later is added.
    const steps = rule.approve
      .filter(({ by, fallback = [] }) => ![...by, ...fallback].includes("manager"))
      .map((step) => ({ ...step, by: [...step.by, ...(step.escalate?.to ?? []), ...(step.fallback ?? [])] }));
    const short = (resource: Resource): boolean =>
      !canComplete(
        placesFor(steps, resource, NOBODY, people),
        people.map((person) => person.id),
      );
    const where = Object.values(configuration.resources)
      .filter(short)
      .map((resource) => resource.name);
    if (where.length === 0) continue;
    const everywhere = where.length === Object.keys(configuration.resources).length;
    const on = everywhere ? "" : ` on ${where.join(", ")}`;
    reading.warn(
      places[0]?.at ?? at,
      `${rule.name}: too few people could approve${on}`,
      "count who is active in the groups it names; nobody fills two places, nor approves their own request",
    );
  }
}

const NOBODY = "" as PrincipalId;

/** The file knows no ids; the handle stands in for one. */
const asPrincipal = (declared: DeclaredPrincipal): Principal => ({ ...declared, id: declared.handle as PrincipalId });
