import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, describe, test } from "node:test";
import { webhookKeys, whyNoWebhookUrl } from "../domain/channel.ts";
import type { Outgoing, Sent } from "./channel.ts";
import { bodyOf, openWebhook, signatureHeaders } from "./webhook.ts";

const SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const MESSAGE: Outgoing = {
  id: "ms_0123456789abcdef",
  kind: "request.denied",
  atMs: Date.UTC(2026, 0, 31, 12),
  text: "Your request for orders-db:read was denied by bob: “use the replica”",
  next: null,
  to: [{ id: "pr_1", handle: "alice", name: "Alice", email: "alice@example.com" }],
  recipients: 1,
  requestId: "rq_1",
  grantId: null,
  details: { entitlement: "orders-db:read", by: "pr_2", reason: "use the replica" },
};

const servers: Server[] = [];
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** A receiver that answers so; the address to give to a channel. */
async function receiver(answer: (request: IncomingMessage, response: ServerResponse, body: string) => void) {
  const server = createServer((request, response) => {
    void text(request).then((body) => answer(request, response, body));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=in-the-address`;
}
const answering = (status: number, headers: Record<string, string> = {}) =>
  receiver((_request, response) => response.writeHead(status, headers).end());

const send = (url: string, signal = AbortSignal.timeout(20_000)): Promise<Sent> =>
  openWebhook({ url, secret: SECRET }).send(MESSAGE, signal);

describe("the signature", () => {
  // Made with the reference library, the npm package standardwebhooks 1.1.1; the first is the example of the standard.
  const VECTORS = [
    {
      secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      seconds: 1614265330,
      body: '{"test": 2432232314}',
      signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    {
      secret: SECRET,
      id: "ms_0123456789abcdef",
      seconds: 1800000000,
      body: '{"type":"grant.ended","data":{"text":"ümläut – “quoted”"}}',
      signature: "v1,kwe07OccdxVioXv8yzRDRjNsT/LQorLbZ2I6n0o3mCE=",
    },
  ] as const;

  for (const { secret, id, seconds, body, signature } of VECTORS)
    test(`is the reference library's for ${id}`, () => {
      const clock = { nowMs: () => seconds * 1_000 + 999 };
      assert.deepEqual(signatureHeaders(id, body, webhookKeys(secret) ?? [], clock), {
        "webhook-id": id,
        "webhook-timestamp": String(seconds),
        "webhook-signature": signature,
      });
    });

  test("is made with each key while one is changed for another", () => {
    const [one, other] = VECTORS.map(({ secret }) => secret);
    const keys = webhookKeys(`${one} ${other}`) ?? [];
    const { "webhook-signature": signature = "" } = signatureHeaders("id", "{}", keys, { nowMs: () => 0 });
    assert.equal(signature.split(" ").length, 2);
  });
});

test("a secret is whsec_ and base64 of 24 to 64 bytes, and nothing else", () => {
  const of = (bytes: number): string => `whsec_${Buffer.alloc(bytes, 7).toString("base64")}`;
  for (const good of [of(24), of(32), of(64), ` ${of(24)}  ${of(25)} `]) assert.ok(webhookKeys(good) !== null, good);
  const bad = ["", " ", "whsec_", of(23), of(65), "hunter2hunter2hunter2hunter2hunter2", `${of(24)} x`, `${of(24)}!`];
  for (const text of [...bad, "whsec_AAAAA"]) assert.equal(webhookKeys(text), null, text);
});

test("an address is https, or this very machine, and holds no password", () => {
  for (const good of [
    "https://hooks.example.com/x?y=z",
    "http://127.0.0.1:8080/",
    "http://localhost/a",
    "http://[::1]/",
  ])
    assert.equal(whyNoWebhookUrl(good), null, good);
  const bad = [
    "http://example.com/",
    "http://localhost.example.com/",
    "ftp://127.0.0.1/",
    "hooks",
    "https://u:p@e.com/",
  ];
  for (const url of bad) assert.notEqual(whyNoWebhookUrl(url), null, url);
});

describe("a webhook", () => {
  test("brings the message in the form of the standard, signed over what is sent", async () => {
    let seen: { headers: IncomingMessage["headers"]; body: string } | undefined;
    const url = await receiver(({ headers }, response, body) => {
      seen = { headers, body };
      response.writeHead(204).end();
    });
    assert.deepEqual(await send(url), { sent: true });
    assert.ok(seen !== undefined);
    assert.equal(seen.body, bodyOf(MESSAGE));
    const { id, kind, atMs, ...data } = MESSAGE;
    assert.deepEqual(JSON.parse(seen.body), {
      type: kind,
      timestamp: new Date(atMs).toISOString(),
      data: { id, ...data },
    });
    const timestamp = Number(seen.headers["webhook-timestamp"]);
    assert.ok(Math.abs(timestamp - Date.now() / 1_000) < 60);
    const signed = signatureHeaders(id, seen.body, webhookKeys(SECRET) ?? [], { nowMs: () => timestamp * 1_000 });
    for (const [name, value] of Object.entries(signed)) assert.equal(seen.headers[name], value);
    assert.equal(seen.headers["content-type"], "application/json");
  });

  test("is not sent on where it is redirected to", async () => {
    let followed = false;
    const elsewhere = await receiver((_request, response) => {
      followed = true;
      response.end();
    });
    for (const status of [301, 302, 303, 307, 308]) {
      const sent = await send(await answering(status, { location: elsewhere }));
      assert.ok(!sent.sent && /redirect/.test(sent.why), String(status));
    }
    assert.equal(followed, false);
  });

  test("is to be tried again after any other answer, not before the receiver wants it, and no later than in an hour", async () => {
    for (const status of [400, 401, 404, 429, 500, 503])
      assert.deepEqual(await send(await answering(status)), { sent: false, why: `it answered ${status}` });
    const later = await send(await answering(503, { "retry-after": "120" }));
    assert.deepEqual(later, { sent: false, why: "it answered 503", afterMs: 120_000 });
    const never = await send(await answering(429, { "retry-after": "99999999" }));
    assert.deepEqual(never, { sent: false, why: "it answered 429", afterMs: 3_600_000 });
  });

  test("that answers 410 wants no more", async () => {
    const sent = await send(await answering(410));
    assert.ok(!sent.sent && sent.gone === true);
  });

  test("that does not answer in time, or is not there, says so and names no address", async () => {
    const ending = new AbortController();
    const silent = await receiver(() => ending.abort());
    assert.deepEqual(await send(silent, ending.signal), { sent: false, why: "it did not answer in time" });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const refused = await send(`http://127.0.0.1:${port}/?token=in-the-address`);
    assert.deepEqual(refused, { sent: false, why: "it could not be reached: ECONNREFUSED" });
  });

  test("is through once it has answered, however long its answer is", async () => {
    const endless = await receiver((_request, response) => {
      response.writeHead(200);
      const more = (): void => {
        if (!response.destroyed) response.write("x".repeat(65_536), () => setImmediate(more));
      };
      more();
    });
    assert.deepEqual(await send(endless), { sent: true });
  });

  test("S24 shows its secret and its address nowhere", () => {
    const channel = openWebhook({ url: "https://hooks.example.com/?token=in-the-address", secret: SECRET });
    assert.doesNotMatch(JSON.stringify(channel) + String(channel), /in-the-address|AAECAwQF/);
    for (const settings of [
      { url: "http://example.com/?token=in-the-address", secret: SECRET },
      { url: "https://example.com/", secret: "hunter2" },
    ])
      assert.throws(
        () => openWebhook(settings),
        (error: Error) => !/in-the-address|hunter2/.test(error.message),
      );
  });
});
