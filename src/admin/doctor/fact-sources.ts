/** Each source of facts of the configuration, all at once: whether it answers, accepts the sign-in, and says what is expected. */
import { systemClock, toTimestamp } from "../../base/clock.ts";
import { type Finding, type FindingGroup, unknown, warns, well, wrong } from "../../base/finding.ts";
import { secretFiles } from "../../config/load-configuration.ts";
import { resolveReferences } from "../../config/references.ts";
import type { Configuration } from "../../domain/configuration.ts";
import { type FactSource, NO_SOURCES, type TicketSource } from "../../domain/fact-sources.ts";
import { ticketInWords } from "../../domain/facts.ts";
import { onDutyAt, type Schedule } from "../../domain/schedule.ts";
import { Desk, type Looked } from "../../facts/desk.ts";
import { lookOnCall, lookTicket } from "../../facts/gather.ts";
import { type OnCallAnswer, SourceError, type SourceFault } from "../../facts/source.ts";
import { sameWord } from "../../facts/texts.ts";
import type { DoctorOptions } from "./doctor.ts";

export function checkFactSources(
  { facts = NO_SOURCES }: Configuration,
  options: DoctorOptions,
): Promise<FindingGroup[]> {
  const desk = deskOf(options);
  return Promise.all([
    ...facts.oncall.map(async (source) => groupOf("On call", source, await onCallFindings(desk, source))),
    ...(facts.schedules ?? []).map(async (schedule) => scheduleGroup(schedule)),
    ...facts.tickets.map(async (source) => groupOf("Tickets", source, await ticketFindings(desk, source))),
  ]);
}

const groupOf = (what: string, { name, kind }: FactSource, findings: readonly Finding[]): FindingGroup => ({
  title: `${what} ${name} (${kind})`,
  findings,
});

const deskOf = ({ env, configPath }: DoctorOptions): Desk =>
  new Desk({
    resolve(connection) {
      const resolved = resolveReferences(connection, { env, readFile: secretFiles(configPath) });
      if (!resolved.ok) throw new SourceError("secrets", `needs what is missing: ${resolved.missing.join(", ")}`);
      return resolved.connection;
    },
    clock: systemClock,
    log: () => undefined,
  });

async function onCallFindings(desk: Desk, source: FactSource): Promise<Finding[]> {
  const looked = await lookOnCall(desk, source);
  if (!looked.ok) return [fault(looked)];
  const tiers = [...new Set(looked.value.map(({ tier }) => tier))].sort((a, b) => a - b);
  const saw = `${looked.value.length} on call${tiers.length === 0 ? "" : `, at tier ${tiers.join(", ")}`}`;
  if (looked.value.length > 0 && source.match === "people") return [mappedFinding(source, looked.value, saw)];
  if (looked.value.length > 0) return [well("answers", saw)];
  return [
    warns("answers", saw, "Nobody is on call now. If somebody is, see that entries and person name the right places."),
  ];
}

/** Where only the file says who somebody is, whom it does not name is nobody here. */
function mappedFinding({ name, people }: FactSource, onCall: OnCallAnswer, saw: string): Finding {
  const known = Object.values(people);
  const mapped = onCall.filter(({ ids, email }) =>
    [...ids, email].some((id) => known.some((one) => sameWord(one, id))),
  );
  const both = `${saw}; ${mapped.length} of them under people`;
  if (mapped.length > 0) return well("answers", both);
  return warns("answers", both, `Say who they are here: facts.oncall.${name}.people, a handle and their id there.`);
}

/** By the clock of this machine; the server goes by the store's. */
function scheduleGroup(schedule: Schedule): FindingGroup {
  const onDuty = onDutyAt(schedule, systemClock.nowMs());
  const saw = onDuty.map(({ rotation, tier, person, untilMs }) => {
    return `${rotation}: ${person} at tier ${tier} until ${toTimestamp(untilMs)}`;
  });
  const finding =
    onDuty.length > 0
      ? well("on call", saw.join("; "))
      : warns("on call", "nobody is on call", "See when its rotations start.");
  return { title: `On call ${schedule.name} (schedule)`, findings: [finding] };
}

async function ticketFindings(desk: Desk, source: TicketSource): Promise<Finding[]> {
  const { example } = source;
  if (example === undefined)
    return [unknown("answers", "no ticket to look up", `Name one that exists: facts.tickets.${source.name}.example`)];
  const looked = await lookTicket(desk, source, example);
  if (!looked.ok) return [fault(looked)];
  const { state, status, assignee } = looked.value;
  const about = { id: example, state, status, mine: false, assignee: assignee?.shown ?? "" };
  const saw = ticketInWords({ ...about, source: source.name, ageMs: 0 });
  if (state === "missing")
    return [
      wrong(
        "example",
        saw,
        "Name a ticket that exists, or let the user who is signed in with see it: trackers hide what one may not see.",
      ),
    ];
  if (state === "other")
    return [
      warns(
        "example",
        saw,
        "Rules that look at ticket.open or ticket.closed hold for neither. See the status words of the source.",
      ),
    ];
  return [well("example", saw)];
}

type Failed = Extract<Looked<unknown>, { ok: false }>;

const fault = ({ fault: what, why }: Failed): Finding =>
  wrong(what === "sign-in" ? "sign-in" : "answers", why, FIXES[what]);

const FIXES: Readonly<Record<SourceFault, string>> = {
  unreachable: "See that the address is right, and that this machine may reach it: name, route, certificate.",
  "too-slow": "See why it is slow, or give it more time with timeout: (at most 30s).",
  "sign-in": "Put a token that is valid, and may read this, where the configuration refers to it.",
  "not-found": "See that the address is the whole address of the answer.",
  busy: "Ask less often: a larger max_age, or a higher limit there.",
  failed: "Look at the log of the service.",
  redirect: "Write the address that it redirects to.",
  "too-large": "Narrow the question in the address: at most 1 MiB of an answer is read.",
  "not-json": "See that the address is that of the API, and not of a page.",
  unexpected: "See that the keys of the connection name what the answer has.",
  stale: "Let max_age be larger than the time for which a cache before the service keeps answers.",
  secrets: "Set them here as they are set for the server.",
};
