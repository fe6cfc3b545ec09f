import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { type MailServerOptions, mailServer, opened } from "../../test/support/mail-server.ts";
import { certificate } from "../../test/support/tls-front.ts";
import type { Checkpoint } from "../store/audit-head.ts";
import { openMail } from "./mail.ts";

const NOTE = "tidegate/abcdefgh\n1204\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n2026-01-31T12:04:02.000Z\n";
const checkpoint = (signature = "Az3grlgt"): Checkpoint => ({
  ...{ installation: "abcdefgh", size: 1204, root: new Uint8Array(32) as Checkpoint["root"] },
  ...{ at: "2026-01-31T12:04:02.000Z", note: `${NOTE}\n— tidegate/abcdefgh ${signature}\n` },
  by: {} as Checkpoint["by"],
});
const PASSWORD = "correct-horse-battery";
const LOGIN = { user: "tidegate", password: PASSWORD };
const tls = certificate();

const closing: (() => Promise<void>)[] = [];
after(() => Promise.all(closing.map((close) => close())));
async function serving(options: MailServerOptions = { scheme: "smtp", tls, login: LOGIN }) {
  const server = await mailServer(options);
  closing.push(() => server.close());
  const settings = {
    ...{ server: `${options.scheme}://127.0.0.1:${server.port}`, ca: tls.cert.toString(), ...(options.login ?? {}) },
    ...{ from: "tidegate@example.com", to: ["auditor@example.com", "board@example.org"] },
  };
  return { server, settings };
}
const put = (settings: Parameters<typeof openMail>[0], withinMs = 10_000, of = checkpoint()) =>
  openMail(settings, () => Promise.reject(new Error("nothing is proven"))).put(of, 0, AbortSignal.timeout(withinMs));
async function refused(settings: Parameters<typeof openMail>[0], withinMs?: number) {
  const came = await put(settings, withinMs);
  assert.ok(!came.sent, "it was sent");
  assert.doesNotMatch(JSON.stringify(came), new RegExp(`${PASSWORD}|${Buffer.from(PASSWORD).toString("base64")}`));
  return came;
}

describe("a checkpoint by e-mail", () => {
  test("is a file that holds it to the letter, with what verifies it, and says that no person wrote it", async () => {
    const { server, settings } = await serving();
    assert.deepEqual(await put(settings), { sent: true });
    const [{ from, to, raw } = assert.fail()] = server.mails;
    assert.deepEqual([from, to, server.users], ["tidegate@example.com", settings.to, ["tidegate"]]);
    const { headers, parts } = opened(raw);
    assert.equal(headers["subject"], "Tidegate abcdefgh: checkpoint of the audit log, 1204 entries");
    assert.equal(headers["auto-submitted"], "auto-generated");
    assert.equal(headers["date"], "Sat, 31 Jan 2026 12:04:02 +0000");
    assert.equal(headers["from"], "tidegate@example.com");
    assert.equal(headers["to"], "auditor@example.com, board@example.org");
    assert.deepEqual(
      Object.keys(headers).filter((name) => /^x-|agent/.test(name)),
      [],
      "which program this is, and of which version, is nobody's business",
    );
    const [body, file, ...more] = parts;
    assert.deepEqual(more, []);
    assert.equal(file?.text, checkpoint().note);
    assert.match(file?.headers["content-disposition"] ?? "", /^attachment; filename=checkpoint-abcdefgh-1204\.txt$/);
    assert.match(body?.headers["content-type"] ?? "", /^text\/plain/);
    const command = 'node verify.mjs audit.jsonl --key "$KEY" \\\n    --checkpoint checkpoint-abcdefgh-1204.txt\n';
    assert.ok(body?.text.includes(command), body?.text);
    assert.doesNotMatch(raw, /[^ -~\r\n]|[^\r\n]{79}/);
  });

  test("has the same id when it comes again, and another has another", async () => {
    const { server, settings } = await serving();
    for (const signature of ["Az3grlgt", "Az3grlgt", "AnOtHeR0"]) await put(settings, 10_000, checkpoint(signature));
    const ids = server.mails.map(({ raw }) => opened(raw).headers["message-id"]);
    assert.match(ids[0] ?? "", /^<checkpoint-1204-[0-9a-f]{16}@example\.com>$/);
    assert.equal(ids[1], ids[0]);
    assert.notEqual(ids[2], ids[0]);
  });

  test("goes by TLS from the start, by STARTTLS, and in the clear to this very machine where that is written", async () => {
    for (const options of [
      { scheme: "smtps", tls, login: LOGIN },
      { scheme: "smtp", tls },
      { scheme: "smtp+clear" },
    ] as const) {
      const { server, settings } = await serving(options);
      assert.deepEqual(await put(settings), { sent: true }, options.scheme);
      assert.equal(server.mails.length, 1, options.scheme);
    }
  });
});

