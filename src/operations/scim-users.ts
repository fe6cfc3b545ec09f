/** A provider tells of a person: there is one, something of them is different, they are gone. Each is one transaction. */
import { canonicalJson } from "../base/canonical.ts";
import { type ScimUserId, scimUserId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { EntryDraft, EntryKind } from "../domain/audit.ts";
import type { Configuration } from "../domain/configuration.ts";
import type { ScimProvider } from "../domain/identity.ts";
import type { Principal } from "../domain/principal.ts";
import { refuseScim } from "../domain/scim/refuse-scim.ts";
import type { SaidUser, ScimUser } from "../domain/scim/user.ts";
import { deleteUser, holdName, insertUser, lockUser, takenOf, updateUser } from "../store/scim.ts";
import type { SqlTx } from "../store/sql-ledger.ts";
import type { Context } from "./context.ts";
import { IDENTITY, settle } from "./settle-scim.ts";
import { transact, type Work } from "./transact.ts";

/** What the caller has seen; false: it is another by now. */
export type Seen = (version: number) => boolean;

const CHANGED_SINCE = refuse("request-changed", "It has changed since the version in If-Match. Read it again.");
export const seenOr = (seen: Seen, version: number): Refusal | null => (seen(version) ? null : CHANGED_SINCE);

/** Who tells, and the configuration that holds as they do. */
export type FromProvider = {
  readonly context: Context;
  readonly configuration: Configuration;
  readonly provider: ScimProvider;
};

export function createUser(from: FromProvider, said: SaidUser): Promise<ScimUser | Refusal> {
  const { context, provider } = from;
  const acting = { operation: "scim-create-user", actor: IDENTITY };
  return transact<ScimUser, SqlTx>(context, acting, async (work) => {
    const { tx } = work;
    const nowMs = await tx.nowMs();
    const user = { id: scimUserId.make(), ...said, version: 1, createdMs: nowMs, changedMs: nowMs, groups: [] };
    if (!(await insertUser(tx.sql, provider.issuer, user))) return taken(tx, provider, said, null);
    await settle(work, from, user, nowMs, (person) =>
      entryOf("scim.added", provider, user, person, { active: user.active }),
    );
    return user;
  });
}

async function taken(tx: SqlTx, provider: ScimProvider, said: SaidUser, except: ScimUserId | null): Promise<Refusal> {
  const what = (await takenOf(tx.sql, provider.issuer, said, except)) ?? "userName";
  return refuseScim("uniqueness", `Another user has this ${what}.`);
}

/** PUT and PATCH: what is decided is decided on the user as they are now, and nobody else changes them meanwhile. */
export function changeUser(
  from: FromProvider,
  id: ScimUserId,
  seen: Seen,
  decide: (user: ScimUser) => SaidUser | Refusal,
): Promise<ScimUser | Refusal> {
  const { context, provider } = from;
  const acting = { operation: "scim-change-user", actor: IDENTITY };
  return transact<ScimUser, SqlTx>(context, acting, async (work) => {
    const { tx } = work;
    const before = await lockUser(tx.sql, provider.issuer, id);
    if (before === null) return noUser();
    const said = decide(before);
    const no = seenOr(seen, before.version) ?? (isRefusal(said) ? said : null);
    if (no !== null || isRefusal(said)) return no as Refusal;
    const changed = Object.keys({ ...before.said, ...said.said }).filter(
      (key) => canonicalJson(before.said[key] ?? null) !== canonicalJson(said.said[key] ?? null),
    );
    if (changed.length === 0) return before;
    if (changed.includes("userName")) {
      await holdName(tx.sql, `${provider.issuer} user ${said.userName}`);
      if ((await takenOf(tx.sql, provider.issuer, said, id)) !== null) return taken(tx, provider, said, id);
    }
    const nowMs = await tx.nowMs();
    const user = { ...before, ...said, version: before.version + 1, changedMs: nowMs };
    await updateUser(tx.sql, user);
    await settle(work, from, user, nowMs, (person) => entryOf("scim.changed", provider, user, person, { changed }));
    return user;
  });
}

/** Whoever is gone there has left here: the same as not active, and they are not listed any more. */
export function removeUser(from: FromProvider, id: ScimUserId, seen: Seen): Promise<true | Refusal> {
  const { context, provider } = from;
  const acting = { operation: "scim-remove-user", actor: IDENTITY };
  return transact<true, SqlTx>(context, acting, async (work: Work<SqlTx>) => {
    const { tx } = work;
    const user = await lockUser(tx.sql, provider.issuer, id);
    if (user === null) return noUser();
    const no = seenOr(seen, user.version);
    if (no !== null) return no;
    const nowMs = await tx.nowMs();
    await settle(work, from, { ...user, active: false }, nowMs, (person) =>
      entryOf("scim.removed", provider, user, person),
    );
    await deleteUser(tx.sql, id);
    return true;
  });
}

export const noUser = (): Refusal => refuse("not-found", "There is no such user.");

const entryOf = (
  kind: Extract<EntryKind, `scim.${string}`>,
  provider: ScimProvider,
  { id, userName, externalId }: ScimUser,
  person: Principal | null,
  more: EntryDraft["data"] = {},
): EntryDraft => ({
  kind,
  actor: IDENTITY,
  refs: person === null ? {} : { principal: person.id },
  data: { provider: provider.name, user: id, ...more },
  personal: { userName, externalId },
});
