import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { diffConfigurations } from "../domain/configuration-diff.ts";
import { configurationIn, loadText } from "./load-fixture.ts";

const SECRET = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;
const REFERENCE = `\${env:HOOK_SECRET}`;
const BARE = "version: 1\nresources: {}\npolicies: []\n";
const GOOD = `${BARE}notify:
  ops:
    channel: webhook
    url: https://hooks.example.com/x
    secret: \${env:HOOK_SECRET}
    kinds: [request.needs-approval, panic.started]
`;
const ENV = { HOOK_SECRET: SECRET };
const load = (text: string, env: Record<string, string> = ENV) => loadText(text, env);
const loaded = (text: string) => configurationIn(text, ENV);

test("a channel keeps its secret as a reference", () => {
  assert.deepEqual(loaded(GOOD).notify, {
    ops: {
      name: "ops",
      channel: "webhook",
      settings: { url: "https://hooks.example.com/x", secret: REFERENCE },
      kinds: ["request.needs-approval", "panic.started"],
    },
  });
});

test("a configuration without channels is what it was before there were any", () => {
  assert.ok(!("notify" in loaded(BARE)));
});

test("where a secret is not set, that is a warning and names it", () => {
  const found = load(GOOD, {});
  assert.ok(found.ok);
  assert.match(JSON.stringify(found.warnings), /notify\.ops\.secret was not checked: HOOK_SECRET is not set/);
});

describe("mistakes, each at its place and without the secret", () => {
  const cases: readonly [what: string, from: string, to: string, says: RegExp][] = [
    ["a secret in the clear", REFERENCE, SECRET, /notify\.ops\.secret holds a secret in the clear/],
    ["a secret of another form", REFERENCE, `x-${REFERENCE}`, /notify\.ops\.secret is not whsec_/],
    ["an address in the clear", "https://hooks", "http://hooks", /notify\.ops\.url must be https:\/\//],
    ["a password in an address", "https://hooks", "https://me:hunter22@hooks", /notify\.ops\.url holds a secret/],
    ["no address", "    url: https://hooks.example.com/x\n", "", /notify\.ops\.url is missing/],
    ["no secret", `    secret: ${REFERENCE}\n`, "", /notify\.ops\.secret is missing/],
    ["a channel that there is not", "channel: webhook", "channel: pigeon", /pigeon is not one of webhook/],
    ["a message that there is not", "panic.started", "panic.begun", /panic\.begun is not one of/],
    ["no message at all", "[request.needs-approval, panic.started]", "[]", /names no message/],
    ["an unknown key", "channel: webhook", "channel: webhook\n    urll: x", /urll is not known here/],
  ];
  for (const [what, from, to, says] of cases)
    test(what, () => {
      const found = load(GOOD.replace(from, () => to));
      assert.ok(!found.ok, "it is refused");
      const told = JSON.stringify(found.mistakes);
      assert.match(told, says);
      assert.ok(!told.includes(SECRET) && !told.includes("hunter22"));
    });
});

test("what differs between two configurations tells of channels, and of their secrets by reference only", () => {
  const changed = loaded(GOOD.replace("/x", "/y"));
  const [added] = diffConfigurations(loaded(BARE), loaded(GOOD));
  assert.equal(added?.what, "the channel ops was added");
  const [change, ...more] = diffConfigurations(loaded(GOOD), changed);
  assert.deepEqual(more, []);
  assert.equal(change?.what, "the channel ops changed");
  assert.match(
    JSON.stringify(change.details),
    /webhook, secret \$\{env:HOOK_SECRET\}, url https:\/\/hooks\.example\.com\/y/,
  );
  assert.equal(diffConfigurations(changed, loaded(BARE))[0]?.what, "the channel ops was removed");
});
