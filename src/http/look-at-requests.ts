/** What is read to show requests: a handful of queries, however many they are. */
import type { Person } from "../contract/values.ts";
import type { Bundle } from "../domain/bundle.ts";
import { anyOf, peopleIn, soughtFor } from "../domain/candidates.ts";
import type { Comment } from "../domain/comment.ts";
import type { Principal } from "../domain/principal.ts";
import { type AccessRequest, agreedDurationMs, bindingApprovals, type Review } from "../domain/request.ts";
import type { Resource } from "../domain/resource.ts";
import type { Catalog } from "../operations/context.ts";
import { bundlesById } from "../store/bundles.ts";
import { unansweredOf } from "../store/comments.ts";
import { type Db, databaseNowMs } from "../store/db.ts";
import { grantsById } from "../store/grants.ts";
import { candidatesFor } from "../store/principals.ts";
import { toReview } from "../store/requests.ts";
import type { What } from "./less.ts";
import { peopleOf } from "./people.ts";
import type { Scene } from "./scene.ts";
import type { Versions } from "./versions.ts";

export type Seen = {
  readonly nowMs: number;
  readonly reviews: ReadonlyMap<string, readonly Review[]>;
  readonly questions: ReadonlyMap<string, readonly Comment[]>;
  readonly bundles: ReadonlyMap<string, Bundle>;
  readonly given: ReadonlyMap<string, What>;
  readonly principals: readonly Principal[];
  readonly people: (id: string) => Person;
  readonly describe: Awaited<ReturnType<Versions["load"]>>;
};

export async function lookAt(
  db: Db,
  versions: Versions,
  scene: Scene,
  requests: readonly AccessRequest[],
): Promise<Seen> {
  const nowMs = await databaseNowMs(db);
  const reviews = await reviewsByRequest(db, requests);
  const questions = await questionsByRequest(db, requests);
  const bundles = await bundlesById(
    db,
    requests.flatMap(({ parentId }) => parentId ?? []),
  );
  const given = await givenByRequest(db, requests, reviews);
  const principals = await candidatesFor(
    db,
    anyOf(
      requests.map((request) =>
        soughtFor(
          resourceOf(scene.catalog, request),
          [request.decision],
          [scene.viewer.principal.id, ...peopleIn(reviews.get(request.id) ?? [])],
        ),
      ),
    ),
  );
  const ids = [
    ...requests.map((r) => r.requesterId),
    ...[...reviews.values()].flat().flatMap((r) => [r.reviewerId, ...(r.standsFor ?? [])]),
    ...[...questions.values()].flat().map((q) => q.authorId),
    ...requests.flatMap((r) => r.emergencyReview?.done?.reviewerId ?? []),
  ];
  const people = await peopleOf(db, scene.viewer.principal, ids);
  const describe = await versions.load(
    requests.map((request) => request.configVersion),
    scene.catalog.configuration,
  );
  return { nowMs, reviews, questions, bundles, given, principals, people, describe };
}

async function reviewsByRequest(db: Db, requests: readonly AccessRequest[]): Promise<Map<string, Review[]>> {
  const ids = requests.map((request) => request.id);
  const rows = await db
    .selectFrom("reviews")
    .selectAll()
    .where("request_id", "in", ids)
    .orderBy("created_at")
    .execute();
  return Map.groupBy(rows.map(toReview), (review) => review.requestId);
}

/** What was given, where a review may have made that less than was asked for. */
async function givenByRequest(
  db: Db,
  requests: readonly AccessRequest[],
  reviews: ReadonlyMap<string, readonly Review[]>,
): Promise<Map<string, What>> {
  const narrowed = requests.flatMap((request) => {
    const approvals = bindingApprovals(request, reviews.get(request.id) ?? []);
    const less = request.narrowedTo !== null || approvals.some(({ durationMs }) => durationMs !== null);
    return request.state === "approved" && less ? [{ request, approvals }] : [];
  });
  const ids = narrowed.flatMap(({ request }) => request.grantId ?? []);
  const grants = ids.length === 0 ? [] : await grantsById(db, ids);
  return new Map(
    narrowed.flatMap(({ request, approvals }): [string, What][] => {
      if (request.extendsGrantId !== null)
        return [[request.id, { ...request, durationMs: agreedDurationMs(request, approvals) }]];
      const grant = grants.find(({ id }) => id === request.grantId);
      return grant === undefined ? [] : [[request.id, grant]];
    }),
  );
}

/** Only what is pending can wait for an answer. */
async function questionsByRequest(db: Db, requests: readonly AccessRequest[]): Promise<Map<string, Comment[]>> {
  const pending = requests.filter(({ state }) => state === "pending").map(({ id }) => id);
  return Map.groupBy(await unansweredOf(db, pending), ({ requestId }) => requestId);
}

/** As it is configured now. */
export function resourceOf(catalog: Catalog, { entitlement }: AccessRequest): Resource | null {
  const name = entitlement.split(":")[0] ?? "";
  const { resources } = catalog.configuration;
  return Object.hasOwn(resources, name) ? (resources[name] ?? null) : null;
}
