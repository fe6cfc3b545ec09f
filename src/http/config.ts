import { toTimestamp } from "../base/clock.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { WaitingConfig } from "../contract/config.ts";
import { diffConfigurations } from "../domain/configuration-diff.ts";
import { type Principal, readsAll } from "../domain/principal.ts";
import { confirmConfiguration, rejectConfiguration } from "../operations/decide-config.ts";
import { type ConfigVersion, configVersion, listConfigVersions } from "../store/catalog.ts";
import { type ConfigProposal, confirmationsOf, findProposal, waitingProposal } from "../store/config-proposals.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { nextCursor } from "./page.ts";
import { peopleOf } from "./people.ts";

/** Versions of the configuration, for those who answer for it. */
export function configHandlers({ context }: ServerDeps): Handlers<"config"> {
  const { db } = context;
  return {
    async versions({ query }, { principal }) {
      if (!readsAll(principal)) return NOT_FOR_YOU;
      const page = await listConfigVersions(db, { beforeId: query.cursor, limit: query.limit });
      const versions = page.map(({ id, ...rest }) => ({ version: id, ...rest }));
      const next = nextCursor(
        page.map(({ id }) => ({ seq: id })),
        query.limit,
      );
      return { status: 200, body: { versions, next } };
    },

    async diff({ query }, { principal }) {
      if (!readsAll(principal)) return NOT_FOR_YOU;
      const to =
        query.to === undefined ? await context.catalog.active(context.ledger) : await configVersion(db, query.to);
      if (to === null) return noSuchVersion(query.to);
      const from = query.from === undefined ? await newestOther(to) : await configVersion(db, query.from);
      if (from === null) return noSuchVersion(query.from);
      const changes = diffConfigurations(from.configuration, to.configuration).map((change) => ({
        ...change,
        details: [...change.details],
      }));
      return { status: 200, body: { from: from.id, to: to.id, changes } };
    },

    async waiting(_input, { principal }) {
      if (!readsAll(principal)) return NOT_FOR_YOU;
      const proposal = await waitingProposal(db);
      return { status: 200, body: { waiting: proposal && (await viewOf(proposal, principal)) } };
    },

    async confirm({ params: { id: version } }, { principal, idempotency }) {
      return show(await confirmConfiguration(context, principal, version, idempotency), principal);
    },

    async reject({ params: { id: version }, body: { reason } }, { principal, idempotency }) {
      return show(await rejectConfiguration(context, principal, version, reason, idempotency), principal);
    },
  };

  async function viewOf(proposal: ConfigProposal, me: Principal): Promise<WaitingConfig> {
    const { version, state, source, widens, proposedMs } = proposal;
    const by = await confirmationsOf(db, version);
    const personOf = await peopleOf(db, me, by);
    const active = await context.catalog.active(context.ledger);
    return {
      active: active?.id ?? 0,
      ...{ version, state, source, widens: [...widens], proposedAt: toTimestamp(proposedMs) },
      confirmedBy: by.map(personOf),
      needed: active?.configuration.config?.approval?.count ?? 1,
    };
  }

  async function show(done: { version: number } | Refusal, me: Principal) {
    if (isRefusal(done)) return done;
    const proposal = await findProposal(db, done.version);
    return proposal === null
      ? noSuchVersion(done.version)
      : ({ status: 200, body: await viewOf(proposal, me) } as const);
  }

  /** What one would compare with; the first version with itself. */
  async function newestOther(to: ConfigVersion): Promise<ConfigVersion | null> {
    const newest = await listConfigVersions(db, { limit: 2 });
    const other = newest.find(({ id }) => id !== to.id);
    return other === undefined ? to : configVersion(db, other.id);
  }
}

export const NOT_FOR_YOU = refuse(
  "forbidden",
  "The configuration's versions are for auditors and admins. Ask one of them.",
);

export const noSuchVersion = (version: number | undefined): Refusal =>
  version === undefined
    ? refuse("not-found", "No configuration is active yet.")
    : refuse(
        "not-found",
        `There is no version ${version} of the configuration. List them with GET /v1/config/versions.`,
      );
