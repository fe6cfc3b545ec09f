/** What differs between where two configurations send the audit log, and how long they keep it, in words. Secrets are references, and named as such. */
import { canonicalJson } from "../base/canonical.ts";
import { formatDuration } from "../base/duration.ts";
import type { ConfigurationChange } from "./configuration-change.ts";
import { type AuditOutlets, NO_OUTLETS, type Retention } from "./sink.ts";

export function auditChanges(before: AuditOutlets | undefined, after: AuditOutlets | undefined): ConfigurationChange[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  const details = [
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ];
  const kept = retentionChange(before?.retention, after?.retention);
  if (details.length === 0) return kept;
  return [{ about: "audit", kind: "changed", name: "audit", what: "the audit log goes elsewhere", details }, ...kept];
}

const inDays = (ms: number | undefined): string => (ms === undefined ? "never" : `after ${formatDuration(ms)}`);

const KEPT = { personalMs: "texts of people", entriesMs: "entries of the log" } as const;
const KEYS = ["personalMs", "entriesMs"] as const;

/** Evidence that is gone sooner, a sentence each. */
export const droppedSooner = (before: Retention = {}, after: Retention = {}): string[] =>
  KEYS.filter((key) => (after[key] ?? Number.POSITIVE_INFINITY) < (before[key] ?? Number.POSITIVE_INFINITY)).map(
    (key) => `evidence is destroyed: ${KEPT[key]} are dropped ${inDays(after[key])}, not ${inDays(before[key])}`,
  );

function retentionChange(before: Retention = {}, after: Retention = {}): ConfigurationChange[] {
  const details = KEYS.filter((key) => before[key] !== after[key]).flatMap((key) => [
    `- ${KEPT[key]} are dropped ${inDays(before[key])}`,
    `+ ${KEPT[key]} are dropped ${inDays(after[key])}`,
  ]);
  if (details.length === 0) return [];
  const what = droppedSooner(before, after).join("; ") || "the audit log is kept for longer";
  return [{ about: "audit", kind: "changed", name: "retention", what, details }];
}

const linesOf = ({ sinks, anchors = {} } = NO_OUTLETS): string[] => [
  ...Object.values(sinks).map(({ name, sink, settings, from, personal, withinMs, holdsUp }) => {
    const texts = personal ? ", with personal texts" : "";
    const late = `late after ${formatDuration(withinMs)} holds up ${holdsUp}`;
    return `${name}: ${sink} ${canonicalJson(settings)}, from ${from}${texts}; ${late}`;
  }),
  ...Object.values(anchors).map(({ name, anchor, settings, everyMs, withinMs }) => {
    const times = `every ${formatDuration(everyMs)}, stale after ${formatDuration(withinMs)}`;
    return `${name}: anchored by ${anchor} ${canonicalJson(settings)}, ${times}`;
  }),
];
