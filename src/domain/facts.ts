/**
 * What was looked up about the world before the transaction that decides: with its source and age, kept with the request.
 *
 * A source that fails, is late, says nonsense or is out of date makes a fact *unknown*, never true and never false: a
 * condition that depends on it fails, and failing falls on the closed side. `why` then says what went wrong.
 */
import type { Json, JsonObject } from "../base/canonical.ts";
import type { Authentication } from "./authentication.ts";
import type { Circumstances } from "./circumstances.ts";
import type { Extension } from "./policy.ts";
import type { UserFacts } from "./recorded-request.ts";

type Looked = {
  /** The name of the source, or `file`. */
  readonly source: string;
  readonly ageMs: number;
  /** Older than this, it is worth nothing any more; absent where it does not age. */
  readonly goodForMs?: number;
  /** Why it is not known, in words; absent where it is known. */
  readonly unknown?: string;
};

export type OnCallFact = Looked & {
  /** 0: not on call, and also while it is not known. */
  readonly tier: number;
};

/**
 * `other`: it exists, and its status is among neither the open nor the closed ones. `missing`: the source says that there
 * is none, or no source knows such names. `unknown`: nobody could tell.
 */
export const TICKET_STATES = ["open", "closed", "other", "missing", "unknown"] as const;
export type TicketState = (typeof TICKET_STATES)[number];

export type TicketFact = Looked & {
  /** As the person wrote it. */
  readonly id: string;
  readonly state: TicketState;
  /** The tracker's own word. */
  readonly status: string;
  /** As the tracker names them; empty where nobody is, or it may not be seen. */
  readonly assignee: string;
  /** Whether the assignee is the person who asks. */
  readonly mine: boolean;
};

export type Facts = {
  readonly oncall: OnCallFact;
  /** Absent where no ticket was named, and in what was stored before tickets were looked up. */
  readonly ticket?: TicketFact;
  /** What our own ledger says of the person; looked up inside the transaction, and only where the policy asks for it. */
  readonly history?: History;
  /** The person as policy saw them; absent in what was stored before it was kept. */
  readonly user?: UserFacts;
  /** How whoever asked had shown who they are; absent: by a token. */
  readonly authentication?: Authentication;
  /** Of more time on a grant: what policy judged. */
  readonly judged?: { readonly durationMs: number; readonly extension: Extension };
};

/** Grants of one person. `here`: of the same resource. */
export type History = {
  /** That have not ended. */
  readonly open: number;
  readonly openHere: number;
  /** Made within the last `HISTORY_DAYS` days, whatever became of them. */
  readonly recent: number;
  readonly recentHere: number;
  /** Their emergencies that nobody has reviewed yet; left out where it was stored before there were any. */
  readonly unreviewed?: number;
};

export const HISTORY_DAYS = 30;

const NO_TICKET: TicketFact = {
  ...{ id: "", state: "missing", status: "", assignee: "", mine: false },
  ...{ source: "", ageMs: 0 },
};

export const unknownTicket = (id: string, why: string, source = "", ageMs = 0): TicketFact => ({
  ...{ ...NO_TICKET, id, state: "unknown", source, ageMs },
  unknown: why,
});

/** The fact about this very ticket; facts about another say nothing. */
export function ticketFactFor(id: string, fact: TicketFact | undefined): TicketFact {
  if (id.trim() === "") return { ...NO_TICKET, id };
  return fact?.id === id ? fact : unknownTicket(id, "nobody has looked it up");
}

/**
 * Facts as they were stored with a request, `laterMs` after it was made: what has aged too much since is not known. Rows of
 * earlier versions hold less.
 */
export function storedFacts(stored: JsonObject, laterMs: number): Facts {
  const { oncall, ticket, ...rest } = stored as unknown as Partial<Facts>;
  const known = oncall ?? { tier: 0, source: "", ageMs: 0, unknown: "nobody has looked it up" };
  return {
    oncall: isStale(known, laterMs) ? { ...known, tier: 0, unknown: OUT_OF_DATE } : known,
    ...(ticket === undefined
      ? {}
      : { ticket: isStale(ticket, laterMs) ? unknownTicket(ticket.id, OUT_OF_DATE, ticket.source) : ticket }),
    ...rest,
  };
}
const OUT_OF_DATE = "what was looked up is out of date";

const isStale = ({ ageMs, goodForMs }: Looked, laterMs: number): boolean =>
  laterMs > 0 && goodForMs !== undefined && ageMs + laterMs > goodForMs;

/** What policy looks at of them. */
export const seenByPolicy = ({
  oncall,
  ticket,
  history,
}: Facts): Pick<Circumstances, "oncall" | "ticket" | "history"> => ({
  oncall,
  ...(ticket === undefined ? {} : { ticket }),
  ...(history === undefined ? {} : { history }),
});

/** Facts as the log keeps them: what somebody is called, here or in a tracker, is not for a log that nobody can erase from. */
export function factsForTheLog({ ticket, user, ...rest }: JsonObject): JsonObject {
  return {
    ...rest,
    ...(ticket === undefined ? {} : { ticket: without(ticket, "assignee") }),
    ...(user === undefined ? {} : { user: without(user, "handle", "name", "email", "manager") }),
  };
}

const without = (fact: Json, ...names: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(fact ?? {}).filter(([name]) => !names.includes(name)));

/** `INC-42 is closed (Done), says jira`: for whoever reads why a rule did not apply. */
export function ticketInWords({ id, state, status, mine, assignee, source, unknown }: TicketFact): string {
  if (id.trim() === "") return "no ticket was named";
  if (unknown !== undefined) return `${id}: ${unknown}`;
  const says = source === "" ? "" : `, says ${source}`;
  if (state === "missing")
    return source === "" ? `no tracker has tickets named like ${id}` : `there is no ticket ${id}${says}`;
  const word = state === "other" ? "neither open nor closed" : state;
  const raw = status === "" ? "" : ` (${status})`;
  return `${id} is ${word}${raw} and ${assigned(mine, assignee)}${says}`;
}

function assigned(mine: boolean, assignee: string): string {
  if (mine) return "assigned to who asks";
  return assignee === "" ? "assigned to nobody" : "assigned to somebody else";
}

export function onCallInWords({ tier, source }: Pick<OnCallFact, "tier" | "source">): string {
  return `${tier === 0 ? "not on call" : `on call at tier ${tier}`}, says ${source}`;
}
