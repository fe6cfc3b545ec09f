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
import { newEntry } from "../store/audit.ts";
import { addNewcomer, type Newcomer } from "../store/newcomer.ts";
import { deleteUser, holdName, insertUser, lockUser, takenOf, updateUser } from "../store/scim.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { personEntry } from "./person-entry.ts";
import { IDENTITY, identityOf, newcomerOf, settle } from "./settle-scim.ts";
import { type Acting, operate, transact, type Work } from "./transact.ts";

/** What the caller has seen; false: it is another by now. */
export type Seen = (version: number) => boolean;

const CHANGED_SINCE = refuse("request-changed", "It has changed since the version in If-Match. Read it again.");
export const seenOr = (seen: Seen, version: number): Refusal | null => (seen(version) ? null : CHANGED_SINCE);

/** Who tells, and the configuration that holds as they do. */
export type FromProvider = {
  readonly context: Context;
  readonly configuration: Configuration;
  readonly provider: ScimProvider;
  /** Database time, not older than the call. */
  readonly nowMs: number;
};

export async function createUser(from: FromProvider, said: SaidUser): Promise<ScimUser | Refusal> {
  const { context, provider } = from;
  const acting = { operation: "scim-create-user", actor: IDENTITY };
  const newcomer = await createNewcomer(from, said, acting);
  if (newcomer !== null) return newcomer;
  return transact<ScimUser, SqlTx>(context, acting, async (work) => {
    const user = await insertUser(work.tx.sql, provider.issuer, scimUserId.make(), said);
    if (user === null) return taken(work.tx, provider, said, null);
    await settle(work, from, user, user.createdMs, (person) => addedEntry(provider, user, person));
    return user;
  });
}

/** Nearly everybody, at the first synchronisation of thousands. Null: there is more to it, and nothing was done. */
async function createNewcomer(from: FromProvider, said: SaidUser, acting: Acting): Promise<ScimUser | null> {
  const { context, provider } = from;
  const principal = newcomerOf(from, said);
  if (principal === null) return null;
  const { nowMs } = from;
  const user = { id: scimUserId.make(), ...said, version: 1, createdMs: nowMs, changedMs: nowMs, groups: [] };
  const entries = [personEntry("principal.added", principal, provider), addedEntry(provider, user, principal)];
  const newcomer: Newcomer = {
    ...{ issuer: provider.issuer, user, principal, identity: identityOf(provider, said) },
    entries: entries.map((entry) => newEntry(entry, context.installation, nowMs)),
  };
  const added = await operate(context, acting, () => addNewcomer(context.db, newcomer));
  return added === true ? user : null;
}

const addedEntry = (provider: ScimProvider, user: ScimUser, person: Principal | null): EntryDraft =>
  entryOf("scim.added", provider, user, person, { active: user.active });

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
    const user = await updateUser(tx.sql, before, said);
    await settle(work, from, user, user.changedMs, (person) =>
      entryOf("scim.changed", provider, user, person, { changed }),
    );
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
