import { systemClock } from "../../base/clock.ts";
import { keepSession, readSession } from "./kept-session.ts";

const RENEWED_WITHIN_MS = 10_000;

/**
 * The token of now, for a server that somebody signed in to here. Read for each call, since another command may have
 * exchanged it meanwhile; exchanged when it is old enough. Where that fails the one there is goes on: the server takes it
 * until it has seen the next, and says itself when the session is over.
 */
export async function currentToken(url: string, env: NodeJS.ProcessEnv): Promise<string | null> {
  const kept = await readSession(url, env);
  if (kept === null || systemClock.nowMs() < kept.renewAtMs) return kept?.token ?? null;
  try {
    const { createClient } = await import("../../contract/client.ts");
    const client = createClient({ url, token: null, timeoutMs: RENEWED_WITHIN_MS });
    const { token, renewAfterMs } = await client.renewToken(kept.token);
    await keepSession({ ...kept, token, renewAtMs: systemClock.nowMs() + renewAfterMs }, env);
    return token;
  } catch {
    return kept.token;
  }
}
