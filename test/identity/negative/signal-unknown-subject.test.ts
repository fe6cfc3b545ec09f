import assert from "node:assert/strict";
import { test } from "node:test";
import { signalling } from "../../support/signals.ts";

test("a signal about somebody who is nobody here is taken and ends nothing, and neither does one about another provider's people", async (t) => {
  const it = await signalling(t);
  const there = await it.arrive();
  const erin = await it.world.principal("erin");
  for (const [what, sub_id] of Object.entries({
    "another subject": { format: "iss_sub", iss: it.provider.issuer, sub: "erin-2" },
    "the subject at another issuer": { format: "iss_sub", iss: "https://elsewhere.example", sub: "erin-1" },
    "her handle at the issuer of the file": { format: "iss_sub", iss: "file", sub: "erin" },
    "her id": { format: "iss_sub", iss: it.provider.issuer, sub: erin.id },
  })) {
    const { status, text } = await it.send(it.claims(undefined, { sub_id }));
    assert.deepEqual([status, text], [202, ""], `${what}: whether somebody is known here is not told`);
    assert.deepEqual(await it.left(there), ["session", "grant"], what);
  }
  const entries = (await it.world.entries()).filter(({ leaf }) => leaf.kind === "signal.received");
  assert.deepEqual(
    entries.map(({ leaf }) => [leaf.data["ends"], leaf.refs]),
    Array(4).fill([null, {}]),
  );
});
