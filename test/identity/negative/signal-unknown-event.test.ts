import assert from "node:assert/strict";
import { test } from "node:test";
import { CAEP, RISC, signalling } from "../../support/signals.ts";

test("an event that is not known here is taken and written down, and ends nothing", async (t) => {
  const it = await signalling(t);
  const there = await it.arrive();
  const events = [
    `${CAEP}token-claims-change`,
    `${RISC}account-enabled`,
    "https://schemas.openid.net/secevent/ssf/event-type/verification",
    "session-revoked",
    "constructor",
  ];
  for (const event of events) assert.equal((await it.send(it.claims(event))).status, 202, event);
  const nobody = it.claims(events[2], { sub_id: { format: "opaque", id: "the-stream" } });
  assert.equal((await it.send(nobody)).status, 202, "it is about the stream, and not about somebody");
  assert.deepEqual(await it.left(there), ["session", "grant"]);
  const entries = (await it.world.entries()).filter(({ leaf }) => leaf.kind === "signal.received");
  assert.deepEqual(
    entries.map(({ leaf }) => leaf.data["event"]),
    [...events, events[2]],
  );
});
