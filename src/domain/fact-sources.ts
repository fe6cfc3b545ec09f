/** The services that are asked about the world, as the configuration names them. How each is asked: `src/facts/`. */
import type { JsonObject } from "../base/canonical.ts";
import type { Schedule } from "./schedule.ts";

/** By what somebody there is known to be somebody here, where `people` does not say; `people`: by nothing else. */
export const MATCHES = ["email", "handle", "people"] as const;
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
  /** Left out where there is none, and in what was stored before there were any. */
  readonly schedules?: readonly Schedule[];
  readonly tickets: readonly TicketSource[];
};

export const NO_SOURCES: FactSources = { oncall: [], tickets: [] };

/** Whatever a pattern says, a ticket of other characters is never asked about: it goes into addresses and queries. */
export const TICKET_FORM = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";

/** Everybody whom they call by handle: what such a name says of somebody on call is not to be had by taking it. */
export const handlesIn = ({ oncall, schedules = [], tickets }: FactSources): string[] => [
  ...[...oncall, ...tickets].flatMap(({ people }) => Object.keys(people)),
  ...schedules.flatMap(({ rotations, overrides }) => [
    ...rotations.flatMap(({ people }) => people),
    ...overrides.map(({ person }) => person),
  ]),
];
