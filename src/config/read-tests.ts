/** `tests:` — what the policy must say in given cases. */
import { formatDuration } from "../base/duration.ts";
import { given } from "../base/given.ts";
import { suggest } from "../base/nearest.ts";
import type { Configuration, DeclaredPrincipal } from "../domain/configuration.ts";
import { type History, TICKET_STATES, unknownTicket } from "../domain/facts.ts";
import type { Extension, Outcome, PolicyTest } from "../domain/policy.ts";
import { shorten } from "./document.ts";
import { FORMAT } from "./format.ts";
import { EXTENSIONS_MAX, keysOf, LIMIT_COUNT_MAX, ON_CALL_TIER_MAX, TEST_NAME_CHARS_MAX } from "./format-words.ts";
import { readAuthentication } from "./read-authentication.ts";
import { readTime } from "./read-principals.ts";
import { readGroups } from "./read-sources.ts";
import type { Fields, Reading, Value } from "./reading.ts";

const OUTCOMES: readonly Outcome[] = ["automatic", "needs-approval", "denied"];
const HOUR_MS = 3_600_000;

type Known = Pick<Configuration, "resources" | "principals"> & { readonly ruleNames: readonly string[] };

export function readTests(reading: Reading, value: Value, known: Known): PolicyTest[] {
  const tests: PolicyTest[] = [];
  const names = new Map<string, number>();
  for (const item of reading.items(value) ?? []) {
    const fields = reading.fields(item, keysOf(FORMAT.test));
    if (fields === null) continue;
    const nameValue = fields.required("name");
    const name = nameValue && reading.filled(nameValue, TEST_NAME_CHARS_MAX);
    if (name !== null && nameValue !== null) {
      const other = names.get(name);
      if (other !== undefined)
        reading.wrong(
          nameValue.tree.start,
          `there is another test "${shorten(name)}" at ${reading.place(other)}`,
          "give each its own name",
        );
      names.set(name, nameValue.tree.start);
    }
    const givenValue = fields.required("given");
    const expectValue = fields.required("expect");
    const givenFacts = givenValue && readGiven(reading, givenValue, known);
    const expected = expectValue && readExpect(reading, expectValue, known);
    if (givenFacts !== null && expected !== null) tests.push({ name: name ?? "", given: givenFacts, expect: expected });
  }
  return tests;
}

function readGiven(reading: Reading, value: Value, known: Known): PolicyTest["given"] | null {
  const fields = reading.fields(value, keysOf(FORMAT.given));
  if (fields === null) return null;
  const userValue = fields.optional("user");
  const ticketValue = fields.optional("ticket");
  const nowValue = fields.optional("now");
  const user = userValue ? readUser(reading, userValue, known.principals) : NOBODY;
  const onCall = readOnCall(reading, fields.optional("oncall_tier"));
  return {
    user: user?.user ?? NOBODY.user,
    oncallTier: user?.onCallTier ?? 0,
    ...onCall,
    ...readWanted(reading, fields, known),
    ...(ticketValue === null ? { ticket: "" } : readTicket(reading, ticketValue)),
    reason: textOf(reading, fields, "reason"),
    now: nowValue && readTime(reading, nowValue),
    ...readPast(reading, fields),
  };
}

/** What there was before this: left out where the test says nothing of it. */
function readPast(
  reading: Reading,
  fields: Fields,
): Pick<PolicyTest["given"], "emergency" | "used" | "history" | "extension"> {
  const emergencyValue = fields.optional("emergency");
  const usedValue = fields.optional("used");
  const historyValue = fields.optional("history");
  const extensionValue = fields.optional("extension");
  const emergency = emergencyValue && reading.boolean(emergencyValue);
  const used = usedValue && reading.integer(usedValue, 0, LIMIT_COUNT_MAX * 10);
  const history = historyValue && readHistory(reading, historyValue);
  const extension = extensionValue && readExtension(reading, extensionValue);
  return given({ emergency, used, history, extension });
}

const GRANTS_MAX = 100_000;

function readHistory(reading: Reading, value: Value): History | null {
  const fields = reading.fields(value, keysOf(FORMAT.givenHistory));
  if (fields === null) return null;
  const number = (key: string): number => {
    const one = fields.optional(key);
    return (one && reading.integer(one, 0, GRANTS_MAX)) ?? 0;
  };
  return {
    open: number("open"),
    openHere: number("open_here"),
    recent: number("recent"),
    recentHere: number("recent_here"),
    unreviewed: number("unreviewed"),
  };
}

function readExtension(reading: Reading, value: Value): Extension | null {
  const fields = reading.fields(value, keysOf(FORMAT.givenExtension));
  if (fields === null) return null;
  const [addValue, countValue, totalValue] = [
    fields.required("add"),
    fields.optional("count"),
    fields.optional("total"),
  ];
  return {
    addMs: (addValue && reading.duration(addValue)) ?? 0,
    count: (countValue && reading.integer(countValue, 0, EXTENSIONS_MAX)) ?? 0,
    totalMs: (totalValue && reading.duration(totalValue)) ?? 0,
  };
}

/** A tier, or `unknown`: the source cannot be reached. */
function readOnCall(
  reading: Reading,
  value: Value | null,
): Partial<Pick<PolicyTest["given"], "oncallTier" | "oncallUnknown">> {
  if (value === null) return {};
  if (value.tree.kind === "scalar" && value.tree.value === "unknown") return { oncallTier: 0, oncallUnknown: true };
  const tier = reading.integer(value, 0, ON_CALL_TIER_MAX);
  return tier === null ? {} : { oncallTier: tier };
}

