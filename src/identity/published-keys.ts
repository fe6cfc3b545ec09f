/** The keys that an issuer publishes, read anew each time: one that was changed a second ago is known. */
import type { JSONWebKeySet } from "jose";
import type { JsonObject } from "../base/canonical.ts";
import { readJson } from "./oidc.ts";

export async function keysAt(url: string): Promise<JSONWebKeySet> {
  const keys = (await readJson(url)) as JSONWebKeySet | null;
  if (!Array.isArray(keys?.keys)) throw Object.assign(new Error("no keys"), { code: "NO_KEYS" });
  return keys;
}

/** Where its own settings say. */
export async function keysOfIssuer(issuer: string, settingsUrl: string): Promise<JSONWebKeySet> {
  const settings = (await readJson(settingsUrl)) as JsonObject;
  const { jwks_uri: uri } = settings;
  if (settings["issuer"] !== issuer || typeof uri !== "string" || URL.parse(uri)?.protocol !== new URL(issuer).protocol)
    throw Object.assign(new Error("settings of another issuer"), { code: "WRONG_ISSUER" });
  return keysAt(uri);
}
