/**
 * What a provider says of its people by SCIM becomes true here: within the transaction that stores it, so that whoever has
 * left has nothing from that moment on. Who somebody is, is issuer and `externalId`; an e-mail address says nothing.
 */
import { principalId, type ScimUserId } from "../base/ids.ts";
import type { EntryActor, EntryDraft } from "../domain/audit.ts";
import type { Configuration, DeclaredPrincipal } from "../domain/configuration.ts";
import { freeHandle, type ScimProvider } from "../domain/identity.ts";
import { type Principal, sourcesOf } from "../domain/principal.ts";
import { rolesWith } from "../domain/role-groups.ts";
import { groupsHere } from "../domain/scim/group.ts";
import { type SaidUser, type ScimUser, toldOf } from "../domain/scim/user.ts";
import { addPrincipal, type NewIdentity, principalByFirst, principalByIdentity } from "../store/principals.ts";
import { groupsOf, handleInScim, peopleInGroups, scimIssuer, setGroups } from "../store/scim.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { FILE_ISSUER, upsert } from "./activate-config.ts";
import { deactivate } from "./deactivate-principal.ts";
import { mayBeCalled, newHandle } from "./new-handle.ts";
import { personEntry } from "./person-entry.ts";
import { rolesNow } from "./roles-now.ts";
import type { FromProvider } from "./scim-users.ts";
import type { Work } from "./transact.ts";

export const IDENTITY: EntryActor = { system: "identity" };

/**
 * Makes the person equal to the user, and writes the entry for the user with it. Null: nobody here is that user, because
 * they have left, or are the file's.
 */
export async function settle(
  work: Work<SqlTx>,
  from: Omit<FromProvider, "nowMs">,
  user: ScimUser,
  nowMs: number,
  entryFor: (person: Principal | null) => EntryDraft | null = () => null,
): Promise<Principal | null> {
  const { configuration, provider } = from;
  const declared = inTheFile(configuration, provider, user);
  if (declared?.follows === true) await follow(work, from, declared.person, user, nowMs);
  const mayCome = user.active && declared === null;
  const come = async () => (mayCome ? add(work, from, user, nowMs) : null);
  // Who is told of for the first time is new, but for a few: whether somebody is known is asked as they are added.
  let added = user.version === 1 ? await come() : null;
  const known = added === null ? await personOf(work.tx, provider, user) : null;
  if (known === null) added ??= await come();
  const person = known === null ? added : await change(work, from, known, user, nowMs);
  const entry = entryFor(person);
  const entries = [
    ...(added === null ? [] : [personEntry("principal.added", added, provider)]),
    ...(entry ? [entry] : []),
  ];
  if (entries.length > 0) await work.apply({ entries }, nowMs);
  return person;
}

/** The person of the file that this user is; whether the file goes by what the provider says of them. */
function inTheFile(
  { principals }: Configuration,
  provider: ScimProvider,
  { externalId }: Pick<SaidUser, "externalId">,
): { readonly person: DeclaredPrincipal; readonly follows: boolean } | null {
  const subject = provider.scim.claim === "sub" ? externalId : null;
  for (const person of principals)
    for (const one of person.identities ?? []) {
      if (one.provider !== provider.name) continue;
      if (one.scim === externalId) return { person, follows: true };
      if (one.scim === undefined && one.subject === subject) return { person, follows: false };
    }
  return null;
}

type Known = { readonly principal: Principal; readonly issuer: string };

/** Known by SCIM; or, where the subject is the link, somebody who signed in before their provider sent anything. */
const personOf = ({ sql }: SqlTx, provider: ScimProvider, { externalId }: ScimUser): Promise<Known | null> =>
  principalByFirst(sql, identityOf(provider, { externalId }).issuers, externalId);

export const identityOf = (
  { issuer, scim }: ScimProvider,
  { externalId }: Pick<SaidUser, "externalId">,
): NewIdentity => ({
  issuers: [scimIssuer(issuer), ...(scim.claim === "sub" ? [issuer] : [])],
  subject: externalId,
});

/** The person whom somebody new becomes as nothing stands in the way; null where something has to be looked up first. */
export function newcomerOf(
  { configuration, provider }: Pick<FromProvider, "configuration" | "provider">,
  said: SaidUser,
): Principal | null {
  const { handle, manager, ...told } = toldOf(said);
  if (!said.active || manager !== null || inTheFile(configuration, provider, said) !== null) return null;
  return mayBeCalled(configuration, handle) ? newPerson(handle, { ...told, groups: [] }) : null;
}

const newPerson = (handle: string, told: Pick<Principal, "name" | "email" | "type" | "groups">): Principal => ({
  ...{ id: principalId.make(), kind: "user", handle, roles: ["member"], onCallTier: 0, active: true },
  ...told,
});

/** What the file says of somebody counts, but that they have left. */
async function follow(
  work: Work<SqlTx>,
  { provider, configuration }: Omit<FromProvider, "nowMs">,
  declared: DeclaredPrincipal,
  user: ScimUser,
  nowMs: number,
): Promise<void> {
  const { tx } = work;
  const seen = await principalByIdentity(tx.sql, FILE_ISSUER, declared.handle);
  if (seen === null || (seen.left === true) === !user.active) return;
  await tx.haltDecisions();
  const { left: _, ...held } = (await tx.lockPrincipal(seen.id)) ?? seen;
  if (user.active) {
    await tx.putPrincipal(held, nowMs);
    return upsert(work, declared, configuration.roles, held, nowMs);
  }
  await leave(work, provider, { ...held, left: true }, nowMs);
}