/** The ticket's name alone, of which nothing is known then; or with what the tracker would say. */
function readTicket(reading: Reading, value: Value): Pick<PolicyTest["given"], "ticket" | "ticketFact"> {
  if (value.tree.kind === "scalar") return { ticket: reading.text(value) ?? "" };
  const fields = reading.fields(value, keysOf(FORMAT.givenTicket));
  if (fields === null) return { ticket: "" };
  const idValue = fields.required("id");
  const stateValue = fields.required("state");
  const mineValue = fields.optional("mine");
  const id = (idValue && reading.filled(idValue)) ?? "";
  const state = (stateValue && reading.choice(stateValue, TICKET_STATES)) ?? "unknown";
  if (state === "unknown") return { ticket: id, ticketFact: unknownTicket(id, "the test says so") };
  const status = textOf(reading, fields, "status");
  const assignee = textOf(reading, fields, "assignee");
  const mine = (mineValue && reading.boolean(mineValue)) ?? false;
  return { ticket: id, ticketFact: { id, state, status, assignee, mine, source: "", ageMs: 0 } };
}

const textOf = (reading: Reading, fields: Fields, key: string): string => {
  const value = fields.optional(key);
  return (value && reading.text(value)) ?? "";
};

function readWanted(reading: Reading, fields: Fields, known: Known): { entitlement: string; durationMs: number } {
  const entitlementValue = fields.required("entitlement");
  const ref = entitlementValue && reading.text(entitlementValue);
  const all = Object.values(known.resources).flatMap((resource) => Object.values(resource.entitlements));
  const entitlement = all.find((candidate) => candidate.ref === ref);
  if (entitlementValue !== null && ref !== null && entitlement === undefined && reading.tellsMissing()) {
    reading.wrong(
      entitlementValue.tree.start,
      `${entitlementValue.path}: there is no entitlement ${shorten(ref)}`,
      suggest(
        ref,
        all.map((one) => one.ref),
        "entitlements",
      ),
    );
  }
  const durationValue = fields.optional("duration");
  const durationMs = durationValue && reading.duration(durationValue);
  if (
    durationValue !== null &&
    durationMs !== null &&
    entitlement !== undefined &&
    entitlement.maxDurationMs > 0 &&
    durationMs > entitlement.maxDurationMs
  ) {
    const longest = formatDuration(entitlement.maxDurationMs);
    reading.wrong(
      durationValue.tree.start,
      `${durationValue.path}: ${entitlement.ref} is for at most ${longest}; a longer request never comes to policy`,
      `ask for ${longest} or less`,
    );
  }
  return { entitlement: ref ?? "", durationMs: durationMs ?? Math.min(HOUR_MS, entitlement?.maxDurationMs ?? HOUR_MS) };
}

type GivenUser = { readonly user: PolicyTest["given"]["user"]; readonly onCallTier: number };
const NOBODY: GivenUser = { user: { name: "", type: "", groups: [], email: "" }, onCallTier: 0 };

/** Facts written out, or the handle of somebody declared under `principals`, whose facts are then taken as they are now. */
function readUser(reading: Reading, value: Value, principals: readonly DeclaredPrincipal[]): GivenUser | null {
  if (value.tree.kind === "scalar" && typeof value.tree.value === "string") {
    const handle = value.tree.value;
    const found = principals.find((principal) => principal.handle === handle);
    if (found === undefined) {
      if (!reading.tellsMissing()) return null;
      return reading.wrong(
        value.tree.start,
        `${value.path}: there is no ${shorten(handle)} under principals`,
        suggest(
          handle,
          principals.map((one) => one.handle),
          "people",
        ),
      );
    }
    return {
      user: {
        ...{ name: found.handle, type: found.type, groups: found.groups, email: found.email ?? "" },
        ...(found.manager === undefined ? {} : { manager: found.manager }),
      },
      onCallTier: found.onCallTier,
    };
  }
  const fields = reading.fields(value, keysOf(FORMAT.givenUser));
  if (fields === null) return null;
  const groups = fields.optional("groups");
  const user = {
    name: textOf(reading, fields, "name"),
    type: textOf(reading, fields, "type"),
    email: textOf(reading, fields, "email"),
  };
  const manager = textOf(reading, fields, "manager");
  return {
    user: {
      ...user,
      groups: groups ? readGroups(reading, groups) : [],
      ...(manager === "" ? {} : { manager }),
    },
    onCallTier: 0,
  };
}

function readExpect(reading: Reading, value: Value, known: Known): PolicyTest["expect"] | null {
  const fields = reading.fields(value, keysOf(FORMAT.expect));
  if (fields === null) return null;
  const decisionValue = fields.required("decision");
  const ruleValue = fields.optional("rule");
  const decision = decisionValue && reading.choice(decisionValue, OUTCOMES);
  const rule = ruleValue && reading.text(ruleValue);
  if (ruleValue !== null && rule !== null && !known.ruleNames.includes(rule) && reading.tellsMissing()) {
    reading.wrong(
      ruleValue.tree.start,
      `${ruleValue.path}: there is no rule ${shorten(rule)}`,
      suggest(rule, known.ruleNames, "rules"),
    );
  }
  const stepsValue = fields.optional("steps");
  const steps = stepsValue && (reading.items(stepsValue) ?? []).map((item) => reading.text(item) ?? "");
  const authenticationValue = fields.optional("authentication");
  const authentication = authenticationValue && readAuthentication(reading, authenticationValue);
  return { decision: decision ?? "denied", rule, ...given({ steps, authentication }) };
}
