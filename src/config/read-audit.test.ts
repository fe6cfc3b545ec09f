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

const MAIL = `${BARE}audit:
  anchors:
    auditor:
      anchor: mail
      server: smtps://mail.example.com:465
      user: tidegate
      password: \${env:SMTP_PASSWORD}
      from: tidegate@example.com
      to: [auditor@example.com, "\${env:BOARD}"]
`;
const MAIL_ENV = { SMTP_PASSWORD: SECRET, BOARD: "board@example.org" };

test("mail to people goes once a day where nothing else is said, and keeps its secrets as references", () => {
  const read = (text: string) => configurationIn(text, MAIL_ENV).audit?.anchors?.["auditor"];
  const settings = {
    ...{ server: "smtps://mail.example.com:465", user: "tidegate", password: `\${env:SMTP_PASSWORD}` },
    ...{ from: "tidegate@example.com", to: ["auditor@example.com", `\${env:BOARD}`] },
  };
  const times = { everyMs: 86_400_000, withinMs: 3 * 86_400_000 };
  assert.deepEqual(read(MAIL), { name: "auditor", anchor: "mail", settings, ...times });
  assert.equal(read(`${MAIL}      every: 1h\n`)?.everyMs, 3_600_000);
});

describe("mistakes of a mail, each without its secret", () => {
  const eleven = Array.from({ length: 11 }, (_, at) => `a${at}@example.com`).join(", ");
  const cases: readonly [what: string, from: string, to: string, says: RegExp][] = [
    ["a password in the clear", `\${env:SMTP_PASSWORD}`, SECRET, /auditor\.password holds a secret in the clear/],
    ["a password in the address", "mail.example", `u:${SECRET}@mail.example`, /auditor\.server holds a secret/],
    ["a scheme that there is not", "smtps://", "https://", /auditor\.server is no address of a mail server/],
    ["no port", ":465", "", /auditor\.server is no address of a mail server/],
    ["in the clear to elsewhere", "smtps://", "smtp+clear://", /auditor\.server is no address of a mail server/],
    ["a password alone", "      user: tidegate\n", "", /auditor has a user or a password alone/],
    ["a name beside the address", "from: t", "from: Tide <t", /auditor\.from is no address of a mailbox/],
    [
      "two addresses in one",
      "[auditor@example.com,",
      '["a@example.com,b@example.com",',
      /auditor\.to\[0\] is no address/,
    ],
    ["a line in an address", "[auditor@example.com,", '["a@example.com\\r\\nBcc: b@c.d",', /control character/],
    ["one in a secret", "[auditor@example.com", `["\${env:TWO}"`, /auditor\.to\[0\] is no address of a mailbox/],
    ["nobody", "to: [auditor@example.com,", "to: [] # ", /auditor\.to is not 1 to 10 mailboxes/],
    ["too many", "to: [auditor@example.com,", `to: [${eleven},`, /auditor\.to is not 1 to 10 mailboxes/],
    [
      "one twice",
      "[auditor@example.com",
      "[auditor@example.com, auditor@example.com",
      /auditor\.to names a mailbox twice/,
    ],
    ["a text", "to: [auditor@example.com,", "to: auditor@example.com #", /auditor\.to must be a list/],
  ];
  for (const [what, from, to, says] of cases)
    test(what, () => {
      assert.ok(MAIL.includes(from), from);
      const found = load(
        MAIL.replace(from, () => to),
        { ...MAIL_ENV, TWO: "a@example.com\nBcc: b@example.com" },
      );
      assert.ok(!found.ok);
      const shown = JSON.stringify(found.mistakes);
      assert.match(shown, says);
      assert.ok(!shown.includes(SECRET));
    });
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
