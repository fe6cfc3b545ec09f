/** A new token in the place of an old one, which goes on for a while: whoever uses it has the time to take the new one. */
import { toTimestamp } from "../base/clock.ts";
import type { TokenId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { EntryDraft } from "../domain/audit.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { lifetimeOf, overlapOf } from "../domain/token.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { type ApiToken, goodToken, type ShownToken, succeedToken } from "../store/tokens.ts";
import type { Context } from "./context.ts";
import { add } from "./issue-token.ts";
import { NO_SUCH_TOKEN, revoke } from "./revoke-token.ts";
import { transact, type Work } from "./transact.ts";

export type Rotation = {
  readonly id: TokenId;
  readonly overlapMs: number | null;
  readonly lifetimeMs: number | null;
  /** By which the caller is known; null: by a session. */
  readonly shown: ShownToken | null;
};

/** `hash` is of what the caller is shown once. */
export function rotateToken(
  context: Context,
  by: Principal,
  { id, overlapMs, lifetimeMs, shown }: Rotation,
  hash: string,
): Promise<TokenId | Refusal> {
  const acting = { operation: "rotate-token", actor: { principal: by.id } };
  return transact<TokenId, SqlTx>(context, acting, async (work) => {
    const { tx } = work;
    const found = await goodToken(tx.sql, id);
    if (found === null || (found.principalId !== by.id && !hasRole(by, "admin"))) return NO_SUCH_TOKEN;
    const owner = await tx.lockPrincipal(found.principalId);
    // Its owner is held: it is what it was found to be, or somebody was faster.
    const old = await goodToken(tx.sql, id);
    if (owner?.active !== true || old === null) return NO_SUCH_TOKEN;
    const no = whyNot(by, owner, old, shown);
    if (no !== null) return no;
    const former = old.successor === null ? null : await unused(work, by, old.successor);
    if (isRefusal(former)) return former;
    const lastsMs = lifetimeOf(owner, lifetimeMs ?? lifetime(former ?? old));
    const goesOnMs = overlapOf(overlapMs);
    if (isRefusal(lastsMs)) return lastsMs;
    if (isRefusal(goesOnMs)) return goesOnMs;
    const scopes = old.scopes ?? [];
    const successor = await add(work, by, owner, { name: old.name, scopes, lastsMs, hash });
    const nowMs = await tx.nowMs();
    const untilMs = Math.min(old.expiresMs ?? nowMs, nowMs + goesOnMs);
    await succeedToken(tx.sql, id, successor, untilMs);
    const data = { token: id, successor, until: toTimestamp(untilMs) };
    const entry: EntryDraft = {
      ...{ kind: "token.rotated", actor: acting.actor, refs: { principal: owner.id }, data },
    };
    await work.apply({ entries: [entry] }, nowMs);
    return successor;
  });
}

const lifetime = ({ createdMs, expiresMs }: ApiToken): number | null =>
  expiresMs === null ? null : expiresMs - createdMs;

function whyNot(
  by: Principal,
  owner: Principal,
  { id, source, name }: ApiToken,
  shown: ShownToken | null,
): Refusal | null {
  if (owner.id !== by.id && owner.kind === "user")
    return refuse("forbidden", `${owner.handle} is a person: they alone rotate their tokens. You may revoke it.`);
  if (shown !== null && shown.scopes !== null && shown.id !== id)
    return refuse("forbidden", "A token that has scopes rotates itself and no other.");
  if (source === "file")
    return refuse(
      "forbidden",
      `${name} stands in the configuration: make another with tidegate token create, put it beside the old one, then take that out.`,
    );
  if (source === "exchange") return refuse("forbidden", "A job exchanges the token of its platform anew.");
  return null;
}

/** Where nobody has used it, the answer that held it may have been lost: it ends, and another takes its place. */
async function unused(work: Work<SqlTx>, by: Principal, id: TokenId): Promise<ApiToken | null | Refusal> {
  const successor = await goodToken(work.tx.sql, id);
  if (successor === null) return null;
  if (successor.lastUsedMs !== null || successor.successor !== null)
    return refuse("token-rotated", `It was rotated already, and ${successor.id} is used in its place. Rotate that.`);
  await revoke(work, by, successor, "rotated again before it was used");
  return successor;
}