describe("nothing is sent, and no password told,", () => {
  test("to a server whose certificate is not trusted, or is another's", async () => {
    for (const scheme of ["smtps", "smtp"] as const) {
      const { server, settings } = await serving({ scheme, tls, login: LOGIN });
      const { ca: _, ...without } = settings;
      for (const wrong of [
        { ...settings, ca: certificate().cert.toString() },
        without,
        { ...settings, server: settings.server.replace("127.0.0.1", "localhost") },
      ]) {
        const { why } = await refused(wrong);
        assert.match(why, /^its certificate is not trusted \(\S+\): name its authority as ca|: ECONNREFUSED$/);
      }
      assert.deepEqual([server.users, server.mails], [[], []]);
    }
  });

  test("to one that offers no STARTTLS, or speaks TLS otherwise", async () => {
    const { server, settings } = await serving({ scheme: "smtp+clear", login: LOGIN });
    const to = (scheme: string) => ({ ...settings, server: `${scheme}://127.0.0.1:${server.port}` });
    assert.match((await refused(to("smtp"))).why, /^it offers no TLS: write smtps:\/\/ .* \(50\d/);
    assert.match((await refused(to("smtps"))).why, /^it does not speak TLS so \(\S+\): smtps:\/\/ is from the start/);
    assert.deepEqual([server.users, server.mails], [[], []]);
  });

  test("with a password that is wrong; it is left alone for a while then, so that no login is shut", async () => {
    const { server, settings } = await serving();
    // This server quotes what it was given.
    const { why, afterMs } = await refused({ ...settings, password: `${PASSWORD}-old` });
    assert.equal(why, "it does not let the user in: mend user or password (535 5.7.8)");
    assert.equal(afterMs, 300_000);
    assert.deepEqual(server.mails, []);
  });

  test("to anybody where one recipient is refused or put off", async () => {
    for (const [answer, says] of [
      [
        { status: 550, words: "5.1.1 no such user" },
        "it refuses board@example.org, so nobody was sent it: mend to, or ask who runs that mailbox (550 5.1.1)",
      ],
      [
        { status: 451, words: "4.7.1 greylisted" },
        "it puts board@example.org off and is asked again later (451 4.7.1)",
      ],
    ] as const) {
      const { server, settings } = await serving();
      server.recipient = (address) => (address.startsWith("board") ? answer : null);
      assert.deepEqual(await refused(settings), { sent: false, why: says, afterMs: 300_000 });
      assert.deepEqual(await refused({ ...settings, to: ["board@example.org"] }), {
        ...{ sent: false, why: says, afterMs: 300_000 },
      });
      assert.deepEqual(server.mails, []);
      server.recipient = () => null;
      assert.deepEqual(await put(settings), { sent: true });
    }
  });

  test("where the server refuses the sender or the mail, and it says which", async () => {
    const { server, settings } = await serving();
    server.sender = () => ({ status: 553, words: "not owned by user" });
    assert.match((await refused(settings)).why, /^it refuses the sender: let from be one .* \(553\b/);
    server.sender = () => null;
    server.mail = () => ({ status: 554, words: "5.7.1 spam" });
    assert.equal((await refused(settings)).why, "it refuses the mail at DATA: ask who runs it (554 5.7.1)");
    server.mail = () => ({ status: 452, words: "4.3.1 full" });
    assert.equal((await refused(settings)).why, "it puts the mail off and is asked again later (452 4.3.1)");
    assert.deepEqual(server.mails, []);
  });

  test("past the deadline, wherever the server hangs, and where there is none", async () => {
    for (const hangs of ["greeting", "mail"] as const) {
      const { server, settings } = await serving();
      server.hangs = hangs;
      assert.deepEqual(await refused(settings, 500), { sent: false, why: "it did not take the mail in time" });
      assert.deepEqual(server.mails, []);
    }
    const { server, settings } = await serving();
    await server.close();
    assert.deepEqual(await refused(settings), { sent: false, why: "it could not be reached: ECONNREFUSED" });
  });

  test("to an address that would say more than one, or in the clear to elsewhere, also where it stood in a secret", async () => {
    const { settings } = await serving();
    for (const [wrong, says] of [
      [{ to: ["a@example.com\r\nBcc: b@example.com"] }, /its to is not 1 to 10/],
      [{ to: ["a@example.com> SIZE=1\r\nDATA"] }, /its to is not/],
      [{ to: ["Anna <a@example.com>"] }, /its to is not/],
      [{ to: ["a@example.com, b@example.com"] }, /its to is not/],
      [{ to: [] }, /its to is not/],
      [{ to: Array.from({ length: 11 }, (_, at) => `a${at}@example.com`) }, /its to is not/],
      [{ from: "a@example.com\nSubject: b" }, /its from is no address/],
      [{ server: "smtp+clear://mail.example.com:25" }, /its server is not/],
      [{ server: "smtp://mail.example.com" }, /its server is not/],
      [{ server: `smtps://u:${PASSWORD}@mail.example.com:465` }, /its server is not/],
    ] as const) {
      const open = () =>
        openMail({ ...settings, ...wrong, to: [...("to" in wrong ? wrong.to : settings.to)] }, async () => []);
      assert.throws(open, (error: Error) => says.test(error.message) && !error.message.includes(PASSWORD));
    }
  });
});
