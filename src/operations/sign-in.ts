/** Somebody has signed in at a provider: who that is here, what their provider says of them, and a session for their browser or command line. */
import { principalId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { EntryActor } from "../domain/audit.ts";
import type { SeenByProvider } from "../domain/authentication.ts";
import type { Configuration } from "../domain/configuration.ts";
import { hasScim, type IdentityProvider, type Profile, type ScimProvider } from "../domain/identity.ts";
import { type Principal, sourcesOf } from "../domain/principal.ts";
import { haltDecisions } from "../store/panics.ts";
import { moveIdentity, principalByIdentity } from "../store/principals.ts";
import { holdByExternalId } from "../store/scim.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { deactivate } from "./deactivate-principal.ts";
import { declaredAs } from "./known-as.ts";
import { newHandle } from "./new-handle.ts";
import { personEntry } from "./person-entry.ts";
import { rolesNow } from "./roles-now.ts";
import { settle } from "./settle-scim.ts";
import { type NewSession, type SignedIn, startSession } from "./start-session.ts";
import { transact, type Work } from "./transact.ts";

const IDENTITY: EntryActor = { system: "identity" };

export type SignIn = NewSession & {
  readonly provider: IdentityProvider;
  readonly profile: Profile;
  readonly providerSession: string | null;
  readonly seen: SeenByProvider;
};

export function signIn(context: Context, wanted: SignIn): Promise<SignedIn | Refusal> {
  return transact<SignedIn, SqlTx>(context, { operation: "sign-in", actor: IDENTITY }, async (work) => {
    const { tx } = work;
    const catalog = await context.catalog.active(tx);
    const identity = catalog?.configuration.identity;
    if (catalog === null || identity === undefined)
      return refuse("sign-in-refused", "Nobody signs in through a provider here any more.");
    const known = await whoIs(context, work, catalog.configuration, wanted);
    if (isRefusal(known)) return known;
    if (!known.active)
      return refuse("principal-deactivated", `${known.handle} is deactivated. An admin of Tidegate can say why.`);
    const { provider, profile, providerSession, seen } = wanted;
    return startSession(work, identity, wanted, {
      principalId: known.id,
      ...{ provider: provider.name, issuer: provider.issuer, subject: profile.subject, providerSession },
      authentication: seen,
      expiresMs: (await tx.nowMs()) + identity.sessions.longestMs,
    });
  });
}

/** Whom the file names with this subject is that person; then whom SCIM names, where there is any; everybody else is who signed in with it first. */
async function whoIs(
  context: Context,
  work: Work<SqlTx>,
  configuration: Configuration,
  wanted: SignIn,
): Promise<Principal | Refusal> {
  const { provider, profile } = wanted;
  const { tx } = work;
  const declared = await declaredAs(tx, configuration, provider, profile.subject);
  if (declared !== null) return (await tx.lockPrincipal(declared.id)) ?? declared;
  if (hasScim(provider)) return knownByScim(context, work, configuration, provider, profile);
  const known = await principalByIdentity(tx.sql, provider.issuer, profile.subject);
  return known === null ? firstTime(context, work, configuration, wanted) : again(context, work, known, wanted);
}

async function firstTime(
  context: Context,
  work: Work<SqlTx>,
  configuration: Configuration,
  wanted: SignIn,
): Promise<Principal> {
  const { provider, profile } = wanted;
  const { tx } = work;
  // One at a time: two browsers of one person make one person of them.
  await haltDecisions(tx.sql);
  const meanwhile = await principalByIdentity(tx.sql, provider.issuer, profile.subject);
  if (meanwhile !== null) return meanwhile;
  return add(context, work, await newHandle(tx, configuration, profile.handle), wanted);
}

/** Where the provider tells of its people itself, that counts, and what it says when they sign in changes nothing. */
async function knownByScim(
  context: Context,
  work: Work<SqlTx>,
  configuration: Configuration,
  provider: ScimProvider,
  { subject, externalId }: Profile,
): Promise<Principal | Refusal> {
  const { tx } = work;
  const user = await holdByExternalId(tx.sql, provider.issuer, externalId);
  const { title } = provider;
  if (user === null)
    return refuse(
      "sign-in-refused",
      `${title} signed you in, but has not told Tidegate of you (SCIM). Who is assigned to Tidegate there can sign in some minutes later.`,
    );
  const known = await settle(work, { context, configuration, provider }, user, await tx.nowMs());
  if (known === null) return refuse("principal-deactivated", `${title} says that you have left.`);
  const former = await principalByIdentity(tx.sql, provider.issuer, subject);
  if (former?.id === known.id) return known;
  if (former?.active === true) await partWith(work, former, known);
  // So that they are known by what tokens and signals call them.
  await moveIdentity(tx.sql, provider.issuer, subject, known.id, await tx.nowMs());
  return known;
}

/** Who they were before there was SCIM, by another claim: one person is not two. */
async function partWith(work: Work<SqlTx>, former: Principal, known: Principal): Promise<void> {
  await work.tx.haltDecisions();
  const held = await work.tx.lockPrincipal(former.id);
  if (held?.active !== true) return;
  await deactivate(work, held, IDENTITY, `is ${known.handle} by SCIM`);
}

async function add(
  context: Context,
  work: Work<SqlTx>,
  handle: string,
  { provider, profile }: SignIn,
): Promise<Principal> {
  const nowMs = await work.tx.nowMs();
  const principal: Principal = {
    ...{ id: principalId.make(), kind: "user", handle, onCallTier: 0, active: true },
    roles: await rolesNow(context, work.tx, profile.groups),
    ...saidOf(profile),
  };
  await work.tx.putPrincipal(principal, nowMs);
  await work.tx.linkIdentity(provider.issuer, profile.subject, principal.id, nowMs);
  await work.apply({ entries: [personEntry("principal.added", principal, provider)] }, nowMs);
  return principal;
}

async function again(
  context: Context,
  work: Work<SqlTx>,
  known: Principal,
  { provider, profile }: SignIn,
): Promise<Principal> {
  const { tx } = work;
  // Whoever is deciding by their groups has decided then, and what came of it is looked at again with all else.
  if (differs(known, profile)) await haltDecisions(tx.sql);
  const held = await tx.lockPrincipal(known.id);
  if (held?.active !== true) return { ...known, active: false };
  if (!differs(held, profile)) return held;
  const { manager: _, ...rest } = held;
  const roles = await rolesNow(context, work.tx, profile.groups);
  const now: Principal = { ...rest, ...saidOf(profile), roles };
  const nowMs = await tx.nowMs();
  await tx.putPrincipal(now, nowMs);
  await tx.lookAgainAt(["owners", ...new Set([...sourcesOf(held), ...sourcesOf(now)])]);
  await work.apply({ entries: [personEntry("principal.changed", now, provider)] }, nowMs);
  return now;
}

const saidOf = ({ name, email, type, groups, manager }: Profile) => ({
  ...{ name, email, type, groups },
  ...(manager === null ? {} : { manager }),
});
const differs = (principal: Principal, profile: Profile): boolean =>
  JSON.stringify(essence(principal)) !== JSON.stringify(essence({ ...principal, ...profile }));
const essence = ({
  name,
  email,
  type,
  groups,
  manager,
}: Omit<Principal, "manager"> & { readonly manager?: string | null }) => [name, email, type, groups, manager ?? null];
