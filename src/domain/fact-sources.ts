/** The services that are asked about the world, as the configuration names them. How each is asked: `src/facts/`. */
import type { JsonObject } from "../base/canonical.ts";

/** By what somebody there is known to be somebody here, where `people` does not say. */
export const MATCHES = ["email", "handle"] as const;
export type Match = (typeof MATCHES)[number];

export type FactSource = {
  /** `pager`: facts name it. */
  readonly name: string;
  /** Which kind of service it is: `json`, `jira`, … */
  readonly kind: string;
  /** As written, with its references. */
  readonly connection: JsonObject;
  readonly timeoutMs: number;
  /** Older answers are not used. */
  readonly maxAgeMs: number;
  readonly match: Match;
  /** Handle → who that is over there, before anything else. */
  readonly people: Readonly<Record<string, string>>;
};

export type TicketSource = FactSource & {
  /** Which tickets are this tracker's. */
  readonly pattern: string;
  /** One that exists, for who looks whether the tracker answers. */
  readonly example?: string;
  /** Null: tickets that close end nothing. */
  readonly endAccess: { readonly lookEveryMs: number } | null;
};

/** In the order of the file: the first tracker whose pattern fits is asked. */
export type FactSources = {
  readonly oncall: readonly FactSource[];
  readonly tickets: readonly TicketSource[];
};

export const NO_SOURCES: FactSources = { oncall: [], tickets: [] };

/** Whatever a pattern says, a ticket of other characters is never asked about: it goes into addresses and queries. */
export const TICKET_FORM = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
