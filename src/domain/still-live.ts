/** Access that should be gone and is not, as far as anybody has proven: said aloud, once for each time that its end resists. */
import { toTimestamp } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import { isEligible } from "./approvers.ts";
import type { EntryDraft } from "./audit.ts";
import type { RevokingGrant } from "./grant.ts";
import { telling } from "./message.ts";
import type { Principal } from "./principal.ts";
import type { Resource } from "./resource.ts";
import { whoOperate } from "./tell.ts";

const NOBODY = "" as PrincipalId;

/** An entry for each grant, and one message about all of them. The grants are of one resource; null where that is no longer configured. */
export function sayStillLive(
  [first, ...others]: readonly RevokingGrant[],
  resource: Resource | null,
  principals: readonly Principal[],
): EntryDraft[] {
  if (first === undefined) return [];
  const owners = resource === null ? [] : principals.filter((it) => isEligible(it, OWNERS, resource, NOBODY));
  const to = new Set([...owners.map(({ id }) => id), ...whoOperate(principals)]);
  const data = { resource: first.resource, count: others.length + 1, since: sinceOf(first), trouble: codeOf(first) };
  return [
    telling(entryOf(first), { kind: "grant.still-live", to: [...to], data }),
    ...others.map((grant) => entryOf(grant)),
  ];
}

const OWNERS = { by: ["owners"], count: 1 } as const;

const entryOf = (grant: RevokingGrant): EntryDraft => ({
  kind: "grant.still-live",
  actor: { system: "jobs" },
  refs: { grant: grant.id, request: grant.requestId, principal: grant.principalId },
  data: { state: grant.state, entitlement: grant.entitlement, since: sinceOf(grant), code: codeOf(grant) },
});

const sinceOf = ({ trouble }: RevokingGrant): string | null => (trouble === null ? null : toTimestamp(trouble.sinceMs));
const codeOf = ({ trouble }: RevokingGrant): string | null => trouble?.lastError.code ?? null;
