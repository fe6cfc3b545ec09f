/** Several entitlements asked for as one: made, looked at, reviewed and taken back as one. */
import { toTimestamp } from "../base/clock.ts";
import { type BundleId, bundleId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { RequestView } from "../contract/access.ts";
import type { BundleView } from "../contract/bundles.ts";
import { BUNDLE_MAX, type Bundle } from "../domain/bundle.ts";
import { type BundleDone, cancelBundle, reviewBundle } from "../operations/review-bundle.ts";
import { type AskedBundle, submitBundle } from "../operations/submit-bundle.ts";
import { bundlesById, requestIdsOf } from "../store/bundles.ts";
import { findRequest } from "../store/requests.ts";
import { visibleRequests } from "../store/visible.ts";
import type { Call, Handlers, ServerDeps } from "./call.ts";
import { hold } from "./hold.ts";
import { peopleOf } from "./people.ts";
import { requestViews } from "./request-views.ts";
import { inScene } from "./scene.ts";
import { shownBy, withAuthentication } from "./step-up.ts";
import type { Versions } from "./versions.ts";

const NO_SUCH_BUNDLE = refuse("not-found", "There is no such bundle, or you may not see it.");

export function bundleHandlers(deps: ServerDeps, versions: Versions): Handlers<"bundles"> {
  const { context, changes, clock, facts: desk } = deps;
  const { db } = context;

  const show = (id: BundleId, { principal }: Call): Promise<BundleView | Refusal> =>
    inScene(context, principal, async (scene) => {
      const bundle = (await bundlesById(db, [id])).get(id);
      if (bundle === undefined) return NO_SUCH_BUNDLE;
      const seen = await visibleRequests(db, scene.viewer, { bundle: id, order: "oldest", limit: BUNDLE_MAX });
      const mine = bundle.requesterId === principal.id || scene.viewer.seesAll;
      // Who may see a part may know that there is a whole; the rest of it stays hidden.
      if (seen.length === 0 && !mine) return NO_SUCH_BUNDLE;
      const requests = await requestViews(
        db,
        versions,
        scene,
        seen.map(({ request }) => request),
      );
      const people = await peopleOf(db, principal, [bundle.requesterId]);
      return toView(mine ? bundle : { ...bundle, refused: [] }, people(bundle.requesterId), requests);
    });

  async function pendingOf(id: BundleId): Promise<number> {
    const requests = await Promise.all((await requestIdsOf(db, id)).map((one) => findRequest(db, one)));
    return requests.filter((request) => request?.state === "pending").length;
  }

  async function after(result: BundleDone | Refusal, call: Call) {
    const view = isRefusal(result) ? result : await show(result.bundleId, call);
    if (isRefusal(result) || isRefusal(view)) return isRefusal(result) ? result : (view as Refusal);
    return { status: 200 as const, body: { ...view, done: [...result.done], notDone: [...result.refused] } };
  }

  return {
    async submit({ body }, call) {
      const { bundle, entitlements, duration, start, ...rest } = body;
      const wanted = wantedOf(bundle, entitlements);
      if (isRefusal(wanted)) return wanted;
      const facts = await withAuthentication(db, call, await desk.gather(call.principal, rest.ticket));
      const asked = { ...rest, wanted, durationMs: duration, startMs: start };
      const made = await submitBundle(context, call.principal.id, asked, facts, call.idempotency);
      const shown = isRefusal(made) ? made : await show(made.bundleId, call);
      if (isRefusal(shown)) return shown;
      return { status: 201, body: shown, headers: { location: `/v1/bundles/${shown.id}` } };
    },

    async get({ params, query }, call) {
      const id = bundleId.parse(params.id);
      if (id === null) return NO_SUCH_BUNDLE;
      const first = await show(id, call);
      if (isRefusal(first)) return first;
      if (query.wait === 0) return { status: 200, body: first };
      const known = query.pending ?? (await pendingOf(id));
      await hold(
        () => pendingOf(id),
        (pending) => pending !== known,
        { timeoutMs: query.wait * 1_000, signal: call.signal, clock, next: (timeoutMs) => changes.next(timeoutMs) },
      );
      const view = await show(id, call);
      return isRefusal(view) ? view : { status: 200, body: view };
    },

    async review({ params, body }, call) {
      const id = bundleId.parse(params.id);
      if (id === null) return NO_SUCH_BUNDLE;
      const { verdict, comment, duration: durationMs } = body;
      const given = { verdict, comment, durationMs, authentication: await shownBy(db, call) };
      return after(await reviewBundle(context, call.principal.id, id, given, call.idempotency), call);
    },

    async cancel({ params }, call) {
      const id = bundleId.parse(params.id);
      if (id === null) return NO_SUCH_BUNDLE;
      return after(await cancelBundle(context, call.principal, id, call.idempotency), call);
    },
  };
}

function wantedOf(
  bundle: string | undefined,
  entitlements: readonly string[] | undefined,
): AskedBundle["wanted"] | Refusal {
  if (bundle !== undefined && entitlements === undefined) return { bundle };
  if (bundle === undefined && entitlements !== undefined) return { entitlements };
  return refuse("invalid-input", "Name a bundle, or list entitlements: one of the two.");
}

const toView = (bundle: Bundle, requester: BundleView["requester"], requests: RequestView[]): BundleView => ({
  id: bundle.id,
  name: bundle.name,
  title: bundle.title,
  state: stateOf(bundle, requests),
  requester,
  createdAt: toTimestamp(bundle.createdMs),
  requests,
  refused: bundle.refused.map((part) => ({ ...part })),
});

function stateOf({ refused }: Bundle, requests: readonly RequestView[]): BundleView["state"] {
  if (requests.some(({ state }) => state === "pending")) return "pending";
  const approved = requests.filter(({ state }) => state === "approved").length;
  if (approved === 0) return "refused";
  return approved === requests.length + refused.length ? "approved" : "partly-approved";
}
