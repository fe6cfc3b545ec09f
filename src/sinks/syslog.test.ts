import assert from "node:assert/strict";
import { after, test } from "node:test";
import { syslogReceiver } from "../../test/support/syslog-receiver.ts";
import { certificate } from "../../test/support/tls-front.ts";
import type { InstallationId } from "../base/ids.ts";
import type { Batch } from "./sink.ts";
import { openSyslogSink } from "./syslog.ts";

const INSTALLATION = "abcdefgh" as InstallationId;
const LEAF = '{"at":"2026-01-31T12:00:00.000Z","data":{"text":"„ümläut“ ] \\" \\\\"},"kind":"grant.revoked"}';
const batch = (...seqs: number[]): Batch => ({
  installation: INSTALLATION,
  personal: false,
  entries: seqs.map((seq) => ({
    ...{ seq, kind: "grant.revoked", at: "2026-01-31T12:00:00.000Z", actor: 'odd ] " \\ actor' },
    ...{ leaf: LEAF, line: `{"seq":${seq},"leaf":${LEAF}}` },
  })),
});
const closing: (() => Promise<void>)[] = [];
after(() => Promise.all(closing.map((close) => close())));
async function receiving(tls: Parameters<typeof syslogReceiver>[0] = null) {
  const receiver = await syslogReceiver(tls);
  closing.push(() => receiver.close());
  return receiver;
}

test("an entry is one message of RFC 5424 in one frame of RFC 6587, with its position, and word for word", async () => {
  const receiver = await receiving();
  const sink = openSyslogSink({ address: `tcp://127.0.0.1:${receiver.port}` });
  assert.deepEqual(await sink.send(batch(7, 8), AbortSignal.timeout(10_000)), { sent: true });
  assert.deepEqual(
    receiver.received.map(({ data }) => data["seq"]),
    ["7", "8"],
  );
  const [{ hostname, ...first } = assert.fail()] = receiver.received;
  assert.notEqual(hostname, "");
  assert.deepEqual(first, {
    ...{ priority: 109, timestamp: "2026-01-31T12:00:00.000Z", app: "tidegate", process: "-", kind: "grant.revoked" },
    data: { seq: "7", kind: "grant.revoked", actor: 'odd ] " \\ actor', installation: INSTALLATION },
    text: LEAF,
  });
});

test("over TLS to whom the authority knows, and to nobody else", async () => {
  const own = certificate();
  const receiver = await receiving(own);
  const address = `tls://127.0.0.1:${receiver.port}`;
  const sent = await openSyslogSink({ address, ca: own.cert.toString() }).send(batch(1), AbortSignal.timeout(10_000));
  assert.deepEqual(sent, { sent: true });
  assert.equal(receiver.received.length, 1);
  for (const settings of [
    { address, ca: certificate().cert.toString() },
    { address },
    { address: address.replace("127.0.0.1", "localhost"), ca: own.cert.toString() },
  ]) {
    const refused = await openSyslogSink(settings).send(batch(2), AbortSignal.timeout(10_000));
    assert.ok(!refused.sent && /CERT|ALTNAME|ECONNREFUSED/.test(refused.why), JSON.stringify(refused));
  }
  assert.equal(receiver.received.length, 1);
});

test("a connection that is reset, closed early, refused or hangs is no receipt", async () => {
  const receiver = await receiving();
  const sink = openSyslogSink({ address: `tcp://127.0.0.1:${receiver.port}` });
  receiver.manner = () => ({ resetAfter: 10 });
  assert.equal((await sink.send(batch(1, 2, 3), AbortSignal.timeout(10_000))).sent, false);
  receiver.manner = () => "hangs";
  const hung = await sink.send(batch(1), AbortSignal.timeout(200));
  assert.ok(!hung.sent && /in time/.test(hung.why), JSON.stringify(hung));
  await receiver.close();
  const gone = await sink.send(batch(1), AbortSignal.timeout(10_000));
  assert.deepEqual(gone, { sent: false, why: "it could not be reached: ECONNREFUSED" });
});

test("S24 a key that is no key is told without it", async () => {
  const key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXNlY3JldA==\n-----END PRIVATE KEY-----";
  const settings = { address: "tls://127.0.0.1:9", certificate: certificate().cert.toString(), key };
  const sink = openSyslogSink(settings);
  const refused = await sink.send(batch(1), AbortSignal.timeout(10_000));
  assert.ok(!refused.sent && /not good|reached/.test(refused.why));
  assert.doesNotMatch(JSON.stringify([refused, sink]), /c2VjcmV0/);
});
