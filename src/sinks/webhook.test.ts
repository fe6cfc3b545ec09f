import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type WebhookReceiver, webhookReceiver } from "../../test/support/webhook-receiver.ts";
import type { InstallationId } from "../base/ids.ts";
import { openWebhookSink } from "./webhook.ts";

const SECRET = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;

let receiver: WebhookReceiver;
before(async () => {
  receiver = await webhookReceiver(SECRET);
});
after(() => receiver.close());

/** Sends one entry at the position 7, and tells the id under which it came. */
async function idOf(leaf: string, text = ""): Promise<string | undefined> {
  const line = `{"seq":7,"leaf":${leaf},"personal":"${text}"}`;
  const entries = [{ seq: 7, kind: "grant.active", at: "2026-01-31T12:00:00.000Z", actor: "", leaf, line }];
  const sink = openWebhookSink({ url: receiver.url, secret: SECRET });
  const batch = { installation: "abcdefgh" as InstallationId, personal: text !== "", entries };
  assert.deepEqual(await sink.send(batch, AbortSignal.timeout(5_000)), { sent: true });
  return receiver.hooks.at(-1)?.id;
}

test("a batch that comes again has the same id, also where a text has gone; another history at the same positions has another", async () => {
  const first = await idOf('{"id":"en_1"}', "a reason");
  assert.match(first ?? "", /^abcdefgh-7-7-[0-9a-f]{16}$/);
  assert.equal(await idOf('{"id":"en_1"}', ""), first);
  assert.notEqual(await idOf('{"id":"en_2"}'), first);
});
