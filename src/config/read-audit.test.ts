import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { diffConfigurations } from "../domain/configuration-diff.ts";
import { configurationIn, loadText } from "./load-fixture.ts";

const SECRET = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;
const BARE = "version: 1\nresources: {}\npolicies: []\n";
const GOOD = `${BARE}audit:
  sinks:
    siem:
      sink: syslog
      address: tls://siem.example.com:6514
      required: except-emergencies
      within: 2m
    hook:
      sink: webhook
      url: https://hooks.example.com/x
      secret: \${env:HOOK_SECRET}
      from: now
      personal: true
    copy:
      sink: file
      path: /var/log/tidegate/audit.jsonl
      required: true
`;
const ENV = { HOOK_SECRET: SECRET };
const load = (text: string, env: Record<string, string> = ENV) => loadText(text, env);
const loaded = (text: string) => configurationIn(text, ENV);

test("sinks are read with what is left out, and keep their secrets as references", () => {
  const usual = { from: "beginning", personal: false, withinMs: 300_000, holdsUp: "nothing" };
  assert.deepEqual(loaded(GOOD).audit?.sinks, {
    siem: {
      ...{ ...usual, name: "siem", sink: "syslog", settings: { address: "tls://siem.example.com:6514" } },
      ...{ withinMs: 120_000, holdsUp: "ordinary" },
    },
    hook: {
      ...{ ...usual, name: "hook", sink: "webhook", from: "now", personal: true },
      settings: { url: "https://hooks.example.com/x", secret: `\${env:HOOK_SECRET}` },
    },
    copy: {
      ...{ ...usual, name: "copy", sink: "file", holdsUp: "everything" },
      settings: { path: "/var/log/tidegate/audit.jsonl" },
    },
  });
  assert.ok(!("audit" in loaded(BARE)));
});

test("for how long the log is kept is read in days, and nothing is dropped where it is not said", () => {
  assert.equal(loaded(GOOD).audit?.retention, undefined);
  const audit = loaded(`${BARE}audit:\n  retention: { entries: 2557d }\n`).audit;
  assert.deepEqual(audit, { sinks: {}, retention: { entriesMs: 2_557 * 86_400_000 } });
  for (const [written, says] of [
    ["{ entries: 89d }", /audit\.retention\.entries is not in whole days, from 90d on/],
    ["{ entries: 90d1h }", /not in whole days/],
    ["{ entries: 36501d }", /at most 36500 days/],
    ["{ entries: 7y }", /is not a duration/],
    ["{ personal: 400d, entries: 399d }", /keeps texts for longer than their entries/],
    ["{ entry: 100d }", /entry is not known here/],
  ] as const) {
    const found = load(`${BARE}audit:\n  retention: ${written}\n`);
    assert.ok(!found.ok, written);
    assert.match(JSON.stringify(found.mistakes), says);
    assert.match(JSON.stringify(found.mistakes), /"line":5/);
  }
});

test("what the log goes to in the clear is a warning", () => {
  const found = load(GOOD.replace("tls:", "tcp:"));
  assert.ok(found.ok);
  assert.match(JSON.stringify(found.warnings), /audit\.sinks\.siem\.address is in the clear/);
});

describe("mistakes, each at its place and without the secret", () => {
  const cases: readonly [what: string, from: string, to: string, says: RegExp][] = [
    ["a secret in the clear", `\${env:HOOK_SECRET}`, SECRET, /hook\.secret holds a secret in the clear/],
    ["a scheme that there is not", "tls://", "udp://", /siem\.address is no address/],
    ["no port", ":6514", "", /siem\.address is no address/],
    ["a setting of another kind", "      within: 2m", "      path: /x", /siem\.path is nothing that a syslog has/],
    ["no setting", "      path: /var/log/tidegate/audit.jsonl\n", "", /copy\.path is missing/],
    ["a relative path", "/var/log", "var/log", /copy\.path is not an absolute path/],
    ["no certificate", "      within: 2m", "      ca: hello", /siem\.ca is no certificate/],
    ["a key in the clear", "      within: 2m", '      key: "-----BEGIN PRIVATE KEY-----"', /siem\.key holds a secret/],
    ["too short", "within: 2m", "within: 2s", /within is not between/],
    ["a kind that there is not", "sink: file", "sink: pigeon", /pigeon is not one of syslog, webhook, file/],
    ["a word that is not known", "except-emergencies", "sometimes", /sometimes is not one of/],
    ["an unknown key", "from: now", "form: now", /form is not known here/],
  ];
  for (const [what, from, to, says] of cases)
    test(what, () => {
      assert.ok(GOOD.includes(from), from);
      const found = load(GOOD.replace(from, to));
      assert.ok(!found.ok);
      const shown = JSON.stringify(found.mistakes);
      assert.match(shown, says);
      assert.ok(!shown.includes(SECRET));
    });
});

test("that evidence is destroyed sooner is told as such, and that it is kept for longer", () => {
  const kept = (days: number | null) =>
    loaded(days === null ? BARE : `${BARE}audit:\n  retention: { entries: ${days}d }\n`);
  const told = (from: number | null, to: number | null) => diffConfigurations(kept(from), kept(to));
  const [sooner] = told(null, 400);
  assert.equal(sooner?.what, "evidence is destroyed: entries of the log are dropped after 400d, not never");
  assert.deepEqual(sooner?.details, [
    "- entries of the log are dropped never",
    "+ entries of the log are dropped after 400d",
  ]);
  assert.match(told(400, 90)[0]?.what ?? "", /after 90d, not after 400d/);
  assert.match(told(90, null)[0]?.what ?? "", /kept for longer/);
  assert.deepEqual(told(90, 90), []);
});

test("a change of where the log goes is told line by line, and is not taken for harmless", () => {
  const [change, ...more] = diffConfigurations(loaded(GOOD), loaded(GOOD.replace("required: true", "required: false")));
  assert.deepEqual(more, []);
  assert.equal(change?.about, "audit");
  assert.match(change?.details.join("\n") ?? "", /^- copy: .*holds up everything\n\+ copy: .*holds up nothing$/s);
});
