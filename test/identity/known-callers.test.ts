/** Who was looked up a moment ago is not looked up again; what has changed counts at the next call all the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { type Refusal, refuse } from "../../src/base/problem.ts";
import type { Caller } from "../../src/identity/authenticate.ts";
import { KNOWN_FOR_MS, KnownCallers } from "../../src/identity/known-callers.ts";
import { deactivatePrincipal } from "../../src/operations/deactivate-principal.ts";
import type { Changed } from "../../src/store/changes.ts";
import { createApi, withTokens } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { createWorld } from "../support/world.ts";

const ASKED = { entitlement: "orders:read", duration: "1h", reason: "checking slow checkouts" };
const ALICE = { session: null, token: null } as unknown as Caller;

/** A clock that stands, and how often somebody was looked up. */
function setting() {
  let nowMs = 0;
  let looks = 0;
  const callers = new KnownCallers({ nowMs: () => nowMs, monotonicMs: () => nowMs });
  return {
    callers,
    pass: (ms: number) => {
      nowMs += ms;
    },
    looks: () => looks,
    ask: (shown: string, found: Caller | Refusal | null = ALICE, meanwhile: () => void = () => undefined) =>
      callers.caller(shown, async () => {
        looks += 1;
        meanwhile();
        return found;
      }),
  };
}

test("whoever shows the same is known for a fifth of a second, counted from before they were looked up", async () => {
  const { ask, looks, pass } = setting();
  assert.equal(await ask("alice", ALICE, () => pass(150)), ALICE);
  pass(49);
  assert.equal(await ask("alice"), ALICE);
  assert.equal(looks(), 1);
  await ask("bob");
  assert.equal(looks(), 2, "another is another");
  pass(1);
  await ask("alice");
  assert.equal(looks(), 3, `${KNOWN_FOR_MS} ms have passed`);
});

test("any change makes everybody unknown, also one that comes while somebody is looked up", async () => {
  const { callers, ask, looks } = setting();
  await ask("alice");
  callers.forget();
  await ask("alice", ALICE, () => callers.forget());
  await ask("alice");
  assert.equal(looks(), 3, "what was seen before the change is not kept");
  await ask("alice");
  assert.equal(looks(), 3);
});

test("whoever was refused, or has to be looked at closer, is looked up again", async () => {
  const { ask, looks } = setting();
  for (const no of [refuse("unauthenticated", "No."), null]) {
    await ask("mallory", no);
    await ask("mallory", no);
  }
  assert.equal(looks(), 4);
});

test("who is known stays known while others ask for access, and for nothing else that is done", async (t) => {
  const world = await createWorld({ t });
  await world.configure(withTokens(organisation(world.directoryName)));
  const told: Changed[] = [];
  const context = { ...world.context, wake: (changed: Changed = "anything") => void told.push(changed) };
  const api = createApi({ context });
  t.after(() => api.close());
  const { id } = (await api.post("alice", "/v1/requests", ASKED)).body;
  assert.deepEqual(told, ["requests"]);
  assert.equal((await api.post("bob", `/v1/requests/${id}/reviews`, { verdict: "approve" })).status, 200);
  assert.equal((await api.post("alice", "/v1/tokens", { name: "laptop", scopes: ["account"] })).status, 201);
  assert.deepEqual([...new Set(told.slice(1))], ["anything"]);
});

test("S19: a token that was revoked, and one whose person was deactivated, are refused at the very next call", async (t) => {
  const world = await createWorld({ t });
  await world.configure(withTokens(organisation(world.directoryName)));
  const callers = new KnownCallers(systemClock);
  const context = { ...world.context, wake: () => callers.forget() };
  const api = createApi({ context }, { callers });
  t.after(() => api.close());
  const asks = async (secret: string): Promise<number> =>
    (await api.call(null, "GET", "/v1/me", undefined, { headers: { authorization: `Bearer ${secret}` } })).status;
  const issued = async () => (await api.post("alice", "/v1/tokens", { name: "laptop", scopes: ["account"] })).body;
  const { secret, token } = await issued();
  assert.deepEqual([await asks(secret), await asks(secret)], [200, 200]);
  assert.equal((await api.call("alice", "DELETE", `/v1/tokens/${token.id}`)).status, 200);
  assert.equal(await asks(secret), 401);
  const other = await issued();
  assert.equal(await asks(other.secret), 200);
  const { id } = (await api.get("alice", "/v1/me")).body;
  await deactivatePrincipal(context, id, { system: "identity" }, "has left");
  assert.equal(await asks(other.secret), 401);
});
