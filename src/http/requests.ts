import { type RequestId, requestId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { RequestView } from "../contract/access.ts";
import { cancelRequest } from "../operations/cancel-request.ts";
import { commentOnRequest } from "../operations/comment-on-request.ts";
import { editRequest, NOT_YOURS } from "../operations/edit-request.ts";
import { versionOf } from "../operations/request-version.ts";
import { reviewRequest } from "../operations/review-request.ts";
import { type Recorded, submitRequest } from "../operations/submit-request.ts";
import { commentsOf } from "../store/comments.ts";
import { findRequest, reviewsOf } from "../store/requests.ts";
import { visibleRequests } from "../store/visible.ts";
import type { Call, Handlers, ServerDeps } from "./call.ts";
import { hold } from "./hold.ts";
import { nextCursor } from "./page.ts";
import { idsOf } from "./people.ts";
import { freshView, requestViews } from "./request-views.ts";
import { inScene } from "./scene.ts";
import { shownBy, withAuthentication } from "./step-up.ts";
import { timelineOf } from "./timeline.ts";
import type { Versions } from "./versions.ts";

const NO_SUCH_REQUEST = refuse("not-found", "There is no such request, or you may not see it.");

/** As If-Match sends it back. */
const tagOf = ({ version }: Pick<RequestView, "version">) => ({ etag: `"${version}"` });

/** Asking, and deciding on what others ask. */
export function requestHandlers(deps: ServerDeps, versions: Versions): Handlers<"requests"> {
  const { context, changes, clock, facts: desk } = deps;
  const { db } = context;

  const show = (id: RequestId, { principal }: Call): Promise<RequestView | Refusal> =>
    inScene(context, principal, async (scene) => {
      const found = await visibleRequests(db, scene.viewer, { id, limit: 1 });
      const [view] = await requestViews(
        db,
        versions,
        scene,
        found.map(({ request }) => request),
      );
      return view ?? NO_SUCH_REQUEST;
    });

  /** The request with everything that happened to it. */
  async function read(id: RequestId, call: Call) {
    const view = await show(id, call);
    if (isRefusal(view)) return view;
    const voided = new Set(view.reviews.filter(({ counts }) => !counts).map((review) => review.id));
    const body = { ...view, timeline: await timelineOf(db, call.principal, id, voided) };
    return { status: 200 as const, body, headers: tagOf(view) };
  }

  /** What would end a wait. */
  async function seenOf(id: RequestId) {
    const request = await findRequest(db, id);
    const version = request === null ? null : versionOf(request);
    return {
      state: request?.state,
      version,
      said: (await reviewsOf(db, id)).length + (await commentsOf(db, id)).length,
    };
  }

  /** What an operation did to a request, shown to who did it. */
  async function after(result: { requestId: RequestId } | Refusal, call: Call) {
    const view = isRefusal(result) ? result : await show(result.requestId, call);
    return isRefusal(view) ? view : { status: 200 as const, body: view, headers: tagOf(view) };
  }

  return {
    async submit({ body }, call) {
      const { duration, start, ...rest } = body;
      const asked = { ...rest, durationMs: duration, startMs: start };
      const facts = await withAuthentication(db, call, await desk.gather(call.principal, asked.ticket));
      const { principal, idempotency } = call;
      const told: Recorded[] = [];
      const result = await submitRequest(context, principal.id, asked, facts, idempotency, (it) => told.push(it));
      if (isRefusal(result)) return result;
      // What was recorded may have been undone, and the same call done elsewhere: only what is answered is shown.
      const recorded = told.findLast(({ request }) => request.id === result.requestId);
      const view = await (recorded === undefined
        ? show(result.requestId, call)
        : freshView(versions, principal, recorded));
      if (isRefusal(view)) return view;
      return { status: 201, body: view, headers: { location: `/v1/requests/${view.id}`, ...tagOf(view) } };
    },

    list: ({ query }, { principal }) =>
      inScene(context, principal, async (scene) => {
        const { role, state: states, bundle, resource, entitlement, order, cursor, limit } = query;
        const principalIds = query.person === undefined ? undefined : await idsOf(db, query.person, principal);
        const times = { fromMs: query.from, untilMs: query.until };
        const filter = { role, principalIds, states, bundle, resource, entitlement, order, cursor, limit, ...times };
        const page = principalIds?.length === 0 ? [] : await visibleRequests(db, scene.viewer, filter);
        const requests = await requestViews(
          db,
          versions,
          scene,
          page.map(({ request }) => request),
        );
        return { status: 200 as const, body: { requests, next: nextCursor(page, limit) } };
      }),

    async get({ params, query }, call) {
      const id = requestId.parse(params.id);
      if (id === null) return NO_SUCH_REQUEST;
      if (query.wait === 0) return read(id, call);
      // Counted before it is looked at: what comes in between ends the wait, too.
      const before = await seenOf(id);
      const first = await show(id, call);
      if (isRefusal(first)) return first;
      const known = query.while ?? first.state;
      await hold(
        () => seenOf(id),
        (seen) => seen.state !== known || seen.version !== before.version || seen.said !== before.said,
        {
          timeoutMs: query.wait * 1_000,
          signal: call.signal,
          clock,
          next: (timeoutMs) => changes.next(timeoutMs),
        },
      );
      return read(id, call);
    },

    async comment({ params, body }, call) {
      const id = requestId.parse(params.id);
      if (id === null) return NO_SUCH_REQUEST;
      return after(await commentOnRequest(context, call.principal.id, id, body, call.idempotency), call);
    },

    async edit({ params, headers, body }, call) {
      const id = requestId.parse(params.id);
      const request = id === null ? null : await findRequest(db, id);
      if (id === null || request?.requesterId !== call.principal.id) return NOT_YOURS;
      const { duration, start, ticket, reason, activation } = body;
      const wanted = {
        ...(duration === undefined ? {} : { durationMs: duration }),
        ...(reason === undefined ? {} : { reason }),
        ...(ticket === undefined ? {} : { ticket: ticket ?? "" }),
        ...(start === undefined ? {} : { startMs: start }),
        ...(activation === undefined ? {} : { activation }),
      };
      const seen = headers["if-match"] ?? null;
      const gathered = await desk.gather(call.principal, wanted.ticket ?? request.ticket);
      const facts = await withAuthentication(db, call, gathered);
      return after(await editRequest(context, call.principal.id, id, wanted, seen, facts, call.idempotency), call);
    },

    async review({ params, headers, body }, call) {
      const id = requestId.parse(params.id);
      if (id === null) return NO_SUCH_REQUEST;
      const { verdict, comment, entitlement, duration: durationMs } = body;
      const authentication = await shownBy(db, call);
      const given = { verdict, comment, entitlement, durationMs, seen: headers["if-match"] ?? null, authentication };
      return after(await reviewRequest(context, call.principal.id, id, given, call.idempotency), call);
    },

    async cancel({ params }, call) {
      const id = requestId.parse(params.id);
      if (id === null) return NO_SUCH_REQUEST;
      return after(await cancelRequest(context, call.principal, id, call.idempotency), call);
    },
  };
}
