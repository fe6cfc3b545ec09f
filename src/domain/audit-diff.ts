/** What differs between where two configurations send the audit log, in words. Secrets are references, and named as such. */
import { canonicalJson } from "../base/canonical.ts";
import { formatDuration } from "../base/duration.ts";
import type { ConfigurationChange } from "./configuration-change.ts";
import { type AuditOutlets, NO_OUTLETS } from "./sink.ts";

export function auditChanges(before: AuditOutlets | undefined, after: AuditOutlets | undefined): ConfigurationChange[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  const details = [
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ];
  if (details.length === 0) return [];
  return [{ about: "audit", kind: "changed", name: "audit", what: "the audit log goes elsewhere", details }];
}

const linesOf = ({ sinks } = NO_OUTLETS): string[] =>
  Object.values(sinks).map(({ name, sink, settings, from, personal, withinMs, holdsUp }) => {
    const texts = personal ? ", with personal texts" : "";
    const late = `late after ${formatDuration(withinMs)} holds up ${holdsUp}`;
    return `${name}: ${sink} ${canonicalJson(settings)}, from ${from}${texts}; ${late}`;
  });
