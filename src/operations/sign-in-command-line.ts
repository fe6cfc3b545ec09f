/** Somebody who is signed in with a browser has said there that a command line may act for them: it gets a session beside the browser's. */
import { type Refusal, refuse } from "../base/problem.ts";
import type { CliLogin } from "../store/cli-logins.ts";
import { sessionById } from "../store/sign-in-sessions.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { type NewSession, type SignedIn, startSession } from "./start-session.ts";
import { transact } from "./transact.ts";

const OVER = refuse("sign-in-expired", "The browser that let it in is signed in no more. Begin again: tidegate login.");

/** Whom the provider signs out there is signed out here too, and it lasts no longer than what it came of. */
export function signInCommandLine(
  context: Context,
  { browserSession, ...login }: Pick<CliLogin, "browserSession" | "hash" | "agent">,
  { hash, formerHash }: Pick<NewSession, "hash" | "formerHash">,
): Promise<SignedIn | Refusal> {
  const acting = { operation: "sign-in", actor: { system: "identity" } as const };
  return transact<SignedIn, SqlTx>(context, acting, async (work) => {
    const { tx } = work;
    const identity = (await context.catalog.active(tx))?.configuration.identity;
    const seen = browserSession === null ? null : await sessionById(tx.sql, browserSession);
    if (identity === undefined || seen === null) return OVER;
    // Who is being deactivated loses the browser's session and gets none for it.
    const person = await tx.lockPrincipal(seen.principalId);
    const browser = await sessionById(tx.sql, seen.id);
    if (person?.active !== true || browser === null) return OVER;
    return startSession(
      work,
      identity,
      { hash, formerHash, userAgent: login.agent, login: login.hash },
      {
        ...browser,
        expiresMs: Math.min(browser.expiresMs, (await tx.nowMs()) + identity.sessions.longestMs),
      },
    );
  });
}
