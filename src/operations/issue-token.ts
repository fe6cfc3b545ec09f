/** A token is made, for whoever asks or for a service. */
import { toTimestamp } from "../base/clock.ts";
import { type TokenId, tokenId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { Scope } from "../base/scope.ts";
import type { EntryDraft } from "../domain/audit.ts";
import { isName } from "../domain/entitlement.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { lifetimeOf, TOKENS_MAX } from "../domain/token.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { listTokens, putToken } from "../store/tokens.ts";
import type { Context } from "./context.ts";
import { findPerson, nobodyCalled } from "./find-person.ts";
import { transact, type Work } from "./transact.ts";

export type WantedToken = {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly lifetimeMs: number | null;
  /** Handle or id; null: whoever asks. */
  readonly service: string | null;
};

/** `hash` is of what the caller is shown once. */
export function issueToken(
  context: Context,
  by: Principal,
  { name, scopes, lifetimeMs, service }: WantedToken,
  hash: string,
): Promise<TokenId | Refusal> {
  return transact<TokenId, SqlTx>(context, { operation: "issue-token", actor: { principal: by.id } }, async (work) => {
    const { tx } = work;
    if (!isName(name))
      return refuse(
        "invalid-input",
        "A token's name is lower-case letters, digits, - _ and . (at most 63), such as ci.",
      );
    const whose = service === null ? by : await serviceOf(work, by, service);
    if (isRefusal(whose)) return whose;
    const owner = await tx.lockPrincipal(whose.id);
    if (owner?.active !== true) return refuse("principal-deactivated", `${whose.handle} is deactivated.`);
    const lastsMs = lifetimeOf(owner, lifetimeMs);
    if (isRefusal(lastsMs)) return lastsMs;
    const others = await listTokens(tx.sql, { owners: [owner.id], limit: TOKENS_MAX });
    if (others.length >= TOKENS_MAX)
      return refuse(
        "tokens-full",
        `${owner.handle} has ${TOKENS_MAX} tokens, which is as many as there may be. Revoke some.`,
      );
    const same = others.find((one) => one.name === name && one.successor === null);
    if (same !== undefined)
      return refuse(
        "already-exists",
        `${owner.handle} has a token ${name} (${same.id}). Rotate it, or choose another name.`,
      );
    return add(work, by, owner, { name, scopes, lastsMs, hash });
  });
}

/** Who had a person's token would be that person: only they themselves make one. */
async function serviceOf({ tx }: Work<SqlTx>, by: Principal, service: string): Promise<Principal | Refusal> {
  if (!hasRole(by, "admin")) return refuse("forbidden", "Tokens of services are made by admins.");
  const found = await findPerson(tx, service);
  if (found === null) return nobodyCalled(service);
  if (found.kind === "service" || found.id === by.id) return found;
  return refuse("forbidden", `${found.handle} is a person: they alone make their tokens.`);
}

/** Within a larger change: one more token of this owner. */
export async function add(
  { tx, apply }: Work<SqlTx>,
  by: Principal,
  owner: Principal,
  { name, scopes, lastsMs, hash }: { name: string; scopes: readonly Scope[]; lastsMs: number; hash: string },
): Promise<TokenId> {
  const nowMs = await tx.nowMs();
  const expiresMs = nowMs + lastsMs;
  const token = { id: tokenId.make(), principalId: owner.id, name, scopes: [...new Set(scopes)], hash, expiresMs };
  await putToken(tx.sql, { ...token, madeBy: by.id }, "issued", nowMs);
  const data = { token: token.id, scopes: token.scopes, expires: toTimestamp(expiresMs) };
  const entry: EntryDraft = {
    ...{ kind: "token.issued", actor: { principal: by.id }, refs: { principal: owner.id }, data, personal: { name } },
  };
  await apply({ entries: [entry] }, nowMs);
  return token.id;
}
