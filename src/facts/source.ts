/**
 * What a kind of source implements: how its service is asked, and what its answer means. Nothing more: deadlines, bounds,
 * retries, caches and the wording of failures are the host's (`ask.ts`, `desk.ts`). One file each in `sources/`.
 */
import type { z } from "zod";
import type { Json } from "../base/canonical.ts";
import type { Secret } from "../base/secret.ts";
import type { TicketState } from "../domain/facts.ts";

export type Question = {
  readonly url: URL;
  readonly authorization: Secret | null;
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

/** Everybody who is on call: under what they are known there, and the line they are in. */
export type OnCallAnswer = readonly { readonly person: string; readonly tier: number }[];

export type TicketAnswer = {
  readonly state: Exclude<TicketState, "unknown">;
  readonly status: string;
  readonly assignee: {
    /** As it is shown. */
    readonly shown: string;
    /** Everything under which the tracker knows them. */
    readonly ids: readonly string[];
    readonly email: string;
    /** Empty where the tracker has no such names, or does not tell. */
    readonly handle: string;
  } | null;
};

export type OnCallKind<C = unknown> = {
  readonly kind: string;
  readonly connection: z.ZodType<C>;
  onCall(connection: C, ask: Ask): Promise<OnCallAnswer>;
};

export type TicketKind<C = unknown> = {
  readonly kind: string;
  readonly connection: z.ZodType<C>;
  /** The id has been looked at: it fits the pattern of the source, and is of letters, digits, - and _. */
  ticket(connection: C, id: string, ask: Ask): Promise<TicketAnswer>;
};

export const defineOnCallSource = <C>(kind: OnCallKind<C>): OnCallKind => kind as unknown as OnCallKind;
export const defineTicketSource = <C>(kind: TicketKind<C>): TicketKind => kind as unknown as TicketKind;

export const NO_SUCH_TICKET: TicketAnswer = { state: "missing", status: "", assignee: null };
