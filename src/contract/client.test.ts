import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { createClient } from "./client.ts";
import { CannotReach, ProblemError, UnexpectedAnswer } from "./client-errors.ts";

type Sent = { url: string; method: string; headers: Headers; body: string | null };

/** A fetch that answers this, and what it was asked. */
function answering(status: number, body: unknown, type = "application/json"): { sent: Sent[]; fetch: typeof fetch } {
  const sent: Sent[] = [];
  const fake: typeof fetch = async (input, init = {}) => {
    const { method = "GET", headers } = init;
    sent.push({
      url: input instanceof Request ? input.url : input.toString(),
      method,
      headers: new Headers(headers),
      body: (init.body as string | undefined) ?? null,
    });
    return new Response(typeof body === "string" ? body : JSON.stringify(body), {
      status,
      headers: { "content-type": type },
    });
  };
  return { sent, fetch: fake };
}

const failing =
  (error: Error): typeof fetch =>
  async () => {
    throw error;
  };

describe("what the client sends", () => {
  test("paths, queries, bodies and the token, below the server's own path", async () => {
    const { sent, fetch } = answering(200, { grants: [], next: null });
    const client = createClient({ url: "https://example.test/tidegate", token: "tgt_x", fetch });
    await client.listGrants({ state: "active,revoking", limit: 5 });
    assert.equal(sent[0]?.url, "https://example.test/tidegate/v1/grants?state=active%2Crevoking&limit=5");
    assert.equal(sent[0]?.headers.get("authorization"), "Bearer tgt_x");
    await client.getRequest("../../me");
    assert.equal(sent[1]?.url, "https://example.test/tidegate/v1/requests/..%2F..%2Fme");
  });

  test("each change carries a key of its own, or the one that is given; the credential carries none", async () => {
    const { sent, fetch } = answering(200, { id: "gr_1" });
    const client = createClient({ url: "http://localhost:1", token: "t", fetch });
    await client.revokeGrant("gr_1");
    await client.revokeGrant("gr_1");
    await client.revokeGrant("gr_1", {}, { idempotencyKey: "mine" });
    await client.credential("gr_1");
    const [first, second, third, fourth] = sent.map(({ headers }) => headers.get("idempotency-key"));
    assert.ok(first && second && first !== second);
    assert.equal(third, "mine");
    assert.equal(fourth, null);
  });

  test("a wait is given more time than an ordinary call, and says what is known", async () => {
    const { sent, fetch } = answering(200, { id: "gr_1" });
    await createClient({ url: "http://localhost:1", token: "t", fetch }).getGrant("gr_1", {
      waitSeconds: 20,
      while: "active",
    });
    assert.equal(sent[0]?.url, "http://localhost:1/v1/grants/gr_1?wait=20&while=active");
  });

  test("done and not yet done are told apart", async () => {
    const extended = answering(202, { requestId: "rq_1", state: "pending" });
    const client = createClient({ url: "http://localhost:1", token: "t", fetch: extended.fetch });
    assert.deepEqual(await client.extendGrant("gr_1", { duration: "1h" }), { extended: false, requestId: "rq_1" });
    const rotating = answering(202, { state: "rotating", retryAfterMs: 500 });
    const other = createClient({ url: "http://localhost:1", token: "t", fetch: rotating.fetch });
    assert.deepEqual(await other.credential("gr_1", { rotate: true }), {
      delivered: false,
      state: "rotating",
      retryAfterMs: 500,
    });
  });
});

describe("what the client throws", () => {
  const client = (fetch: typeof globalThis.fetch, timeoutMs?: number) =>
    createClient({
      url: "http://127.0.0.1:7433",
      token: "t",
      fetch,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });

  test("a problem becomes an error with its code and everything it carries", async () => {
    const problem = {
      type: "urn:tidegate:problem:policy-denied",
      title: "No",
      status: 403,
      detail: "No rule.",
      code: "policy-denied",
      trace: [1],
    };
    await assert.rejects(client(answering(403, problem).fetch).me(), (error) => {
      assert.ok(error instanceof ProblemError);
      assert.equal(error.code, "policy-denied");
      assert.equal(error.status, 403);
      assert.equal(error.message, "No rule.");
      assert.deepEqual(error.extra, { trace: [1] });
      return true;
    });
  });

  test("what is not Tidegate's is said to be so, in one clean line", async () => {
    for (const [status, body] of [
      [502, "<html>\u001b[31m\n  Bad Gateway</html>"],
      [200, "hello"],
      [500, { error: "x" }],
      [200, ""],
    ] as const)
      await assert.rejects(client(answering(status, body).fetch).me(), (error) => {
        assert.ok(error instanceof UnexpectedAnswer);
        assert.doesNotMatch(error.message, /\p{Cc}/u);
        return true;
      });
  });

  test("a server that cannot be reached is named, with why", async () => {
    const cause = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:7433"), { code: "ECONNREFUSED" });
    await assert.rejects(client(failing(new TypeError("fetch failed", { cause }))).me(), (error) => {
      assert.ok(error instanceof CannotReach);
      assert.equal(error.message, "cannot reach http://127.0.0.1:7433: connection refused; is the server running?");
      return true;
    });
  });

  test("a server that does not answer is given up after the time", async () => {
    const silent: typeof fetch = (_input, init) =>
      new Promise((_resolve, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
    // A timer of its own: the one of AbortSignal.timeout does not keep the process alive.
    const alive = setTimeout(() => undefined, 10_000);
    await assert.rejects(client(silent, 20).me(), /no answer from http:\/\/127\.0\.0\.1:7433 within/);
    clearTimeout(alive);
  });

  test("a caller's own abort comes back as it was", async () => {
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await assert.rejects(client(failing(new TypeError("aborted"))).me({ signal }), reason);
  });

  test("an address that is none is refused before anything is sent", () => {
    for (const url of ["", "localhost:7433", "ftp://x", "http://"])
      assert.throws(() => createClient({ url, token: null }), /is not an address/);
  });
});

test("the client runs wherever fetch does: nothing that it imports needs Node", async () => {
  const seen = new Set<string>();
  const visit = async (file: URL): Promise<void> => {
    if (seen.has(file.href)) return;
    seen.add(file.href);
    const source = await readFile(file, "utf8");
    // Imports of types alone are gone when it runs.
    const imports = [...source.matchAll(/^import (?!type )[^;]*?from "([^"]+)";/gm)].map(([, from]) => from ?? "");
    for (const from of imports) {
      assert.ok(!from.startsWith("node:") && from !== "pg" && from !== "kysely", `${file.pathname} imports ${from}`);
      if (from.startsWith(".")) await visit(new URL(from, file));
    }
  };
  await visit(new URL("client.ts", import.meta.url));
  assert.ok(seen.size > 10);
});