async function leave(work: Work<SqlTx>, provider: ScimProvider, held: Principal, nowMs: number): Promise<void> {
  const because = `${provider.title} says that they have left (SCIM)`;
  if (held.active) await deactivate(work, held, IDENTITY, because);
  else await work.tx.putPrincipal(held, nowMs);
}

/** Null: somebody is known by then. */
async function add(
  work: Work<SqlTx>,
  { context, configuration, provider }: Omit<FromProvider, "nowMs">,
  user: ScimUser,
  nowMs: number,
): Promise<Principal | null> {
  const { tx } = work;
  const { handle: wanted, manager, ...told } = await saidOf(tx, provider, user);
  const roles = await rolesNow(context, tx, told.groups);
  const identity = identityOf(provider, user);
  const taken = new Set<string>();
  for (let handle = wanted; ; handle = freeHandle(wanted, (one) => taken.has(one))) {
    const principal = { ...newPerson(handle, told), roles, ...(manager === null ? {} : { manager }) };
    const done = mayBeCalled(configuration, handle) ? await addPrincipal(tx.sql, principal, identity, nowMs) : "taken";
    if (done === "known") return null;
    if (done === "added" && principal.groups.length > 0) await tx.lookAgainAt(["owners", ...sourcesOf(principal)]);
    if (done === "added") return principal;
    taken.add(handle);
  }
}

async function change(
  work: Work<SqlTx>,
  { context, configuration, provider }: Omit<FromProvider, "nowMs">,
  { principal: known, issuer }: Known,
  user: ScimUser,
  nowMs: number,
): Promise<Principal> {
  const { tx } = work;
  if (issuer !== scimIssuer(provider.issuer))
    await tx.linkIdentity(scimIssuer(provider.issuer), user.externalId, known.id, nowMs);
  if (!user.active) {
    if (!known.active) return known;
    await tx.haltDecisions();
    const held = (await tx.lockPrincipal(known.id)) ?? known;
    await leave(work, provider, held, nowMs);
    return { ...held, active: false };
  }
  const { handle: wanted, manager, ...told } = await saidOf(tx, provider, user);
  const next = (of: Principal): Principal => {
    const { manager: _, ...rest } = of;
    return { ...rest, ...told, ...(manager === null ? {} : { manager }) };
  };
  if (known.active && isSame(known, next(known))) return known;
  // Whoever is deciding by them has decided then, and what came of it is looked at again with all else.
  await tx.haltDecisions();
  const held = (await tx.lockPrincipal(known.id)) ?? known;
  const handle = held.active ? held.handle : await newHandle(tx, configuration, wanted);
  const roles = await rolesNow(context, tx, told.groups);
  const now: Principal = { ...next(held), roles, handle, active: true };
  await tx.putPrincipal(now, nowMs);
  await tx.lookAgainAt(["owners", ...new Set([...sourcesOf(held), ...sourcesOf(now)])]);
  const kind = held.active ? "principal.changed" : "principal.reactivated";
  await work.apply({ entries: [personEntry(kind, now, provider)] }, nowMs);
  return now;
}

const isSame = (a: Principal, b: Principal): boolean => JSON.stringify(essence(a)) === JSON.stringify(essence(b));
const essence = ({ name, email, type, groups, manager }: Principal) => [name, email, type, groups, manager ?? null];

async function saidOf(tx: SqlTx, provider: ScimProvider, user: ScimUser) {
  const { manager, ...told } = toldOf(user);
  const groups = groupsHere(provider, user.groups.length === 0 ? [] : await groupsOf(tx.sql, user.id));
  return { ...told, groups, manager: manager === null ? null : await handleInScim(tx.sql, provider.issuer, manager) };
}

/** The people of these users are in other groups now. Written with an entry for each of them, and with those of what it comes by. */
export async function regroup(
  { tx, apply }: Work<SqlTx>,
  { context, provider }: Pick<FromProvider, "context" | "provider">,
  users: readonly ScimUserId[],
  by: readonly EntryDraft[],
  nowMs: number,
): Promise<void> {
  if (users.length === 0) return apply({ entries: by }, nowMs);
  // Nobody decides meanwhile, and every provider waits: what can be asked in one go is, each after the one before.
  const [, active, found] = await Promise.all([
    tx.haltDecisions(),
    context.catalog.active(tx),
    peopleInGroups(tx.sql, provider.issuer, users),
  ]);
  const given = active?.configuration.roles;
  const people = found.map(({ principal, groups: said }) => {
    const groups = groupsHere(provider, said);
    return { before: principal, now: { ...principal, groups, roles: rolesWith(given, groups) } };
  });
  const changed = people.filter(({ before, now }) => !isSame(before, now));
  const entries = [...changed.map(({ now }) => personEntry("principal.changed", now, provider)), ...by];
  if (changed.length === 0) return apply({ entries }, nowMs);
  const touched = new Set(
    changed.flatMap(({ before, now }) => [
      ...before.groups.filter((group) => !now.groups.includes(group)),
      ...now.groups.filter((group) => !before.groups.includes(group)),
    ]),
  );
  await Promise.all([
    setGroups(
      tx.sql,
      changed.map(({ now }) => now),
    ),
    tx.lookAgainAt(["owners", ...[...touched].map((group) => `group:${group}`)]),
    apply({ entries }, nowMs),
  ]);
}
