import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { type Api, type ApiOptions, createApi, tokenOf } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;

before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
});
after(() => world.stop());

async function serving(options: ApiOptions, work: (api: Api, url: URL) => Promise<void>): Promise<void> {
  const api = createApi(world, options);
  try {
    await work(api, new URL(await api.app.listen({ host: "127.0.0.1", port: 0 })));
  } finally {
    await api.close();
  }
}

/** A connection by hand, and all that came back on it. */
async function raw(url: URL, ...pieces: (string | Buffer)[]) {
  const socket: Socket = connect(Number(url.port), url.hostname);
  let heard = "";
  let ended = false;
  socket.on("data", (chunk: Buffer) => {
    heard += chunk.toString();
  });
  socket.on("close", () => {
    ended = true;
  });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  for (const piece of pieces) socket.write(piece);
  return { socket, heard: () => heard, ended: () => until(() => ended, { what: "the connection to be closed" }) };
}

const frozen = { nowMs: () => Date.now(), monotonicMs: () => 0 };
const bearer = (who: string): string => `authorization: Bearer ${tokenOf(who)}\r\n`;

describe("how often one may call", () => {
  test("a person who calls too often is told to wait, whatever their address; others are let in", () =>
    serving({ clock: frozen, limits: { perPrincipal: { perSecond: 1, burst: 5 } } }, async (api) => {
      for (let i = 4; i >= 0; i -= 1) {
        const { status, headers } = await api.get("alice", "/v1/me");
        assert.equal(status, 200);
        assert.equal(headers["ratelimit"], `"principal";r=${i};t=${5 - i}`);
        assert.equal(headers["ratelimit-policy"], '"principal";q=5;w=5');
      }
      const { status, body, headers } = await api.post("alice", "/v1/requests", { entitlement: "orders:read" });
      assert.equal(status, 429);
      assert.equal(body.code, "too-many-requests");
      assert.equal(headers["retry-after"], "1");
      assert.match(String(headers["ratelimit"]), /r=0/);
      assert.equal((await api.get("bob", "/v1/me")).status, 200);
    }));

  test("an address that calls too often is told to wait before anything is looked up; probes are always answered", () =>
    serving({ clock: frozen, limits: { perAddress: { perSecond: 1, burst: 3 } } }, async (api) => {
      for (let i = 0; i < 3; i += 1) assert.equal((await api.get(null, "/v1/nothing")).status, 404);
      for (const who of [null, "alice"]) assert.equal((await api.get(who, "/v1/me")).status, 429);
      assert.equal((await api.get(null, "/healthz")).status, 200);
      assert.equal((await api.get(null, "/readyz")).status, 200);
    }));

  test("behind a trusted proxy each has an address of their own; what others claim is not believed", () =>
    serving(
      { clock: frozen, limits: { perAddress: { perSecond: 1, burst: 1 }, trustedProxies: ["127.0.0.1"] } },
      async (api) => {
        const from = async (address: string): Promise<number> =>
          (await api.call(null, "GET", "/v1/nothing", undefined, { headers: { "x-forwarded-for": address } })).status;
        assert.deepEqual([await from("192.0.2.1"), await from("192.0.2.2"), await from("192.0.2.1")], [404, 404, 429]);
        const other = createApi(world, { clock: frozen, limits: { perAddress: { perSecond: 1, burst: 1 } } });
        const claims = { headers: { "x-forwarded-for": "192.0.2.3" } };
        assert.equal((await other.call(null, "GET", "/v1/nothing", undefined, claims)).status, 404);
        assert.equal((await other.get(null, "/v1/nothing")).status, 429);
        await other.close();
      },
    ));
});

