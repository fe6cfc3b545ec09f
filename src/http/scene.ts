import { isRefusal, type Refusal } from "../base/problem.ts";
import type { Principal } from "../domain/principal.ts";
import type { Catalog, Context } from "../operations/context.ts";
import { NOT_CONFIGURED } from "../operations/subject.ts";
import { whoNamed } from "../store/principals.ts";
import type { Viewer } from "../store/visible.ts";
import { viewerOf } from "./viewer.ts";

/** Who looks, and the configuration under which they do. */
export type Scene = { readonly viewer: Viewer; readonly catalog: Catalog };

/** Read anew for each call: the configuration, and with it who approves, may have changed. */
export async function sceneFor(context: Context, principal: Principal): Promise<Scene | Refusal> {
  const [catalog, standsFor] = await Promise.all([
    context.catalog.active(context.ledger),
    whoNamed(context.db, principal.id),
  ]);
  return catalog === null ? NOT_CONFIGURED : { viewer: viewerOf(principal, catalog, standsFor), catalog };
}

/** Runs the work in the scene of this person, or passes the refusal on. */
export async function inScene<T>(
  context: Context,
  principal: Principal,
  work: (scene: Scene) => Promise<T>,
): Promise<T | Refusal> {
  const scene = await sceneFor(context, principal);
  return isRefusal(scene) ? scene : work(scene);
}
