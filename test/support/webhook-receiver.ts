/** Somebody who takes webhooks: keeps what came, verifies it by the standard's words, and answers as told. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { assertUntold } from "./issued-secrets.ts";

export type Hook = {
  readonly id: string;
  readonly verified: boolean;
  readonly body: Readonly<Record<string, unknown>>;
};
/** A status; or nothing, and the sender waits. */
export type Answers = (hook: Hook, count: number) => number | "silence";

export type WebhookReceiver = {
  readonly url: string;
  readonly hooks: Hook[];
  answers: Answers;
  close(): Promise<void>;
};

export async function webhookReceiver(secret: string): Promise<WebhookReceiver> {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const receiver = { url: "", hooks: [] as Hook[], answers: (() => 200) as Answers, close: async () => {} };
  const server = createServer((request, response) => void text(request).then((body) => take(request, response, body)));
  const take = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    const header = (name: string): string => String(request.headers[name] ?? "");
    const signed = `${header("webhook-id")}.${header("webhook-timestamp")}.${body}`;
    const wanted = Buffer.from(`v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
    const given = Buffer.from(header("webhook-signature"));
    const verified = given.length === wanted.length && timingSafeEqual(given, wanted);
    const hook = { id: header("webhook-id"), verified, body: JSON.parse(body) as Hook["body"] };
    receiver.hooks.push(hook);
    const answer = receiver.answers(hook, receiver.hooks.length);
    if (answer !== "silence") response.writeHead(answer).end();
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  receiver.close = async () => {
    assertUntold(JSON.stringify(receiver.hooks), "a webhook");
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return receiver;
}
