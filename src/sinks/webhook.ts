/** Batches of entries as webhooks, in the form of Standard Webhooks. A status of 200 to 299 is the receipt. */
import type { JsonObject } from "../base/canonical.ts";
import { sha256Hex } from "../base/hash.ts";
import { postWebhook, webhookOf } from "../notify/webhook.ts";
import type { Batch, OpenSink } from "./sink.ts";

const HASH_CHARS = 16;

export const openWebhookSink: OpenSink = (settings: JsonObject) => {
  const webhook = webhookOf(settings);
  return { send: (batch, signal) => postWebhook(webhook, payloadOf(batch), signal) };
};

/** Each entry byte by byte as it is in the log, so that its hash can be taken. */
function payloadOf({ installation, entries }: Batch): { id: string; body: string } {
  const [from, to] = [entries[0]?.seq, entries.at(-1)?.seq];
  const lines = entries.map(({ line }) => line).join(",");
  const data = `{"installation":"${installation}","from":${from},"to":${to},"entries":[${lines}]}`;
  // After a restore of an older backup another history has the same positions: it is no duplicate. Personal texts may go
  // between two attempts, entries never.
  const hash = sha256Hex(entries.map(({ leaf }) => leaf).join("\n")).slice(0, HASH_CHARS);
  return {
    id: `${installation}-${from}-${to}-${hash}`,
    body: `{"type":"audit.entries","timestamp":"${entries.at(-1)?.at}","data":${data}}`,
  };
}
