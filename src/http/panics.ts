import { toTimestamp } from "../base/clock.ts";
import { type PanicId, panicId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { PanicView } from "../contract/panics.ts";
import type { Panic } from "../domain/panic.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { liftPanic, NO_SUCH_PANIC } from "../operations/lift-panic.ts";
import { startPanic } from "../operations/start-panic.ts";
import { grantsById } from "../store/grants.ts";
import { findPanic, listPanics, panicProgress, unprovenUnder } from "../store/panics.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { hold } from "./hold.ts";
import { nextCursor } from "./page.ts";
import { peopleOf } from "./people.ts";

/** So many grants that are not proven gone are named; the rest are counted. */
const UNPROVEN_SHOWN_MAX = 100;

const NOT_FOR_YOU = refuse("forbidden", "Panics are for operators, admins and auditors. Ask one of them.");

/** The panic button, and how far it has come. */
export function panicHandlers(deps: ServerDeps): Handlers<"panics"> {
  const { context, changes, clock } = deps;
  const { db } = context;

  async function view(panic: Panic, me: Principal): Promise<PanicView> {
    const { scope, lifted } = panic;
    const unproven = await grantsById(db, await unprovenUnder(db, panic.id, UNPROVEN_SHOWN_MAX));
    const ids = [
      panic.startedBy,
      ...(scope.on === "principal" ? [scope.principalId] : []),
      ...(lifted === null ? [] : [lifted.by]),
      ...unproven.map((grant) => grant.principalId),
    ];
    const personOf = await peopleOf(db, me, ids);
    return {
      id: panic.id,
      on: scope.on === "principal" ? "person" : scope.on,
      resource: scope.on === "resource" ? scope.resource : null,
      person: scope.on === "principal" ? personOf(scope.principalId) : null,
      reason: panic.reason,
      startedBy: personOf(panic.startedBy),
      startedAt: toTimestamp(panic.startedMs),
      inForce: lifted === null,
      lifted: lifted && { by: personOf(lifted.by), at: toTimestamp(lifted.atMs), reason: lifted.reason },
      ended: { ...(await panicProgress(db, panic.id)) },
      unproven: unproven.map((grant) => ({
        grantId: grant.id,
        entitlement: grant.entitlement,
        person: personOf(grant.principalId),
        state: grant.state,
        accessGone: grant.state === "revoking" && grant.accessGone,
        trouble: grant.trouble?.lastError.message ?? null,
      })),
    };
  }

  async function show(result: { panicId: PanicId } | Refusal, me: Principal): Promise<PanicView | Refusal> {
    if (isRefusal(result)) return result;
    const panic = await findPanic(db, result.panicId);
    return panic === null ? NO_SUCH_PANIC : view(panic, me);
  }

  return {
    async start({ body }, call) {
      const { reason, ...over } = body;
      const started = await show(
        await startPanic(context, call.principal, over, reason, call.idempotency),
        call.principal,
      );
      return isRefusal(started) ? started : { status: 201, body: started };
    },

    async list({ query }, { principal }) {
      if (!maySee(principal)) return NOT_FOR_YOU;
      const inForce = query.state === undefined ? {} : { inForce: query.state === "in-force" };
      const before = query.cursor === undefined ? {} : { beforeSeq: query.cursor };
      const page = await listPanics(db, { ...inForce, ...before, limit: query.limit });
      const panics = [];
      for (const { panic } of page) panics.push(await view(panic, principal));
      return { status: 200, body: { panics, next: nextCursor(page, query.limit) } };
    },

    async get({ params, query }, { principal, signal }) {
      if (!maySee(principal)) return NOT_FOR_YOU;
      const id = panicId.parse(params.id);
      if (id === null) return NO_SUCH_PANIC;
      const first = await show({ panicId: id }, principal);
      if (isRefusal(first)) return first;
      if (query.wait === 0) return { status: 200, body: first };
      const { cleanUpPending } = first.ended;
      const live = query.live ?? first.ended.live;
      await hold(
        () => panicProgress(db, id),
        (seen) => seen.live !== live || seen.cleanUpPending !== cleanUpPending,
        { timeoutMs: query.wait * 1_000, signal, clock, next: (timeoutMs) => changes.next(timeoutMs) },
      );
      const seen = await show({ panicId: id }, principal);
      return isRefusal(seen) ? seen : { status: 200, body: seen };
    },

    async lift({ params, body }, call) {
      const id = panicId.parse(params.id);
      if (id === null) return NO_SUCH_PANIC;
      const lifted = await show(
        await liftPanic(context, call.principal, id, body.reason, call.idempotency),
        call.principal,
      );
      return isRefusal(lifted) ? lifted : { status: 200, body: lifted };
    },
  };
}

const maySee = (principal: Principal): boolean => hasRole(principal, "operator", "admin", "auditor");