describe("the id of a call", () => {
  test("comes from the header that is configured, where it is well-formed and the sender is trusted", () =>
    serving({ limits: { requestIdHeader: "x-request-id", trustedProxies: ["127.0.0.1"] } }, async (api, url) => {
      const idOf = async (given: string): Promise<string> =>
        (await fetch(new URL("/healthz", url), { headers: { "x-request-id": given } })).headers.get("x-request-id") ??
        "";
      assert.equal(await idOf("from-the-proxy.42"), "from-the-proxy.42");
      for (const bad of ["short", "with a space in it", `${"x".repeat(129)}`, 'quo"ted-quoted'])
        assert.match(await idOf(bad), /^[0-9a-f-]{36}$/);
      assert.doesNotMatch(api.logged(), /quo"ted|with a space/);
      const plain = createApi(world);
      const { headers } = await plain.call(null, "GET", "/healthz", undefined, {
        headers: { "x-request-id": "from-anybody" },
      });
      assert.notEqual(headers["x-request-id"], "from-anybody");
      await plain.close();
    }));
});

describe("what comes too slowly, too large, or too often at once", () => {
  test("a body that does not come whole in time is answered 408, and the connection closed", () =>
    serving({ limits: { requestWithinMs: 300, headersWithinMs: 300 } }, async (_api, url) => {
      const slow = await raw(
        url,
        `POST /v1/requests HTTP/1.1\r\nhost: x\r\n${bearer("alice")}content-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
      );
      await slow.ended();
      assert.match(slow.heard(), /^HTTP\/1\.1 408 /);
      assert.match(slow.heard(), /"code":"request-timeout"/);
    }));

  test("so is a head that does not end", () =>
    serving({ limits: { requestWithinMs: 300, headersWithinMs: 300 } }, async (_api, url) => {
      const slow = await raw(url, "GET /v1/me HTTP/1.1\r\nhost: x\r\nx-a: ");
      await slow.ended();
      assert.match(slow.heard(), /^HTTP\/1\.1 408 /);
    }));

  test("a head beyond measure is 431, an address beyond measure too, and what is no HTTP is 400", () =>
    serving({}, async (_api, url) => {
      for (const [sent, status] of [
        [`GET / HTTP/1.1\r\nhost: x\r\nx-a: ${"a".repeat(20_000)}\r\n\r\n`, 431],
        [`GET /${"a".repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 431],
        ["hello\r\n\r\n", 400],
        ["GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400],
      ] as const) {
        const answer = await raw(url, sent);
        await answer.ended();
        assert.match(answer.heard(), new RegExp(`^HTTP/1\\.1 ${status} `));
        assert.match(answer.heard(), /application\/problem\+json/);
      }
    }));

  test("an address has so many connections and no more", () =>
    serving({ limits: { connectionsPerAddress: 3 } }, async (_api, url) => {
      const three = [await raw(url), await raw(url), await raw(url)];
      const fourth = await raw(url, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
      await fourth.ended();
      assert.equal(fourth.heard(), "");
      three[0]?.socket.destroy();
      await until(
        async () => {
          const again = await raw(url, "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
          await again.ended();
          return again.heard().startsWith("HTTP/1.1 200");
        },
        { what: "a place to be free again" },
      );
      for (const { socket } of three) socket.destroy();
    }));

  test("a client that goes away in the middle leaves the server well", () =>
    serving({}, async (api, url) => {
      for (const sent of [
        `POST /v1/requests HTTP/1.1\r\nhost: x\r\n${bearer("alice")}content-type: application/json\r\ncontent-length: 100\r\n\r\n{"enti`,
        `GET /v1/grants HTTP/1.1\r\nhost: x\r\n${bearer("alice")}\r\n`,
        "GET /v1/gr",
      ])
        (await raw(url, sent)).socket.destroy();
      assert.equal((await fetch(new URL("/healthz", url))).status, 200);
      assert.doesNotMatch(api.logged(), /"level":50/);
    }));
});

describe("stopping", () => {
  test("what is under way is finished; waits and idle connections end at once", async () => {
    const api = createApi(world);
    const url = new URL(await api.app.listen({ host: "127.0.0.1", port: 0 }));
    const grant = (await api.post("erin", "/v1/requests", { entitlement: "orders:read", duration: "1h" })).body.grantId;
    const head = `HTTP/1.1\r\nhost: x\r\n`;
    const never = await raw(url);
    const idle = await raw(url, `GET /healthz ${head}\r\n`);
    await until(() => idle.heard().endsWith("}"), { what: "the first answer" });
    const waiting = await raw(url, `GET /v1/grants/${grant}?wait=60 ${head}${bearer("erin")}\r\n`);
    const body = JSON.stringify({ entitlement: "orders:read", duration: "1h" });
    const underWay = await raw(
      url,
      `POST /v1/requests ${head}${bearer("erin")}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    // They are in once a call that came after them is answered.
    assert.equal((await fetch(new URL("/healthz", url))).status, 200);
    const closed = api.close();
    await Promise.all([never.ended(), idle.ended(), waiting.ended()]);
    assert.match(waiting.heard(), /"state":"scheduled"/);
    underWay.socket.write(body.slice(5));
    await underWay.ended();
    assert.match(underWay.heard(), /^HTTP\/1\.1 201 /);
    assert.match(underWay.heard(), /connection: close/i);
    await closed;
  });

  test("what does not end by itself is cut off after a while", async () => {
    const api = createApi(world, { limits: { drainWithinMs: 100 } });
    const url = new URL(await api.app.listen({ host: "127.0.0.1", port: 0 }));
    const stuck = await raw(
      url,
      `POST /v1/requests HTTP/1.1\r\nhost: x\r\n${bearer("erin")}content-type: application/json\r\ncontent-length: 9\r\n\r\n{`,
    );
    assert.equal((await fetch(new URL("/healthz", url))).status, 200);
    await api.close();
    await stuck.ended();
  });
});

test("every answer carries the headers that keep browsers and caches from misusing it", async () => {
  const api = createApi(world);
  for (const [who, url] of [
    [null, "/healthz"],
    ["alice", "/v1/me"],
    [null, "/v1/nothing"],
  ] as const) {
    const { headers } = await api.get(who, url);
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["x-frame-options"], "DENY");
    assert.match(String(headers["content-security-policy"]), /default-src 'none'/);
    assert.equal(headers["cross-origin-resource-policy"], "same-origin");
    assert.equal(headers["server"], undefined);
  }
  await api.close();
});
