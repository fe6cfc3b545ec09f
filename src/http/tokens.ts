import { toTimestamp } from "../base/clock.ts";
import { type TokenId, tokenId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { hashToken, newToken } from "../base/token.ts";
import type { TokenView } from "../contract/tokens.ts";
import { type Principal, readsAll } from "../domain/principal.ts";
import { issueToken } from "../operations/issue-token.ts";
import { NO_SUCH_TOKEN, revokeToken } from "../operations/revoke-token.ts";
import { rotateToken } from "../operations/rotate-token.ts";
import type { Db } from "../store/db.ts";
import { type ApiToken, goodToken, listTokens, type ShownToken } from "../store/tokens.ts";
import type { Call, Handlers, ServerDeps } from "./call.ts";
import { nextCursor } from "./page.ts";
import { idsOf, peopleOf } from "./people.ts";

export async function tokenViews(
  db: Db,
  me: Principal,
  tokens: readonly ApiToken[],
  shown: ShownToken | null,
): Promise<TokenView[]> {
  const named = tokens.flatMap(({ principalId, madeBy }) => (madeBy === null ? [principalId] : [principalId, madeBy]));
  const people = await peopleOf(db, me, named);
  return tokens.map((one) => ({
    ...{ id: one.id, name: one.name, person: people(one.principalId), source: one.source },
    scopes: one.scopes === null ? null : [...one.scopes],
    createdAt: toTimestamp(one.createdMs),
    expiresAt: one.expiresMs === null ? null : toTimestamp(one.expiresMs),
    lastUsedAt: one.lastUsedMs === null ? null : toTimestamp(one.lastUsedMs),
    madeBy: one.madeBy === null ? null : people(one.madeBy),
    successor: one.successor,
    current: one.id === shown?.id,
  }));
}

/** Tokens of services and people. */
export const tokenHandlers = ({ context }: ServerDeps): Handlers<"tokens"> => {
  const { db } = context;

  /** Makes one with this hash, and shows it this once. */
  async function made({ principal, token }: Call, make: (hash: string) => Promise<TokenId | Refusal>) {
    const secret = newToken();
    const id = await make(hashToken(secret));
    if (isRefusal(id)) return id;
    const found = await goodToken(db, id);
    const [view] = found === null ? [] : await tokenViews(db, principal, [found], token);
    return view === undefined ? NO_SUCH_TOKEN : { status: 201 as const, body: { secret, token: view } };
  }

  return {
    async list({ query: { person, ...page } }, { principal, token }) {
      const own = person === "me" || person === principal.id || person === principal.handle;
      if (person !== undefined && !own && !readsAll(principal))
        return refuse("forbidden", "Tokens of others are for auditors and admins.");
      const everybody = person === undefined && readsAll(principal);
      const owners = everybody
        ? null
        : own || person === undefined
          ? [principal.id]
          : await idsOf(db, person, principal);
      const tokens = await listTokens(db, { owners, ...page });
      const body = { tokens: await tokenViews(db, principal, tokens, token), next: nextCursor(tokens, page.limit) };
      return { status: 200, body };
    },

    issue: ({ body: { name, scopes, lifetime, service } }, call) =>
      made(call, (hash) => {
        const wanted = { name, scopes, lifetimeMs: lifetime ?? null, service: service ?? null };
        return issueToken(context, call.principal, wanted, hash);
      }),

    async rotate({ params, body: { overlap, lifetime } }, call) {
      const id = tokenId.parse(params.id);
      if (id === null) return NO_SUCH_TOKEN;
      const wanted = { id, overlapMs: overlap ?? null, lifetimeMs: lifetime ?? null, shown: call.token };
      return made(call, (hash) => rotateToken(context, call.principal, wanted, hash));
    },

    async revoke({ params }, { principal, idempotency }) {
      const id = tokenId.parse(params.id);
      if (id === null) return NO_SUCH_TOKEN;
      const revoked = await revokeToken(context, principal, id, idempotency);
      if (isRefusal(revoked)) return revoked;
      const people = await peopleOf(db, principal, [revoked.principalId]);
      return { status: 200, body: { id, name: revoked.name, person: people(revoked.principalId) } };
    },
  };
};
