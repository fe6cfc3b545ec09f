/**
 * Messages as webhooks, in the form of https://www.standardwebhooks.com: any of its libraries verifies them. TLS is verified,
 * no redirect is followed, and nothing of the answer is read but its status.
 */
import { createHmac } from "node:crypto";
import type { JsonObject } from "../base/canonical.ts";
import { type Clock, systemClock, toTimestamp } from "../base/clock.ts";
import { Secret } from "../base/secret.ts";
import { tidegateVersion } from "../base/version.ts";
import { NO_WEBHOOK_KEY, webhookKeys, whyNoWebhookUrl } from "../domain/channel.ts";
import type { Channel, Outgoing, Sent } from "./channel.ts";

const SECOND_MS = 1_000;
/** A receiver that asks for more than this is not waited for longer. */
const RETRY_AFTER_MS_MAX = 3_600_000;
const GONE = 410;

/** Where to, and what it is signed with. */
export type Webhook = { readonly address: Secret; readonly signing: Secret<readonly Uint8Array[]> };

export function openWebhook(settings: JsonObject): Channel {
  const webhook = webhookOf(settings);
  return { send: (message, signal) => postWebhook(webhook, { id: message.id, body: bodyOf(message) }, signal) };
}

/** Throws, naming no secret, where the settings are not good. */
export function webhookOf({ url, secret }: JsonObject): Webhook {
  const whyNot = whyNoWebhookUrl(String(url));
  if (whyNot !== null) throw new Error(`its url ${whyNot}`);
  const keys = webhookKeys(String(secret));
  if (keys === null) throw new Error(`its secret ${NO_WEBHOOK_KEY}`);
  const address = new Secret(String(url));
  const signing = new Secret(keys);
  return { address, signing };
}

/** One POST, signed. `id` is the same at every attempt. */
export async function postWebhook(
  { address, signing }: Webhook,
  { id, body }: { readonly id: string; readonly body: string },
  signal: AbortSignal,
): Promise<Sent> {
  try {
    const response = await fetch(address.reveal(), {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": `tidegate/${tidegateVersion()}`,
        ...signatureHeaders(id, body, signing.reveal(), systemClock),
      },
      body,
      redirect: "manual",
      signal,
    });
    // Nothing in it is of use, and it may have no end.
    await response.body?.cancel().catch(() => undefined);
    return read(response);
  } catch (error) {
    return { sent: false, why: signal.aborted ? "it did not answer in time" : reasonOf(error) };
  }
}

/** `type`, `timestamp` and `data` are the standard's. */
export const bodyOf = ({ id, kind, atMs, ...data }: Outgoing): string =>
  JSON.stringify({ type: kind, timestamp: toTimestamp(atMs), data: { id, ...data } });

/** Signed anew at each attempt, so that a receiver may refuse what is old. */
export function signatureHeaders(
  id: string,
  body: string,
  keys: readonly Uint8Array[],
  clock: Pick<Clock, "nowMs">,
): Record<string, string> {
  const timestamp = String(Math.floor(clock.nowMs() / SECOND_MS));
  const signatures = keys.map(
    (key) => `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`,
  );
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}

function read({ status, ok, headers }: Response): Sent {
  if (ok) return { sent: true };
  if (status >= 300 && status < 400)
    return { sent: false, why: `it answered ${status}, a redirect, and none is followed` };
  if (status === GONE) return { sent: false, why: "it answered 410: it wants no more messages", gone: true };
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  const asked = Number.isFinite(seconds) ? { afterMs: Math.min(seconds * SECOND_MS, RETRY_AFTER_MS_MAX) } : {};
  return { sent: false, why: `it answered ${status}`, ...asked };
}

/** What kept it from being sent, in the words of the system: its codes hold neither address nor secret. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : null;
  return code === null ? "it could not be reached" : `it could not be reached: ${code}`;
}
