/** Whoever is refused for want of a fresh sign-in is told where to show it; and whoever waits for that, how it goes. */
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { hashOf } from "../base/hash.ts";
import { stepUpId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { DemandsView, DemandView } from "../contract/step-ups.ts";
import { type Authentication, type Demand, type Demands, demandInWords, lacking } from "../domain/authentication.ts";
import type { Facts } from "../domain/facts.ts";
import type { Identity } from "../domain/identity.ts";
import type { Db } from "../store/db.ts";
import { authenticationOf, findStepUp, putStepUp } from "../store/step-ups.ts";
import type { Call, Handlers, ServerDeps } from "./call.ts";
import { hold } from "./hold.ts";

/** So long somebody may take. */
export const KEPT_MS = 10 * 60_000;
export const STEP_UP_PATH = "/auth/step-up";
export const PASSKEYS_PATH = "/auth/passkeys";
/** An act of the browser alone, and so no call. */
export const ADD_PASSKEY = "add a passkey";

export const toDemandView = (demand: Demand): DemandView => ({
  maxAge: demand.maxAgeMs === undefined ? null : formatDuration(demand.maxAgeMs),
  acr: [...(demand.acr ?? [])],
  passkey: demand.passkey === true,
  words: demandInWords(demand),
});

/** What an act takes; null: nothing. */
export function toDemandsView({ request, review }: Demands = {}): DemandsView | null {
  if (request === undefined && review === undefined) return null;
  return {
    request: request === undefined ? null : toDemandView(request),
    review: review === undefined ? null : toDemandView(review),
  };
}

/** How the caller has shown who they are; null: by a token. Looked up before the transaction that decides. */
export const shownBy = async (
  db: Db,
  { session, act }: Pick<Call, "session" | "act">,
): Promise<Authentication | null> => (session === null ? null : authenticationOf(db, session, hashOf(act)));

export async function withAuthentication(db: Db, call: Call, facts: Facts): Promise<Facts> {
  const authentication = await shownBy(db, call);
  return authentication === null ? facts : { ...facts, authentication };
}

const identityOf = async ({ context }: ServerDeps): Promise<Identity | undefined> =>
  (await context.catalog.active(context.ledger))?.configuration.identity;

/** Adds the address to a refusal that needs one. */
export async function offerStepUp(deps: ServerDeps, refusal: Refusal, { session, act }: Call): Promise<Refusal> {
  if (refusal.refused !== "step-up-required" || session === null) return refusal;
  const identity = await identityOf(deps);
  if (identity === undefined) return refusal;
  const { rule, what, demand } = refusal.extra as { rule: string; what: string; demand: Demand };
  const id = stepUpId.make();
  const wanted = { id, session, act: hashOf(act), what, demand, keptMs: KEPT_MS };
  const expiresAt = toTimestamp(await putStepUp(deps.context.db, wanted));
  const url = `${identity.url}${STEP_UP_PATH}/${id}`;
  const extra = { rule, demand: toDemandView(demand), stepUp: { id, url, expiresAt } };
  return refuse("step-up-required", `${refusal.detail} Open ${url}, then do the same again.`, extra);
}

const OVER = refuse("not-found", "There is no such step-up of yours, or its time is over. Ask again where you asked.");

export function stepUpHandlers(deps: ServerDeps): Handlers<"stepups"> {
  const { context, changes, clock } = deps;
  const { db } = context;
  return {
    async get({ params, query }, { principal, signal }) {
      const id = stepUpId.parse(params.id);
      const identity = await identityOf(deps);
      if (id === null || identity === undefined) return OVER;
      const look = async () => {
        const found = await findStepUp(db, id);
        if (found === null || found.principalId !== principal.id) return OVER;
        const shown = await authenticationOf(db, found.session, found.act);
        const missing = lacking(found.demand, shown, await context.ledger.nowMs());
        return { ...found, state: missing === null ? ("done" as const) : ("waiting" as const) };
      };
      const seen = await hold(look, (one) => isRefusal(one) || one.state === "done", {
        ...{ timeoutMs: query.wait * 1_000, signal, clock },
        next: (timeoutMs) => changes.next(timeoutMs),
      });
      if (isRefusal(seen)) return seen;
      const { state, what, demand, expiresMs } = seen;
      const url = `${identity.url}${STEP_UP_PATH}/${id}`;
      const body = { id, state, what, demand: toDemandView(demand), url, expiresAt: toTimestamp(expiresMs) };
      return { status: 200, body };
    },
  };
}
