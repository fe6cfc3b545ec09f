/**
 * A sign-in that is under way lives in a cookie of the browser that began it, and nowhere else: nothing is stored for
 * whoever only knocks. What is sent to the provider is derived from the cookie's random part, so that what is seen on the
 * way completes nothing, and what comes back fits only in that browser.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** What comes back must carry these. */
export type Expected = { readonly state: string; readonly nonce: string; readonly verifier: string };

/** Where the browser goes afterwards; or the act for which somebody who is signed in signs in once more. */
export type Purpose = { readonly returnTo: string; readonly stepUp?: string };

export type UnderWay = Expected & Purpose & { readonly provider: string; readonly startedMs: number };

/** So long somebody may take at the provider. */
export const UNDER_WAY_MS = 10 * 60_000;
const COOKIE_CHARS_MAX = 3_000;

/** A new one, and the cookie that holds it. */
export function beginSignIn(
  provider: string,
  purpose: Purpose,
  startedMs: number,
): { cookie: string; underWay: UnderWay } {
  const about = Buffer.from(JSON.stringify({ provider, ...purpose, startedMs })).toString("base64url");
  const cookie = `${randomBytes(32).toString("base64url")}.${about}`;
  return { cookie, underWay: { ...expectedOf(cookie), provider, ...purpose, startedMs } };
}

/** What the cookie holds; null where it is none of ours. */
export function signInUnderWay(cookie: string | undefined): UnderWay | null {
  if (cookie === undefined || cookie.length > COOKIE_CHARS_MAX) return null;
  const [key = "", about = ""] = cookie.split(".");
  if (key.length !== 43) return null;
  try {
    const { provider, returnTo, stepUp, startedMs } = JSON.parse(
      Buffer.from(about, "base64url").toString(),
    ) as UnderWay;
    if (typeof provider !== "string" || typeof returnTo !== "string" || typeof startedMs !== "number") return null;
    const begun = { ...expectedOf(cookie), provider, returnTo, startedMs };
    return typeof stepUp === "string" ? { ...begun, stepUp } : begun;
  } catch {
    return null;
  }
}

/** From the whole cookie: with another provider or time in it, nothing that comes back fits. */
const expectedOf = (cookie: string): Expected => ({
  state: derived(cookie, "state"),
  nonce: derived(cookie, "nonce"),
  verifier: derived(cookie, "verifier"),
});

const derived = (key: string, what: string): string => createHmac("sha256", key).update(what).digest("base64url");

/** What a form of ours carries: only who has the cookie could have made it. */
export const formKeyOf = (sessionCookie: string): string => derived(sessionCookie, "form");

export function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
