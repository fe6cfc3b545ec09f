/**
 * What a kind of source implements: how its service is asked, and what its answer means. Nothing more: deadlines, bounds,
 * retries, caches and the wording of failures are the host's (`ask.ts`, `desk.ts`). One file each in `sources/`.
 */
import type { z } from "zod";
import type { Json } from "../base/canonical.ts";
import type { Secret } from "../base/secret.ts";
import type { Match } from "../domain/fact-sources.ts";
import type { TicketState } from "../domain/facts.ts";

export type Question = {
  readonly url: URL;
  readonly authorization: Secret | null;
  /** Where the service tells its versions apart by it. */
  readonly accept?: string;
};

/** Undefined: the service says that there is no such thing (404). Whatever else is no answer throws a `SourceError`. */
export type Ask = (question: Question) => Promise<Json | undefined>;

export const SOURCE_FAULTS = [
  ...["unreachable", "too-slow", "sign-in", "not-found", "busy", "failed", "redirect", "too-large", "not-json"],
  ...["unexpected", "stale", "secrets"],
] as const;
export type SourceFault = (typeof SOURCE_FAULTS)[number];

/** Why a source could not tell. The message names no secret and quotes nothing of an answer. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  readonly fault: SourceFault;
  /** For `busy`: when it wants to be asked again. */
  readonly retryAfterMs: number | null;

  constructor(fault: SourceFault, message: string, retryAfterMs: number | null = null) {
    super(message);
    this.fault = fault;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Somebody, as a service knows them. */
export type Named = {
  /** Everything under which it knows them for sure: its own ids, never a name that they may choose. */
  readonly ids: readonly string[];
  /** Empty where it has none, or does not tell. */
  readonly email: string;
  /** Empty where the service has no such names, or does not tell. */
  readonly handle: string;
};

/** Everybody who is on call, and the line they are in. */
export type OnCallAnswer = readonly (Named & { readonly tier: number })[];

export type TicketAnswer = {
  readonly state: Exclude<TicketState, "unknown">;
  readonly status: string;
  /** `shown`: what people read. */
  readonly assignee: (Named & { readonly shown: string }) | null;
};

export type OnCallKind<C = unknown> = {
  readonly kind: string;
  readonly connection: z.ZodType<C>;
  /** Where the file does not say by what people are known. */
  readonly match: Match;
  onCall(connection: C, ask: Ask): Promise<OnCallAnswer>;
};

export type TicketKind<C = unknown> = {
  readonly kind: string;
  readonly connection: z.ZodType<C>;
  readonly match: Match;
  /** The id has been looked at: it fits the pattern of the source, and is of letters, digits, - and _. */
  ticket(connection: C, id: string, ask: Ask): Promise<TicketAnswer>;
};

/** On-call services say who comes to access: unless the file says otherwise, whom it maps and nobody else. */
export const defineOnCallSource = <C>(kind: Omit<OnCallKind<C>, "match"> & { readonly match?: Match }): OnCallKind =>
  ({ match: "people", ...kind }) as unknown as OnCallKind;
export const defineTicketSource = <C>(kind: Omit<TicketKind<C>, "match">): TicketKind =>
  ({ match: "email", ...kind }) as unknown as TicketKind;

export const NO_SUCH_TICKET: TicketAnswer = { state: "missing", status: "", assignee: null };
