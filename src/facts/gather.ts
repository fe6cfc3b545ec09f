/** Facts about a person and a ticket now, asked of every source that knows of them, side by side. A source that fails is a fact, not an error. */
import type { z } from "zod";
import type { JsonObject } from "../base/canonical.ts";
import { type FactSource, type FactSources, TICKET_FORM, type TicketSource } from "../domain/fact-sources.ts";
import { type Facts, type OnCallFact, type TicketFact, unknownTicket } from "../domain/facts.ts";
import type { SourceFacts } from "../domain/health-facts.ts";
import { compilePattern } from "../domain/pattern.ts";
import type { Principal } from "../domain/principal.ts";
import { scheduledFact } from "../domain/schedule.ts";
import { Desk, type DeskOptions, type Looked } from "./desk.ts";
import { ONCALL_KINDS, TICKET_KINDS } from "./kinds.ts";
import { type Ask, type OnCallAnswer, SourceError, type TicketAnswer } from "./source.ts";
import { isPerson } from "./who.ts";

export type FactDesk = {
  /** `ticket` is empty where none is named. */
  gather(principal: Principal, ticket: string): Promise<Facts>;
  /** What its tracker says of a ticket, whoever it is assigned to. */
  ticket(id: string): Promise<Pick<TicketFact, "state" | "status" | "source">>;
  health(): Promise<readonly SourceFacts[]>;
};

export type FactDeskOptions = DeskOptions & {
  /** Of the configuration that is active, or was a moment ago. */
  readonly sources: () => Promise<FactSources>;
  /** By which turns of a schedule are told: the store's, so that all servers tell the same. */
  readonly nowMs: () => Promise<number>;
};

export function createFactDesk(options: FactDeskOptions): FactDesk {
  const desk = new Desk(options);
  return {
    async gather(principal, ticket) {
      const sources = await options.sources();
      const [oncall, about] = await Promise.all([
        whoIsOnCall(desk, sources, principal, options.nowMs),
        ticket.trim() === "" ? null : aboutTicket(desk, sources.tickets, principal, ticket),
      ]);
      return { oncall, ...(about === null ? {} : { ticket: about }) };
    },
    async ticket(id) {
      const source = trackerOf((await options.sources()).tickets, id);
      if (source === null) return { state: "missing", status: "", source: "" };
      const looked = await lookTicket(desk, source, id, { anew: true });
      const { state, status } = looked.ok ? looked.value : { state: "unknown" as const, status: "" };
      return { state, status, source: source.name };
    },
    async health() {
      const { oncall, tickets } = await options.sources();
      return [...desk.health("oncall", oncall), ...desk.health("tickets", tickets)];
    },
  };
}

/**
 * The nearest line that anybody says the person is in: the file, a schedule or a service. Where none does and one of the
 * services could not tell, it is not known.
 */
async function whoIsOnCall(
  desk: Desk,
  { oncall, schedules = [] }: FactSources,
  principal: Principal,
  now: FactDeskOptions["nowMs"],
): Promise<OnCallFact> {
  const file: OnCallFact = { tier: principal.onCallTier, source: "file", ageMs: 0 };
  const looked = await Promise.all(
    oncall.map(async (source): Promise<OnCallFact> => onCallFact(await lookOnCall(desk, source), source, principal)),
  );
  const nowMs = schedules.length === 0 ? 0 : await now();
  const answers = [...looked, ...schedules.map((schedule) => scheduledFact(schedule, principal.handle, nowMs))];
  const [nearest] = [file, ...answers].filter(({ tier }) => tier > 0).sort((a, b) => a.tier - b.tier);
  const unknown = answers.find((answer) => answer.unknown !== undefined);
  return nearest ?? unknown ?? answers[0] ?? file;
}

function onCallFact(looked: Looked<OnCallAnswer>, source: FactSource, principal: Principal): OnCallFact {
  const about = { source: source.name, goodForMs: source.maxAgeMs };
  if (!looked.ok) return { tier: 0, ageMs: 0, ...about, unknown: looked.why };
  const tiers = looked.value.filter((person) => isPerson(source, principal, person)).map(({ tier }) => tier);
  return { tier: tiers.length === 0 ? 0 : Math.min(...tiers), ageMs: looked.ageMs, ...about };
}

async function aboutTicket(
  desk: Desk,
  sources: readonly TicketSource[],
  principal: Principal,
  id: string,
): Promise<TicketFact> {
  if (sources.length === 0) return unknownTicket(id, "no source of tickets is configured");
  const source = trackerOf(sources, id);
  const plain = { id, status: "", assignee: "", mine: false };
  if (source === null) return { ...plain, state: "missing", source: "", ageMs: 0 };
  const looked = await lookTicket(desk, source, id);
  if (!looked.ok) return { ...unknownTicket(id, looked.why, source.name), goodForMs: source.maxAgeMs };
  const { state, status, assignee } = looked.value;
  return {
    ...{ id, state, status, assignee: assignee?.shown ?? "" },
    mine: assignee !== null && isPerson(source, principal, assignee),
    ...{ source: source.name, ageMs: looked.ageMs, goodForMs: source.maxAgeMs },
  };
}

/** The first tracker whose pattern fits. */
export const trackerOf = (sources: readonly TicketSource[], id: string): TicketSource | null =>
  sources.find((source) => isTicketOf(source, id)) ?? null;

export const isTicketOf = ({ pattern }: Pick<TicketSource, "pattern">, id: string): boolean =>
  FORM(id) && compilePattern(pattern)(id);
const FORM = compilePattern(TICKET_FORM);

export const lookOnCall = (desk: Desk, source: FactSource): Promise<Looked<OnCallAnswer>> =>
  desk.look("oncall", source, "", (connection, ask) => {
    const kind = known(ONCALL_KINDS, source);
    return kind.onCall(parsed(kind.connection, connection), ask);
  });

export const lookTicket = (
  desk: Desk,
  source: TicketSource,
  id: string,
  options: { readonly anew?: boolean } = {},
): Promise<Looked<TicketAnswer>> => {
  const how = (connection: JsonObject, ask: Ask): Promise<TicketAnswer> => {
    const kind = known(TICKET_KINDS, source);
    return kind.ticket(parsed(kind.connection, connection), id, ask);
  };
  return desk.look("tickets", source, id, how, options);
};

function known<K>(kinds: ReadonlyMap<string, K>, { kind }: FactSource): K {
  const found = kinds.get(kind);
  if (found === undefined) throw new SourceError("secrets", `is of a kind that this version does not know: ${kind}`);
  return found;
}

/** It was checked when the file was read; what the environment puts in may have changed since. */
function parsed(schema: z.ZodType, connection: JsonObject): unknown {
  const result = schema.safeParse(connection);
  if (!result.success) throw new SourceError("secrets", "cannot be asked: the secrets make no valid connection of it");
  return result.data;
}
