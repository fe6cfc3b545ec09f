/** Going away for a while, and coming back: who decides meanwhile. */
import { toTimestamp } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { EntryDraft } from "./audit.ts";
import { telling } from "./message.ts";
import { type Absence, hasRole, type Principal } from "./principal.ts";

const AWAY_DAYS_MAX = 90;
const AWAY_MS_MAX = AWAY_DAYS_MAX * 86_400_000;

/** Somebody is away for themselves; for others an admin says so. */
export const maySetAway = (by: Principal, whom: PrincipalId): boolean => by.id === whom || hasRole(by, "admin");

/** The absence with its entry, or why not; null where it is as wanted already. `delegate` null: nobody decides in their place. */
export function goAway(
  whom: Principal,
  before: Absence | null,
  wanted: { readonly untilMs: number; readonly delegate: Principal | null },
  by: PrincipalId,
  nowMs: number,
): { readonly absence: Absence; readonly entry: EntryDraft } | Refusal | null {
  const { untilMs, delegate } = wanted;
  if (whom.kind !== "user")
    return refuse("invalid-input", `${whom.handle} is a service account: it approves nothing, and is never away.`);
  if (untilMs <= nowMs) return refuse("invalid-input", "That time has passed. Say until when.");
  if (untilMs > nowMs + AWAY_MS_MAX)
    return refuse("invalid-input", `Nobody is away for more than ${AWAY_DAYS_MAX} days at a time. Say it again then.`);
  const no = delegate === null ? null : mayNotStandIn(delegate, whom);
  if (no !== null) return no;
  const delegateId = delegate?.id ?? null;
  if (before !== null && before.untilMs === untilMs && before.delegateId === delegateId) return null;
  const until = toTimestamp(untilMs);
  const entry: EntryDraft = {
    kind: "principal.away",
    actor: { principal: by },
    refs: { principal: whom.id },
    data: { until, delegate: delegateId },
  };
  const data = { person: whom.id, until, delegate: delegateId };
  const to = others([delegateId, before?.delegateId ?? null, whom.id], by);
  return { absence: { untilMs, delegateId, setBy: by }, entry: telling(entry, { kind: "principal.away", to, data }) };
}

/** They are back before their time. */
export function comeBack(whom: PrincipalId, before: Absence, by: PrincipalId): EntryDraft {
  const entry: EntryDraft = {
    kind: "principal.back",
    actor: { principal: by },
    refs: { principal: whom },
    data: { delegate: before.delegateId },
  };
  const to = others([before.delegateId, whom], by);
  return telling(entry, { kind: "principal.back", to, data: { person: whom, delegate: before.delegateId } });
}

const others = (ids: readonly (PrincipalId | null)[], by: PrincipalId): PrincipalId[] => [
  ...new Set(ids.flatMap((id) => (id === null || id === by ? [] : [id]))),
];

function mayNotStandIn(delegate: Principal, whom: Principal): Refusal | null {
  if (delegate.id === whom.id)
    return refuse("invalid-input", "Nobody stands in for themselves. Leave the delegate out, or name somebody else.");
  if (delegate.kind !== "user")
    return refuse("invalid-input", `${delegate.handle} is a service account: only people approve. Name a person.`);
  return delegate.active
    ? null
    : refuse("invalid-input", `${delegate.handle} is deactivated. Name somebody who is here.`);
}
