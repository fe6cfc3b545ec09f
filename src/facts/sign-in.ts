/** The part of a connection that every source over HTTP has: where it is, and how to sign in. */
import { z } from "zod";
import { Secret } from "../base/secret.ts";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** `https`, or `http` on this machine. The message repeats nothing: the address may be a secret as a whole. */
export const sourceUrl = (what: string) =>
  z
    .string({ error: "write an address that begins with https://" })
    .refine((text) => whyNot(text) === null, { error: (issue) => whyNot(String(issue.input)) ?? "" })
    .meta({ description: `${what}; https, or http on this machine` });

function whyNot(text: string): string | null {
  if (!URL.canParse(text)) return "write an address that begins with https://";
  const url = new URL(text);
  if (url.username !== "" || url.password !== "")
    return "user and token are keys of their own, not part of the address";
  if (url.hash !== "") return "an address that is asked has no part behind #";
  if (url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.has(url.hostname))) return null;
  return "must begin with https://: what is sent there signs Tidegate in, and what comes back decides about access";
}

export const signIn = (what: string) => ({
  url: sourceUrl(what),
  user: z.string().min(1).optional().meta({ description: "the user, where the service takes user and token (Basic)" }),
  token: z
    .string()
    .min(1)
    .optional()
    .meta({ description: "the token or password, as a reference; without `user` it is sent as a bearer token" }),
});

/** A service that takes one key, in a form of its own. */
export const keyOf = (what: string) =>
  z
    .string()
    .min(1)
    .meta({ description: `${what}, as a reference` });

type SignIn = { readonly user?: string | undefined; readonly token?: string | undefined };

export function authorizationOf({ user, token }: SignIn): Secret | null {
  if (token === undefined) return null;
  if (user === undefined) return new Secret(`Bearer ${token}`);
  return new Secret(`Basic ${Buffer.from(`${user}:${token}`).toString("base64")}`);
}
