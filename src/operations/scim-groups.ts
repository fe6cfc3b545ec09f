/** A provider tells of a group and of who is in it. Each is one transaction, with one entry for the group and one for each person. */
import { defined } from "../base/assert.ts";
import { type ScimGroupId, scimGroupId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { EntryDraft, EntryKind } from "../domain/audit.ts";
import { GROUPS_MAX, type ScimProvider } from "../domain/identity.ts";
import type { GroupChange, ScimGroup } from "../domain/scim/group.ts";
import { refuseScim } from "../domain/scim/refuse-scim.ts";
import {
  changeMembers,
  deleteGroup,
  insertGroup,
  isGroupName,
  lockGroup,
  membersOf,
  updateGroup,
  whoCannotCome,
} from "../store/scim.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { type FromProvider, type Seen, seenOr } from "./scim-users.ts";
import { IDENTITY, regroup } from "./settle-scim.ts";
import { transact, type Work } from "./transact.ts";

const SHOWN_MAX = 3;

export function createGroup(from: FromProvider, wanted: GroupChange): Promise<ScimGroup | Refusal> {
  const acting = { operation: "scim-create-group", actor: IDENTITY };
  return transact<ScimGroup, SqlTx>(from.context, acting, (work) => put(work, from, null, wanted));
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
    return no !== null || isRefusal(wanted) ? (no as Refusal) : put(work, from, before, wanted);
  });
}

/** `before` is held; null: there was none. */
async function put(
  work: Work<SqlTx>,
  from: FromProvider,
  before: ScimGroup | null,
  { said, members }: GroupChange,
): Promise<ScimGroup | Refusal> {
  const { sql } = work.tx;
  const { provider } = from;
  const { issuer } = provider;
  const id = before?.id ?? scimGroupId.make();
  const come = "only" in members ? members.only : members.with;
  const { strangers, full } = await whoCannotCome(sql, issuer, id, GROUPS_MAX, come);
  if (strangers.length > 0) return refuseScim("invalidValue", `No user here has the id ${shown(strangers)}.`);
  if (full.length > 0)
    return refuseScim("invalidValue", `${full[0]} is in ${GROUPS_MAX} groups, and nobody is in more.`);
  const isRenamed = before?.displayName !== said.displayName || before.externalId !== said.externalId;
  const made = before === null ? await insertGroup(sql, issuer, id, said) : null;
  const isTaken = before === null ? made === null : isRenamed && (await isGroupName(sql, issuer, said.displayName, id));
  if (isTaken) return refuseScim("uniqueness", "Another group has this displayName.");
  const { added, removed } = await changeMembers(sql, issuer, id, members, before === null);
  if (before !== null && !isRenamed && added.length + removed.length === 0) return before;
  const group = before === null ? defined(made, "the group") : await updateGroup(sql, before, said);
  const stayed = before !== null && isRenamed ? await everybodyIn(work.tx, id) : [];
  const everybody = [...new Set([...added, ...removed, ...stayed])];
  const more = { added: added.length, removed: removed.length };
  const entry = entryOf(before === null ? "scim.added" : "scim.changed", provider, group, more);
  await regroup(work, from, everybody, [entry], group.changedMs);
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
    const entry = entryOf("scim.removed", provider, group, { removed: members.length });
    await regroup(work, from, members, [entry], nowMs);
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
