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

/** Evidence that is gone sooner, a sentence each. */
export const droppedSooner = (before: Retention = {}, after: Retention = {}): string[] =>
  (after.entriesMs ?? Number.POSITIVE_INFINITY) < (before.entriesMs ?? Number.POSITIVE_INFINITY)
    ? [`evidence is destroyed: entries of the log are dropped ${inDays(after.entriesMs)}, not ${inDays(before.entriesMs)}`]
    : [];

function retentionChange(before: Retention = {}, after: Retention = {}): ConfigurationChange[] {
  if (before.entriesMs === after.entriesMs) return [];
  const [sooner] = droppedSooner(before, after);
  const what = sooner ?? "the audit log is kept for longer";
  const details = [`- entries are dropped ${inDays(before.entriesMs)}`, `+ entries are dropped ${inDays(after.entriesMs)}`];
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
