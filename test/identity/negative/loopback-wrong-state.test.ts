import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { problem, RunningCli, startStub } from "../../e2e/cli-harness.ts";

const DONE = {
  ...{ token: "tgs_of-the-test", renewAfterMs: 1_800_000, expiresAt: "2099-01-01T00:00:00.000Z" },
  ...{ session: "se_4h6k8m1n3p5q7r9s", provider: "company" },
  person: { id: "pr_4h6k8m1n3p5q7r9s", handle: "walter", name: "Walter White" },
};

test("what comes back to a command line without its own state changes nothing, and it waits on for what does", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "tidegate-login-"));
  t.after(() => rm(dir, { recursive: true }));
  const stub = await startStub({
    "POST /v1/login": { status: 201, body: { how: "browser", address: "https://tidegate.example.test/auth/cli" } },
    "POST /v1/login/token": ({ body }) =>
      body["login"] === "the-code" ? { body: DONE } : problem("sign-in-expired", 401, "It is over."),
  });
  t.after(() => stub.close());
  const env = { TIDEGATE_URL: stub.url, TIDEGATE_TOKEN: undefined, XDG_STATE_HOME: dir };
  const running = new RunningCli(["login", "--browser", "--json"], env);
  await running.says(/Open in a browser on this machine: {2}\S+/);
  const page = new URL(/https:\S+/.exec(running.stderr)?.[0] ?? "");
  const [back, state] = [page.searchParams.get("redirect_uri") ?? "", page.searchParams.get("state") ?? ""];
  const come = async (query: Record<string, string>, headers = {}): Promise<number> =>
    (await fetch(`${back}?${new URLSearchParams(query)}`, { headers })).status;

  assert.match(back, /^http:\/\/127\.0\.0\.1:\d+\/callback$/);
  assert.equal(state.length, 43);
  assert.equal(await come({ code: "of-another", state: "x".repeat(43) }), 400);
  assert.equal(await come({ code: "of-another" }), 400);
  assert.equal(await come({ state }), 400);
  assert.equal((await fetch(back.replace("/callback", "/"))).status, 404);
  assert.equal((await fetch(`${back}?code=x&state=${state}`, { method: "POST" })).status, 404);
  assert.equal(stub.count("POST /v1/login/token"), 0);
  await running.says(/another state.*ignored/);
  assert.equal(await come({ code: "the-code", state }), 200);
  const { code, stdout } = await running.ended;
  assert.equal(code, 0, running.stderr);
  assert.equal(JSON.parse(stdout).person.handle, "walter");
  const [begun, finished] = stub.calls;
  const { verifier } = finished?.body ?? {};
  assert.equal(begun?.body["challenge"], createHash("sha256").update(String(verifier)).digest("base64url"));
  assert.equal(page.searchParams.get("code_challenge"), begun?.body["challenge"]);
  assert.ok(!page.href.includes(String(verifier)), "what nobody else may know is not in the address");
});
