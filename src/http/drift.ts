import { toTimestamp } from "../base/clock.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { DriftFindingView, DriftReport, ResourceDrift } from "../contract/drift.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { listFindings, type StoredFinding, type SweepState, sweepStates } from "../store/drift.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { inScene, type Scene } from "./scene.ts";

const FINDINGS_MAX = 1_000;
const SWEEP_WITHIN_MS = 60_000;

const NOT_FOR_YOU = refuse("forbidden", "Drift is for admins, auditors and operators. Ask one of them.");

/** What sweeps found, and what they do not look for. */
export function driftHandlers({ context, sweeps }: ServerDeps): Handlers<"drift"> {
  const { db } = context;

  /** The resources that are meant, for somebody who may know. */
  const about = <T>(
    principal: Principal,
    resource: string | undefined,
    work: (resources: readonly string[], scene: Scene) => Promise<T>,
  ): Promise<T | Refusal> =>
    inScene(context, principal, async (scene) => {
      if (!hasRole(principal, "admin", "auditor", "operator")) return NOT_FOR_YOU;
      const all = Object.keys(scene.catalog.configuration.resources);
      if (resource !== undefined && !all.includes(resource))
        return refuse("not-found", `There is no resource ${resource}.`);
      return work(resource === undefined ? all : [resource], scene);
    });

  async function report(
    resource: string | undefined,
    scene: Scene,
    asked: { resolvedSinceMs?: number | null; askedMs?: number },
  ): Promise<DriftReport> {
    const { resolvedSinceMs = null, askedMs } = asked;
    const configured = scene.catalog.configuration.resources;
    const wanted = resource === undefined ? null : [resource];
    const findings = await listFindings(db, wanted, { resolvedSinceMs, limit: FINDINGS_MAX });
    // What was found on a resource stays true when it leaves the configuration.
    const names = [...new Set([...(wanted ?? Object.keys(configured)), ...findings.map((one) => one.resource)])];
    const states = new Map((await sweepStates(db, names)).map((state) => [state.resource, state]));
    return {
      askedAt: timeOrNull(askedMs),
      resources: names.map((name) => {
        const state = states.get(name);
        const one = configured[name];
        return {
          resource: name,
          policy: one === undefined ? null : (one.drift ?? "report"),
          ...sweptOf(state),
          findings: findings.filter((finding) => finding.resource === name).map((finding) => view(finding, state)),
        };
      }),
    };
  }

  return {
    async list({ query }, { principal }) {
      const shown = await about(principal, query.resource, (_, scene) =>
        report(query.resource, scene, { resolvedSinceMs: query.resolvedSince ?? null }),
      );
      return isRefusal(shown) ? shown : { status: 200, body: shown };
    },

    async sweep({ body }, { principal, signal }) {
      const shown = await about(principal, body.resource, async (resources, scene) => {
        const askedMs = await sweeps.sweepNow(resources, SWEEP_WITHIN_MS, signal);
        return report(body.resource, scene, { askedMs });
      });
      return isRefusal(shown) ? shown : { status: 200, body: shown };
    },

    async others({ query: { resource } }, { principal, signal }) {
      const asked = await about(principal, resource, async () => {
        const others = await sweeps.others(resource, signal).catch((error: unknown) => {
          if (!(error instanceof Error) || error.name !== "TargetError") throw error;
          return refuse("unavailable", `The target of ${resource} could not be asked: ${error.message}.`);
        });
        if (isRefusal(others)) return others;
        return { resource, tells: others !== null, others: (others ?? []).map((one) => ({ ...one })) };
      });
      return isRefusal(asked) ? asked : { status: 200, body: asked };
    },
  };
}

const timeOrNull = (ms: number | null | undefined): string | null =>
  ms === null || ms === undefined ? null : toTimestamp(ms);

function sweptOf(state: SweepState | undefined): Pick<ResourceDrift, "sweptAt" | "failing"> {
  const { failingSinceMs = null, error = null } = state ?? {};
  return {
    sweptAt: timeOrNull(state?.sweptMs),
    failing: failingSinceMs === null || error === null ? null : { since: toTimestamp(failingSinceMs), error },
  };
}

/** An open one is seen whenever its resource is swept. */
function view(finding: StoredFinding, state: SweepState | undefined): DriftFindingView {
  const { id, kind, subject, what, since, by, remedy, problem } = finding;
  const lastSeenMs =
    finding.resolvedMs === null ? Math.max(finding.lastSeenMs, state?.sweptMs ?? 0) : finding.lastSeenMs;
  return {
    ...{ id, kind, subject, what, since, by, remedy, problem },
    grantId: finding.grant,
    firstSeenAt: toTimestamp(finding.firstSeenMs),
    lastSeenAt: toTimestamp(lastSeenMs),
    resolvedAt: timeOrNull(finding.resolvedMs),
  };
}
