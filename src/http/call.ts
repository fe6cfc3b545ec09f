/** What handlers are given, and what they answer with. */
import type { AnyContractProcedure } from "@orpc/contract";
import type { FastifyBaseLogger } from "fastify";
import type { Clock } from "../base/clock.ts";
import type { SessionId } from "../base/ids.ts";
import type { Refusal } from "../base/problem.ts";
import type { Answer, Contract, Parsed } from "../contract/contract.ts";
import type { OpenGroup } from "../contract/scopes.ts";
import type { Health } from "../domain/health-facts.ts";
import type { OtherAccess } from "../domain/observed.ts";
import type { Principal } from "../domain/principal.ts";
import type { FactDesk } from "../facts/gather.ts";
import type { KnownCallers } from "../identity/known-callers.ts";
import type { Oidc } from "../identity/oidc.ts";
import type { ScimTokens } from "../identity/scim-tokens.ts";
import type { Signals } from "../identity/signals.ts";
import type { Workloads } from "../identity/workloads.ts";
import type { Context } from "../operations/context.ts";
import type { IdempotencyKey } from "../operations/transact.ts";
import type { Checkpoint, ReceiptSigner } from "../store/audit-head.ts";
import type { ShownToken } from "../store/tokens.ts";
import type { HttpLimits } from "./limits.ts";
import type { Away } from "./store-away.ts";

export type ServerDeps = {
  readonly context: Context;
  readonly changes: {
    /** Resolves when something changed, or after the time. */
    next(timeoutMs: number): Promise<void>;
  };
  /** Sweeps of targets, by whoever sees connectors. */
  readonly sweeps: {
    /** Sweeps these now and waits until they have been, or `withinMs` has passed; answers when that was asked, by database time. */
    sweepNow(resources: readonly string[], withinMs: number, signal: AbortSignal): Promise<number>;
    /** Asks the target; null where its kind cannot tell. What cannot be asked throws an error named TargetError, fit to be shown. */
    others(resource: string, signal: AbortSignal): Promise<readonly OtherAccess[] | null>;
  };
  /** Looks up what policy wants to know of the world; never inside a transaction. */
  readonly facts: Pick<FactDesk, "gather">;
  /** A signed head over everything that is committed; in quarantine the last one. Null where nothing was signed. */
  readonly latestCheckpoint: () => Promise<Checkpoint | null>;
  /** The same, and how a receipt is signed; null in quarantine, where nothing is signed. */
  readonly receiptSigner: () => Promise<ReceiptSigner | null>;
  /** Whoever was looked up a moment ago. */
  readonly callers: Pick<KnownCallers, "caller">;
  /** Asks identity providers; never inside a transaction. */
  readonly oidc: Oidc;
  /** Whose provider tells of people and groups. */
  readonly scim: ScimTokens;
  /** Reads what providers send without being asked; never inside a transaction. */
  readonly signals: Signals;
  /** Reads the tokens of jobs elsewhere; never inside a transaction. */
  readonly workloads: Workloads;
  readonly reconcilerHealth: () => { readonly running: boolean; readonly lastTickMs: number | null };
  /** What is wrong with the configuration's files while the last good version goes on; null when nothing is. */
  readonly configurationTrouble: () => string | null;
  /** What the journal does while the store is away; null while it answers. */
  readonly storeAway?: () => Away | null;
  readonly logger: FastifyBaseLogger | false;
  readonly clock: Clock;
  readonly limits?: HttpLimits;
  readonly metrics: {
    readonly registry: { readonly contentType: string };
    text(): Promise<string>;
    health(): Promise<Health>;
    answered(answer: { route: string; method: string; status: number; seconds: number }): void;
    /** A stream was opened, or has ended. */
    streams(change: 1 | -1): void;
  };
};

/** An authenticated call. */
export type Call = {
  readonly principal: Principal;
  /** The session by which they are known; null: by a token. */
  readonly session: SessionId | null;
  /** What is called: the same again is the same act. */
  readonly act: unknown;
  /** The token by which they are known; null: by a session. */
  readonly token: ShownToken | null;
  readonly idempotency: IdempotencyKey | null;
  /** Aborted when the client goes away or the server stops. */
  readonly signal: AbortSignal;
  /** Who calls, asked anew: for calls that outlive a token. */
  readonly again: () => Promise<Principal | Refusal>;
};

export type Reply<P extends AnyContractProcedure> = Answer<P> & { readonly headers?: Readonly<Record<string, string>> };

type Handler<P extends AnyContractProcedure, C> = (input: Parsed<P>, call: C) => Promise<Reply<P> | Refusal>;
type HandlersOf<Routes, C> = {
  readonly [R in keyof Routes]: Routes[R] extends AnyContractProcedure ? Handler<Routes[R], C> : never;
};

/** Handlers of one group of routes. */
export type Handlers<Group extends keyof Contract> = HandlersOf<Contract[Group], Call>;
/** A call of whoever it may be. */
export type OpenCall = { readonly address: string; readonly log: FastifyBaseLogger };
export type OpenHandlers<Group extends OpenGroup> = HandlersOf<Contract[Group], OpenCall>;
