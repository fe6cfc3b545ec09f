import { Readable } from "node:stream";
import { grantId, requestId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { AuditEntry, CheckpointView, audit as contract } from "../contract/audit.ts";
import type { Parsed } from "../contract/contract.ts";
import type { DroppedView } from "../contract/values.ts";
import { type Principal, readsAll } from "../domain/principal.ts";
import { headPosition, readEntries, type SequencedEntry, sequenceAll, signingKeyChanges } from "../store/audit.ts";
import { exportLog } from "../store/audit-export.ts";
import { type Checkpoint, originOf } from "../store/audit-head.ts";
import { BrokenTree, consistencyProof, inclusionProof, leafHashAt } from "../store/audit-tree.ts";
import type { Db } from "../store/db.ts";
import { handlesOf } from "../store/principals.ts";
import { droppedOf, droppedPart } from "../store/retention.ts";
import { witnessed } from "../store/sinks.ts";
import { visibleGrants, visibleRequests } from "../store/visible.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { droppedView } from "./dropped.ts";
import { idsOf } from "./people.ts";
import { inScene, type Scene } from "./scene.ts";

type Query = Parsed<typeof contract.list>["query"];

/** The log, for those who may read it. */
export function auditHandlers({ context, latestCheckpoint }: ServerDeps): Handlers<"audit"> {
  const { db } = context;
  return {
    list: ({ query }, { principal }) =>
      inScene(context, principal, async (scene) => {
        const no = await mayNotRead(db, scene, query);
        if (no !== null) return no;
        // What is committed is in the answer, whether or not its turn for a position had come.
        await sequenceAll(db);
        const { after: afterSeq, before: beforeSeq, order, limit, kind: kinds, grant, request } = query;
        const actors = query.actor === undefined ? undefined : await actorsOf(db, query.actor, principal);
        const filter = { afterSeq, beforeSeq, order, limit, kinds, actors, grant, request };
        const time = { fromMs: query.from, untilMs: query.until };
        const entries = actors?.length === 0 ? [] : await readEntries(db, { ...filter, ...time });
        const next = entries.length < limit ? null : (entries.at(-1)?.seq ?? null);
        const dropped = await droppedWithin(db, query, next);
        return { status: 200 as const, body: { entries: await toViews(db, entries), next, dropped } };
      }),
    checkpoint: async () => {
      const checkpoint = await latestCheckpoint();
      if (checkpoint === null) return NONE;
      return { status: 200 as const, body: { ...checkpointView(checkpoint), witnessed: await witnessed(db) } };
    },
    keys: async () => {
      const checkpoint = await latestCheckpoint();
      if (checkpoint === null) return NONE;
      const changes = (await signingKeyChanges(db)).map((change) => ({ ...change }));
      return { status: 200 as const, body: { key: checkpoint.by.text, changes } };
    },
    inclusion: async ({ query: { seq, size: wanted } }) => {
      await sequenceAll(db);
      const size = wanted ?? (await headPosition(db));
      if (seq > size || size > (await headPosition(db))) return refuse("not-found", BEYOND);
      return proven(async () => {
        const proof = await inclusionProof(db, seq - 1, size);
        return { seq, leafHash: base64(await leafHashAt(db, seq)), size, proof: proof.map(base64) };
      });
    },
    consistency: async ({ query: { from, to: wanted } }) => {
      await sequenceAll(db);
      const to = wanted ?? (await headPosition(db));
      if (from > to || to > (await headPosition(db))) return refuse("not-found", BEYOND);
      return proven(async () => ({ from, to, proof: (await consistencyProof(db, from, to)).map(base64) }));
    },
    export: async ({ query }, { principal }) => {
      if (!readsAll(principal)) return refuse("forbidden", "The whole log is for auditors and admins.");
      const checkpoint = await latestCheckpoint();
      if (checkpoint === null) return NONE;
      const changes = await signingKeyChanges(db);
      const body = Readable.from(exportLog(db, { checkpoint, changes, withPersonal: query.personal === "yes" }));
      return { status: 200 as const, body, headers: { "content-type": "application/jsonl; charset=utf-8" } };
    },
  };
}

const NONE = refuse(
  "not-found",
  "Nothing was signed here yet, and in quarantine nothing is: tidegate recover says more.",
);
/** What the store can prove; a refusal where somebody took away what it is proven by. */
export async function proven<T>(
  prove: () => Promise<T>,
): Promise<{ readonly status: 200; readonly body: T } | Refusal> {
  try {
    return { status: 200, body: await prove() };
  } catch (error) {
    const isBad = error instanceof Error && error.name === "Bad";
    if (!(error instanceof BrokenTree || isBad)) throw error;
    const why = isBad ? `${error.message}. Somebody changed it` : `${error.message}. Somebody took them away`;
    return refuse("unavailable", `The log is not whole: ${why}. Run tidegate audit verify to see what is left.`);
  }
}

const BEYOND = "The log does not go that far.";
const base64 = (hash: Uint8Array): string => Buffer.from(hash).toString("base64");

const checkpointView = ({ note, installation, size, root, at, by }: Checkpoint): Omit<CheckpointView, "witnessed"> => ({
  checkpoint: note,
  origin: originOf(installation),
  size,
  root: base64(root),
  at,
  key: by.text,
});

/** What was dropped of what these pages go through: told on the page that comes to it. */
async function droppedWithin(
  db: Db,
  { after, order, from, grant, request }: Query,
  next: number | null,
): Promise<DroppedView | null> {
  const dropped = await (grant === undefined && request === undefined
    ? droppedPart(db)
    : droppedOf(db, { grant: grant ?? null, request: request ?? null }));
  if (dropped === null || after >= dropped.to || (from ?? 0) > dropped.beforeMs) return null;
  return order === "newest" && next !== null ? null : droppedView(dropped);
}

const SYSTEM = "system:";

/** A part of Tidegate, or everybody who is or was known by this handle. */
const actorsOf = async (db: Db, actor: string, me: Principal): Promise<string[]> =>
  actor.startsWith(SYSTEM) ? [actor.slice(SYSTEM.length)] : idsOf(db, actor, me);

/** Auditors and admins read all of it; others what is about a grant or request that they may see. */
async function mayNotRead(db: Db, { viewer }: Scene, query: Query): Promise<Refusal | null> {
  if (readsAll(viewer.principal)) return null;
  if (query.grant === undefined && query.request === undefined)
    return refuse(
      "forbidden",
      "The whole log is for auditors and admins. Ask with grant or request for what concerns you.",
    );
  const grant = query.grant === undefined ? null : grantId.parse(query.grant);
  const request = query.request === undefined ? null : requestId.parse(query.request);
  const seesGrant = grant !== null && (await visibleGrants(db, viewer, { id: grant, limit: 1 })).length > 0;
  const seesRequest = request !== null && (await visibleRequests(db, viewer, { id: request, limit: 1 })).length > 0;
  // Each that is named must be seen: one's own grant is no way to somebody else's request.
  const all = (query.grant === undefined || seesGrant) && (query.request === undefined || seesRequest);
  return all ? null : refuse("not-found", "There is no such grant or request, or you may not see it.");
}

async function toViews(db: Db, entries: readonly SequencedEntry[]): Promise<AuditEntry[]> {
  const actors = entries.flatMap(({ leaf }) => ("principal" in leaf.actor ? leaf.actor.principal : []));
  const handles = await handlesOf(db, actors);
  return entries.map(({ seq, leafHash, leaf, personal }) => {
    const { v, id, at, installation, kind, actor, refs, data, commitments } = leaf;
    const who = "principal" in actor ? (handles.get(actor.principal) ?? actor.principal) : actor.system;
    const view = { seq, leafHash, v, id, at, installation, kind, actor, refs, data, who, personal };
    return commitments === undefined ? view : { ...view, commitments: { ...commitments } };
  });
}
