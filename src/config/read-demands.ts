/** What a rule that approves demands of a request besides its condition: limit, hours, bounds of extensions, and the like. */
import { given } from "../base/given.ts";
import { DAYS, type Day, type Hours, parseClock } from "../domain/hours.ts";
import type { AfterReview, ApproveRule, ExtensionBounds, Limit } from "../domain/policy.ts";
import { isTimeZone } from "../domain/zone.ts";
import { shorten } from "./document.ts";
import { FORMAT } from "./format.ts";
import { EXTENSIONS_MAX, HOURS_MAX, keysOf, LIMIT_COUNT_MAX } from "./format-words.ts";
import { readAuthentication } from "./read-authentication.ts";
import { readSomebody, readSources } from "./read-sources.ts";
import type { Fields, Reading, Value } from "./reading.ts";

type Demands = Pick<
  ApproveRule,
  "limit" | "hours" | "extensions" | "activation" | "activateWithinMs" | "emergency" | "authentication"
>;

const ACTIVATIONS = ["on-approval", "on-use"] as const;
const REVIEW_WITHIN_MS = 24 * 3_600_000;

/** Only what the file says: what it leaves out is left out. */
export function readDemands(reading: Reading, fields: Fields): Demands {
  const read = <T>(key: string, how: (value: Value) => T | null): T | null => {
    const value = fields.optional(key);
    return value && how(value);
  };
  const limit = read("limit", (value) => readLimit(reading, value));
  const hours = read("hours", (value) => readHours(reading, value));
  const extensions = read("extensions", (value) => readExtensions(reading, value));
  const activation = read("activation", (value) => reading.choice(value, ACTIVATIONS));
  const activateWithinMs = read("activate_within", (value) => reading.duration(value));
  const emergency = read("emergency", (value) => readEmergency(reading, value));
  const authentication = read("authentication", (value) => readAuthentication(reading, value));
  read("via", (value) => refuseGateway(reading, value));
  return given({ limit, hours, extensions, activation, activateWithinMs, emergency, authentication });
}

function readLimit(reading: Reading, value: Value): Limit | null {
  const fields = reading.fields(value, keysOf(FORMAT.limit));
  if (fields === null) return null;
  const perValue = fields.optional("per");
  const [countValue, withinValue] = [fields.required("count"), fields.required("within")];
  const per = perValue === null ? "user" : readPer(reading, perValue);
  const count = countValue && reading.integer(countValue, 1, LIMIT_COUNT_MAX);
  const withinMs = withinValue && reading.duration(withinValue);
  return per === null ? null : { per, count: count ?? 1, withinMs: withinMs ?? 0 };
}

function readPer(reading: Reading, value: Value): Limit["per"] | null {
  const text = reading.text(value);
  if (text === null || text === "user" || text === "rule") return text;
  if (!text.startsWith("group:"))
    return reading.wrong(
      value.tree.start,
      `${value.path}: ${shorten(text)} cannot be counted by`,
      "write user, rule or group:NAME",
    );
  const one: Value = { ...value, tree: { ...value.tree, kind: "list", items: [value.tree] } as Value["tree"] };
  return (readSources(reading, one, "owners")[0] as Limit["per"] | undefined) ?? null;
}

function readHours(reading: Reading, value: Value): Hours[] | null {
  if (value.tree.kind === "map") return readWindow(reading, value);
  const items = reading.items(value);
  if (items === null) return null;
  if (items.length === 0 || items.length > HOURS_MAX)
    return reading.wrong(
      value.tree.start,
      `${value.path} must hold 1 to ${HOURS_MAX} windows`,
      "as in { zone, from, to }",
    );
  return items.flatMap((item) => readWindow(reading, item) ?? []);
}

function readWindow(reading: Reading, value: Value): [Hours] | null {
  const fields = reading.fields(value, keysOf(FORMAT.hours));
  if (fields === null) return null;
  const zoneValue = fields.required("zone", "a time zone such as Europe/Berlin, or UTC");
  const daysValue = fields.optional("days");
  const zone = zoneValue && reading.text(zoneValue);
  if (zone !== null && zoneValue !== null && !isTimeZone(zone))
    return reading.wrong(
      zoneValue.tree.start,
      `${zoneValue.path}: ${shorten(zone)} is not a time zone`,
      "write its name in the tz database, such as Europe/Berlin or UTC",
    );
  const from = readClock(reading, fields.optional("from"), 0);
  const to = readClock(reading, fields.optional("to"), 1_440);
  const days = daysValue === null ? DAYS : readDays(reading, daysValue);
  return zone === null || from === null || to === null ? null : [{ zone, days, fromMinute: from, toMinute: to }];
}

function readDays(reading: Reading, value: Value): Day[] {
  const items = reading.items(value) ?? [];
  if (items.length === 0 && value.tree.kind === "list")
    reading.wrong(value.tree.start, `${value.path} is empty: the rule would never apply`, "leave it out for every day");
  const days = items.map((item) => reading.choice(item, DAYS)).filter((day) => day !== null);
  return DAYS.filter((day) => days.includes(day));
}

function readClock(reading: Reading, value: Value | null, otherwise: number): number | null {
  if (value === null) return otherwise;
  const text = reading.text(value);
  if (text === null) return null;
  return (
    parseClock(text) ??
    reading.wrong(value.tree.start, `${value.path}: ${shorten(text)} is not a time of day`, 'write "08:00"')
  );
}

function readExtensions(reading: Reading, value: Value): ExtensionBounds | null {
  if (value.tree.kind === "scalar") return reading.choice(value, ["none"]) === null ? null : { count: 0 };
  const fields = reading.fields(value, keysOf(FORMAT.extensions));
  if (fields === null) return null;
  const [countValue, eachValue, totalValue] = [
    fields.optional("count"),
    fields.optional("each"),
    fields.optional("total"),
  ];
  const count = countValue && reading.integer(countValue, 0, EXTENSIONS_MAX);
  const eachMs = eachValue && reading.duration(eachValue);
  const totalMs = totalValue && reading.duration(totalValue);
  return given({ count, eachMs, totalMs });
}

function readEmergency(reading: Reading, value: Value): AfterReview | null {
  const fields = reading.fields(value, keysOf(FORMAT.emergency));
  if (fields === null) return null;
  const byValue = fields.required("review_by", "who looks at it afterwards, such as [group:security]");
  const withinValue = fields.optional("within");
  const openValue = fields.optional("open_max");
  const withinMs = withinValue && reading.duration(withinValue);
  const openMax = openValue && reading.integer(openValue, 1, LIMIT_COUNT_MAX);
  const reviewBy = byValue === null ? [] : readSomebody(reading, byValue);
  return { reviewBy, withinMs: withinMs ?? REVIEW_WITHIN_MS, ...given({ openMax }) };
}

/** Never quietly direct instead: who wants everything to go through a gateway must not be given less. */
function refuseGateway(reading: Reading, value: Value): null {
  const via = reading.choice(value, ["direct", "gateway"]);
  return via === "gateway"
    ? reading.wrong(
        value.tree.start,
        `${value.path}: there is no gateway in this version, and nothing of this rule would go through one`,
        "remove via, if direct access is what you want; it is never given instead of a gateway",
      )
    : null;
}
