/** `facts.schedules:` — who is on call by turns that the file itself holds. */
import { parseTimestamp } from "../base/clock.ts";
import { parseClock } from "../domain/hours.ts";
import type { Override, Rotation, Schedule } from "../domain/schedule.ts";
import { isTimeZone } from "../domain/zone.ts";
import { FORMAT } from "./format.ts";
import { keysOf, ON_CALL_TIER_MAX } from "./format-words.ts";
import { readTime } from "./read-principals.ts";
import type { Reading, Value } from "./reading.ts";

const HOUR_MS = 3_600_000;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
/** Before it no zone need be known. */
const FIRST_DAY = "2000-01-01";

export function readSchedule(reading: Reading, name: string, value: Value): Schedule | null {
  const fields = reading.fields(value, keysOf(FORMAT.schedule));
  if (fields === null) return null;
  const zoneValue = fields.required("zone", "a time zone by its name, as in Europe/Berlin");
  const zone = zoneValue && reading.text(zoneValue);
  if (zoneValue !== null && zone !== null && !isTimeZone(zone))
    reading.wrong(zoneValue.tree.start, `${zoneValue.path} is not a time zone`, "by its name, as in Europe/Berlin");
  const rotationsValue = fields.required("rotations", "who takes turns: name a rotation, as in primary");
  const members = (rotationsValue && reading.named(rotationsValue, "a rotation")) ?? [];
  if (rotationsValue?.tree.kind === "map" && members.length === 0)
    reading.wrong(rotationsValue.at, `${rotationsValue.path} names nobody`, "name a rotation, as in primary");
  const rotations = members.flatMap(([key, member]) => readRotation(reading, key, member) ?? []);
  const overridesValue = fields.optional("overrides");
  const names = members.map(([key]) => key);
  const overrides = overridesValue === null ? [] : readOverrides(reading, overridesValue, names);
  return zone === null ? null : { name, zone, rotations, overrides };
}

function readRotation(reading: Reading, name: string, value: Value): Rotation | null {
  const fields = reading.fields(value, keysOf(FORMAT.rotation));
  if (fields === null) return null;
  const tierValue = fields.required("tier", "1 the first line, 2 the second");
  const tier = tierValue && reading.integer(tierValue, 1, ON_CALL_TIER_MAX);
  const peopleValue = fields.required("people", "handles, in the order of their turns");
  const people = peopleValue && readPeople(reading, peopleValue);
  const startValue = fields.required("start", "the day of the first hand-over, as in 2026-01-05");
  const startDay = startValue && readDay(reading, startValue);
  const handoverValue = fields.optional("handover");
  const handoverMinute = handoverValue === null ? 0 : readClock(reading, handoverValue);
  const lengthValue = fields.required("length", "how long a turn is, as in 7d");
  const lengthMs = lengthValue && reading.duration(lengthValue);
  if (lengthValue !== null && lengthMs !== null && lengthMs < HOUR_MS)
    reading.wrong(lengthValue.tree.start, `${lengthValue.path} must be an hour or more`, "as in 12h or 7d");
  if (tier === null || people === null || startDay === null || handoverMinute === null || lengthMs === null)
    return null;
  return { name, tier, people, startDay, handoverMinute, lengthMs };
}

function readPeople(reading: Reading, value: Value): string[] {
  const items = reading.items(value);
  if (items?.length === 0) reading.wrong(value.at, `${value.path} names nobody`, "name who takes turns");
  return (items ?? []).flatMap((item) => reading.name(item, "a person") ?? []);
}

function readDay(reading: Reading, value: Value): string | null {
  const text = reading.text(value);
  if (text === null) return null;
  // A day that the calendar does not have is another one when it is read back.
  const isDay = DAY.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text) === true;
  return isDay && text >= FIRST_DAY
    ? text
    : reading.wrong(value.tree.start, `${value.path} is not a day since ${FIRST_DAY}`, "as in 2026-01-05");
}

function readClock(reading: Reading, value: Value): number | null {
  const text = reading.text(value);
  if (text === null) return null;
  const minute = parseClock(text);
  return minute !== null && minute < 24 * 60
    ? minute
    : reading.wrong(value.tree.start, `${value.path} is not a time of the day`, 'from "00:00" to "23:59", in quotes');
}

function readOverrides(reading: Reading, value: Value, rotations: readonly string[]): Override[] {
  const overrides: Override[] = [];
  for (const item of reading.items(value) ?? []) {
    const one = readOverride(reading, item, rotations);
    if (one === null) continue;
    if (overrides.some((o) => o.rotation === one.rotation && o.fromMs < one.toMs && one.fromMs < o.toMs))
      reading.wrong(
        item.at,
        `${item.path} overlaps with one before it`,
        "one person stands in at a time: end it earlier",
      );
    overrides.push(one);
  }
  return overrides;
}

function readOverride(reading: Reading, value: Value, rotations: readonly string[]): Override | null {
  const fields = reading.fields(value, keysOf(FORMAT.override));
  if (fields === null) return null;
  const rotationValue = fields.required("rotation", `one of ${rotations.join(", ")}`);
  const rotation = rotationValue && reading.choice(rotationValue, rotations);
  const personValue = fields.required("person", "the handle of who stands in");
  const person = personValue && reading.name(personValue, "a person");
  const [fromMs, toMs] = ["from", "to"].map((key) => {
    const timeValue = fields.required(key, "a time with its zone, as in 2026-12-24T09:00:00+01:00");
    const text = timeValue && readTime(reading, timeValue);
    return text === null ? null : parseTimestamp(text);
  }) as [number | null, number | null];
  if (rotation === null || person === null || fromMs === null || toMs === null) return null;
  if (toMs <= fromMs) return reading.wrong(value.at, `${value.path} ends before it begins`, "see from and to");
  return { rotation, person, fromMs, toMs };
}
