/**
 * The cookies that browsers are given. Over https their names begin with `__Host-`, so that no other host can set them; on
 * this very machine, where a provider and Tidegate are reached over http, browsers would not keep such a cookie.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Identity } from "../domain/identity.ts";

const SESSION = "tidegate-session";
const UNDER_WAY = "tidegate-sign-in";
const HOST = "__Host-";

export const isSecure = ({ url }: Identity): boolean => url.startsWith("https:");

const nameOf = (identity: Identity, name: string): string => (isSecure(identity) ? `${HOST}${name}` : name);

/** The value of a cookie; undefined where it was not sent, or twice. */
function cookieOf(request: FastifyRequest, name: string): string | undefined {
  const values = (request.headers.cookie ?? "").split(";").flatMap((pair) => {
    const [key = "", ...value] = pair.trim().split("=");
    return key === name ? [value.join("=")] : [];
  });
  return values.length === 1 ? values[0] : undefined;
}

/** What was sent as a session, before it is known which of the two names is in use. */
export const sessionCookies = (request: FastifyRequest) => ({
  host: cookieOf(request, `${HOST}${SESSION}`),
  plain: cookieOf(request, SESSION),
});

export const sessionCookie = (request: FastifyRequest, identity: Identity): string | undefined =>
  cookieOf(request, nameOf(identity, SESSION));
export const underWayCookie = (request: FastifyRequest, identity: Identity): string | undefined =>
  cookieOf(request, nameOf(identity, UNDER_WAY));

export const setSession = (reply: FastifyReply, identity: Identity, value: string): void =>
  set(reply, identity, SESSION, value, identity.sessions.longestMs);
export const setUnderWay = (reply: FastifyReply, identity: Identity, value: string, keptMs: number): void =>
  set(reply, identity, UNDER_WAY, value, keptMs);
export const dropSession = (reply: FastifyReply, identity: Identity): void => set(reply, identity, SESSION, "", 0);
export const dropUnderWay = (reply: FastifyReply, identity: Identity): void => set(reply, identity, UNDER_WAY, "", 0);

function set(reply: FastifyReply, identity: Identity, name: string, value: string, keptMs: number): void {
  const secure = isSecure(identity) ? "; Secure" : "";
  const kept = `Max-Age=${Math.floor(keptMs / 1_000)}`;
  // Lax, not Strict: the browser comes back from the provider by a link, and is to be known then.
  reply.header("set-cookie", `${nameOf(identity, name)}=${value}; Path=/; ${kept}; HttpOnly; SameSite=Lax${secure}`);
}
