/** What differs between what two configurations ask about the world, in words. Secrets are references, and named as such. */
import { canonicalJson } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { Configuration } from "./configuration.ts";
import type { ConfigurationChange } from "./configuration-change.ts";
import { type FactSource, NO_SOURCES, type TicketSource } from "./fact-sources.ts";
import type { Schedule } from "./schedule.ts";

export function factChanges(before: Configuration["facts"], after: Configuration["facts"]): ConfigurationChange[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  const details = [
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ];
  if (details.length === 0) return [];
  const what = "who is on call, or what a ticket is, is told otherwise";
  return [{ about: "facts", kind: "changed", name: "facts", what, details }];
}

const linesOf = ({ oncall, schedules = [], tickets } = NO_SOURCES): string[] => [
  ...oncall.flatMap((source) => sourceLines("on call", source)),
  ...schedules.flatMap(scheduleLines),
  ...tickets.flatMap((source) => [...sourceLines("tickets", source), ticketLine(source)]),
];

function sourceLines(of: string, { name, kind, connection, timeoutMs, maxAgeMs, match, people }: FactSource): string[] {
  const times = `within ${formatDuration(timeoutMs)}, kept for ${formatDuration(maxAgeMs)}`;
  return [
    `${of}, ${name}: ${kind} ${canonicalJson(connection)}, ${times}, people by ${match}`,
    ...Object.entries(people).map(([handle, there]) => `${of}, ${name}: ${handle} is ${there}`),
  ];
}

const ticketLine = ({ name, pattern, endAccess }: TicketSource): string => {
  const ends = endAccess === null ? "" : `, end access, looked at every ${formatDuration(endAccess.lookEveryMs)}`;
  return `tickets, ${name}: ${pattern}${ends}`;
};

const scheduleLines = ({ name, zone, rotations, overrides }: Schedule): string[] => [
  ...rotations.map(({ name: rotation, tier, people, startDay, handoverMinute, lengthMs }) => {
    const clock = [Math.floor(handoverMinute / 60), handoverMinute % 60].map((n) => String(n).padStart(2, "0"));
    const turns = `from ${startDay} at ${clock.join(":")} (${zone}), each for ${formatDuration(lengthMs)}`;
    return `on call, ${name}/${rotation}: ${people.join(", ")} at tier ${tier}, ${turns}`;
  }),
  ...overrides.map(
    ({ rotation, person, fromMs, toMs }) =>
      `on call, ${name}/${rotation}: ${person} from ${toTimestamp(fromMs)} to ${toTimestamp(toMs)}`,
  ),
];
