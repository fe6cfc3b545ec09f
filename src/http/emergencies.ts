import { requestId } from "../base/ids.ts";
import { isRefusal, refuse } from "../base/problem.ts";
import { reviewEmergency } from "../operations/review-emergency.ts";
import { databaseNowMs } from "../store/db.ts";
import { visibleRequests } from "../store/visible.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { nextCursor } from "./page.ts";
import { idsOf } from "./people.ts";
import { requestViews } from "./request-views.ts";
import { inScene } from "./scene.ts";
import { shownBy } from "./step-up.ts";
import type { Versions } from "./versions.ts";

const NO_SUCH_REQUEST = refuse("not-found", "There is no such request, or you may not see it.");

/** Emergencies, and their review afterwards. */
export function emergencyHandlers({ context }: ServerDeps, versions: Versions): Handlers<"emergencies"> {
  const { db } = context;
  return {
    list: ({ query }, { principal }) =>
      inScene(context, principal, async (scene) => {
        const { state: states, verdict, resource, entitlement, order, cursor, limit } = query;
        const principalIds = query.person === undefined ? undefined : await idsOf(db, query.person, principal);
        const emergency = { states, verdict, nowMs: await databaseNowMs(db) };
        const times = { fromMs: query.from, untilMs: query.until };
        const filter = { emergency, principalIds, resource, entitlement, order, cursor, limit, ...times };
        const page = principalIds?.length === 0 ? [] : await visibleRequests(db, scene.viewer, filter);
        const requests = page.map(({ request }) => request);
        const emergencies = await requestViews(db, versions, scene, requests);
        return { status: 200 as const, body: { emergencies, next: nextCursor(page, limit) } };
      }),

    async review({ params, body }, call) {
      const { principal, idempotency } = call;
      const id = requestId.parse(params.id);
      if (id === null) return NO_SUCH_REQUEST;
      const given = { ...body, authentication: await shownBy(db, call) };
      const result = await reviewEmergency(context, principal.id, id, given, idempotency);
      if (isRefusal(result)) return result;
      const view = await inScene(context, principal, async (scene) => {
        const [found] = await visibleRequests(db, scene.viewer, { id, limit: 1 });
        const [shown] = found === undefined ? [] : await requestViews(db, versions, scene, [found.request]);
        return shown ?? NO_SUCH_REQUEST;
      });
      return isRefusal(view) ? view : { status: 200 as const, body: view };
    },
  };
}
