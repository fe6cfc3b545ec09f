/** What both ways of signing in work with. */
import type { Client, LoginFinished } from "../../contract/client.ts";
import type { LiveLine } from "../live-line.ts";
import type { Output } from "../output.ts";

export type Signing = {
  readonly client: Client;
  readonly output: Output;
  readonly live: LiveLine;
  readonly signal: AbortSignal;
  readonly bold: (text: string) => string;
  /** Only whoever began the sign-in knows it: what is seen on the way is of no use without. */
  readonly verifier: string;
  /** The token that is held until now; its session ends. */
  readonly former: string | null;
  readonly open: boolean;
};

export type SignedIn = LoginFinished & { readonly signedIn: true };

/** Asks once. Who asked too soon, for whatever reason, waits as long as they are told. */
export async function finishing({ client, verifier, former, signal }: Signing, login: string): Promise<LoginFinished> {
  try {
    return await client.finishLogin({ login, verifier, ...(former === null ? {} : { former }) }, { signal });
  } catch (error) {
    const { code, extra } = error as { code?: unknown; extra?: { retryAfterSeconds?: unknown } };
    if (code !== "too-many-requests" || typeof extra?.retryAfterSeconds !== "number") throw error;
    return { signedIn: false, retryAfterMs: extra.retryAfterSeconds * 1_000 };
  }
}
