import { sql } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import { refuse } from "../base/problem.ts";
import type { OpenApiDocument } from "../contract/openapi.ts";
import type { Checks } from "../contract/service.ts";
import { unreachableTargets } from "../store/figures.ts";
import { quarantineNow } from "../store/quarantine.ts";
import type { OpenHandlers, ServerDeps } from "./call.ts";
import { refuseStoreAway } from "./store-away.ts";

type Check = Checks["store"];

/** A store that takes longer to say 1 is not one to send people to. */
const STORE_ANSWERS_WITHIN_MS = 3_000;
/** The reconciler looks at least every few seconds; one that has not for so long hangs. */
const TICK_WITHIN_MS = 30_000;

/** About the server itself. */
export function serviceHandlers(deps: ServerDeps): OpenHandlers<"service"> {
  let document: Promise<OpenApiDocument> | null = null;
  return {
    health: async () => ({ status: 200, body: { status: "ok" } }),

    async ready() {
      const away = deps.storeAway?.() ?? null;
      const store = away === null ? await storeCheck(deps) : { ok: false, detail: refuseStoreAway(away).detail };
      const unasked: Check = { ok: false, detail: "the store does not answer" };
      const { active, check: configuration } = store.ok
        ? await configurationCheck(deps)
        : { active: false, check: unasked };
      const quarantine = store.ok ? await quarantineCheck(deps) : unasked;
      const targets = store.ok ? await targetsCheck(deps) : NO_TELLING;
      const checks: Checks = { store, reconciler: reconcilerCheck(deps), configuration, quarantine, targets };
      // A bad file is told and stops nothing: whoever is sent here is served by the last good version (S23). A target that is
      // away is told, too: another replica would find it no nearer.
      const stops = { store, reconciler: checks.reconciler, ...(active ? {} : { configuration }), quarantine };
      const failing = Object.entries(stops).flatMap(([name, { ok, detail }]) => (ok ? [] : `${name}: ${detail}`));
      if (failing.length === 0) return { status: 200, body: { ready: true, checks } };
      return refuse("unavailable", `Not ready. ${failing.join("; ")}.`, { ready: false, checks });
    },

    async openapi() {
      // What makes the document is loaded when somebody asks for it; most servers are never asked.
      document ??= import("../contract/openapi.ts").then(({ openApiDocument }) => openApiDocument());
      return { status: 200, body: await document };
    },
  };
}

async function storeCheck({ context }: ServerDeps): Promise<Check> {
  const { promise: late, resolve } = Promise.withResolvers<Check>();
  const within = `no answer within ${STORE_ANSWERS_WITHIN_MS / 1_000} seconds`;
  const timer = setTimeout(() => resolve({ ok: false, detail: within }), STORE_ANSWERS_WITHIN_MS);
  const asked = sql`select 1`.execute(context.db).then(
    () => ({ ok: true, detail: "answers" }),
    () => ({ ok: false, detail: "does not answer" }),
  );
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function quarantineCheck({ context }: ServerDeps): Promise<Check> {
  const quarantine = await quarantineNow(context.db);
  if (quarantine === null) return { ok: true, detail: "in none" };
  return {
    ok: false,
    detail: `since ${toTimestamp(quarantine.sinceMs)}: ${quarantine.why}; run "tidegate recover" on the server`,
  };
}

async function configurationCheck(deps: ServerDeps): Promise<{ active: boolean; check: Check }> {
  const { context, configurationTrouble } = deps;
  const catalog = await context.catalog.active(context.ledger);
  if (catalog === null) return { active: false, check: { ok: false, detail: "none is active" } };
  const trouble = configurationTrouble();
  const goesOn = `version ${catalog.id} is active`;
  const check = trouble === null ? { ok: true, detail: goesOn } : { ok: false, detail: `${goesOn}; ${trouble}` };
  return { active: true, check };
}

const NO_TELLING: Checks["targets"] = { ok: false, detail: "the store does not answer", unreachable: null };

/** How many, and not which: whoever asks here has shown no token. */
async function targetsCheck({ context }: ServerDeps): Promise<Checks["targets"]> {
  const away = await unreachableTargets(context.db).catch(() => null);
  if (away === null) return NO_TELLING;
  const { length: unreachable } = away;
  if (unreachable === 0) return { ok: true, detail: "all answer that were asked", unreachable };
  const grants = away.reduce((sum, one) => sum + one.grants, 0);
  const many = unreachable === 1 ? "1 does not answer" : `${unreachable} do not answer`;
  return { ok: false, detail: `${many}; work on ${grants} ${grants === 1 ? "grant" : "grants"} waits`, unreachable };
}

function reconcilerCheck({ reconcilerHealth, clock }: ServerDeps): Check {
  const { running, lastTickMs } = reconcilerHealth();
  if (!running) return { ok: false, detail: "does not run" };
  const agoMs = lastTickMs === null ? 0 : clock.nowMs() - lastTickMs;
  return agoMs <= TICK_WITHIN_MS
    ? { ok: true, detail: "runs" }
    : { ok: false, detail: `has not looked for ${Math.round(agoMs / 1_000)} seconds` };
}
