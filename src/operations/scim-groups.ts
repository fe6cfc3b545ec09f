/** A provider tells of a group and of who is in it. Each is one transaction, with one entry for the group and one for each person. */
import { type ScimGroupId, scimGroupId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { EntryDraft, EntryKind } from "../domain/audit.ts";
import { GROUPS_MAX, type ScimProvider } from "../domain/identity.ts";
import type { GroupChange, ScimGroup } from "../domain/scim/group.ts";
import { refuseScim } from "../domain/scim/refuse-scim.ts";
import { changeMembers, deleteGroup, inAsManyAs, lockGroup, membersOf, putGroup, unknownUsers } from "../store/scim.ts";
import type { SqlTx } from "../store/sql-ledger.ts";
import { type FromProvider, type Seen, seenOr } from "./scim-users.ts";
import { IDENTITY, regroup } from "./settle-scim.ts";
import { transact, type Work } from "./transact.ts";

const SHOWN_MAX = 3;

export function createGroup(from: FromProvider, wanted: GroupChange): Promise<ScimGroup | Refusal> {
  const acting = { operation: "scim-create-group", actor: IDENTITY };
  return transact<ScimGroup, SqlTx>(from.context, acting, async (work) => {
    const nowMs = await work.tx.nowMs();
    const group = { id: scimGroupId.make(), ...wanted.said, version: 1, createdMs: nowMs, changedMs: nowMs };
    return put(work, from, null, group, wanted, nowMs);
  });
}

/** PUT and PATCH. */
export function changeGroup(
  from: FromProvider,
  id: ScimGroupId,
  seen: Seen,
  decide: (group: ScimGroup) => GroupChange | Refusal,
): Promise<ScimGroup | Refusal> {
  const { context, provider } = from;
  const acting = { operation: "scim-change-group", actor: IDENTITY };
  return transact<ScimGroup, SqlTx>(context, acting, async (work) => {
    const before = await lockGroup(work.tx.sql, provider.issuer, id);
    if (before === null) return noGroup();
    const wanted = decide(before);
    const no = seenOr(seen, before.version) ?? (isRefusal(wanted) ? wanted : null);
    if (no !== null || isRefusal(wanted)) return no as Refusal;
    const nowMs = await work.tx.nowMs();
    const group = { ...before, ...wanted.said, version: before.version + 1, changedMs: nowMs };
    return put(work, from, before, group, wanted, nowMs);
  });
}

async function put(
  work: Work<SqlTx>,
  from: FromProvider,
  before: ScimGroup | null,
  group: ScimGroup,
  { members }: GroupChange,
  nowMs: number,
): Promise<ScimGroup | Refusal> {
  const { sql } = work.tx;
  const { provider } = from;
  const come = "only" in members ? members.only : members.with;
  const strangers = await unknownUsers(sql, provider.issuer, come);
  if (strangers.length > 0) return refuseScim("invalidValue", `No user here has the id ${shown(strangers)}.`);
  const full = await inAsManyAs(sql, group.id, GROUPS_MAX, come);
  if (full !== null) return refuseScim("invalidValue", `${full} is in ${GROUPS_MAX} groups, and nobody is in more.`);
  const isRenamed = before?.displayName !== group.displayName || before.externalId !== group.externalId;
  if (isRenamed && !(await putGroup(sql, provider.issuer, group)))
    return refuseScim("uniqueness", "Another group has this displayName.");
  const { added, removed } = await changeMembers(sql, provider.issuer, group.id, members);
  const changed = added.length + removed.length;
  if (before !== null && !isRenamed && changed === 0) return before;
  if (!isRenamed) await putGroup(sql, provider.issuer, group);
  const stayed = before !== null && isRenamed ? await everybodyIn(work.tx, group.id) : [];
  await regroup(work, from, [...new Set([...added, ...removed, ...stayed])], nowMs);
  const more = { added: added.length, removed: removed.length };
  await work.apply(
    { entries: [entryOf(before === null ? "scim.added" : "scim.changed", provider, group, more)] },
    nowMs,
  );
  return group;
}

export function removeGroup(from: FromProvider, id: ScimGroupId, seen: Seen): Promise<true | Refusal> {
  const { context, provider } = from;
  const acting = { operation: "scim-remove-group", actor: IDENTITY };
  return transact<true, SqlTx>(context, acting, async (work) => {
    const { tx } = work;
    const group = await lockGroup(tx.sql, provider.issuer, id);
    if (group === null) return noGroup();
    const no = seenOr(seen, group.version);
    if (no !== null) return no;
    const members = await everybodyIn(tx, id);
    await deleteGroup(tx.sql, id);
    const nowMs = await tx.nowMs();
    await regroup(work, from, members, nowMs);
    await work.apply({ entries: [entryOf("scim.removed", provider, group, { removed: members.length })] }, nowMs);
    return true;
  });
}

export const noGroup = (): Refusal => refuse("not-found", "There is no such group.");

const everybodyIn = async (tx: SqlTx, id: ScimGroupId) =>
  ((await membersOf(tx.sql, [id])).get(id) ?? []).map(({ value }) => value);

const shown = (ids: readonly string[]): string => {
  const some = ids.slice(0, SHOWN_MAX).map((id) => JSON.stringify(id.slice(0, 40)));
  return ids.length > SHOWN_MAX ? `${some.join(", ")} and ${ids.length - SHOWN_MAX} more` : some.join(", ");
};

const entryOf = (
  kind: Extract<EntryKind, `scim.${string}`>,
  provider: ScimProvider,
  { id, displayName }: ScimGroup,
  more: EntryDraft["data"],
): EntryDraft => ({
  kind,
  actor: IDENTITY,
  refs: {},
  data: { provider: provider.name, group: id, displayName, ...more },
});
