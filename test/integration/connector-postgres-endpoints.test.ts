/** How the connector reaches servers: one that hangs, one that must be trusted, and a standby beside the main one. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { postgres } from "../../src/connectors/postgres/postgres.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/store/embedded/embedded-postgres.ts";
import { until } from "../support/until.ts";
import {
  assertGone,
  HOUR_MS,
  isTargetError,
  newOrder,
  openTarget,
  type Place,
  personUrl,
  placeOn,
  readOrders,
  roleOf,
  signIn,
  sql,
  type TestOrder,
  urlWith,
} from "./connector-postgres-support.ts";

describe("a PostgreSQL target", () => {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-endpoints-"));
  chmodSync(folder, 0o711);
  const started: EmbeddedPostgres[] = [];
  let server: EmbeddedPostgres;
  let place: Place;
  let dataFolder: string;

  const start = async (name: string, settings: Record<string, string> = {}): Promise<EmbeddedPostgres> => {
    const one = await startEmbeddedPostgres({
      dir: join(folder, name),
      runtime: join(folder, "runtime"),
      settings: { fsync: "off", ...settings },
    });
    started.push(one);
    return one;
  };

  before(async () => {
    server = await start("main");
    place = await placeOn(server.superuserUrl, 18, "superuser");
    const [row] = await sql(server.superuserUrl, "show data_directory");
    dataFolder = String(row?.["data_directory"]);
  });
  after(async () => {
    await Promise.all(started.map((one) => one.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  const open = (connection: unknown, order: TestOrder, signal = new AbortController().signal) =>
    postgres.open(postgres.connection.parse(connection), {
      signal,
      actor: { installation: place.installation, grant: order.grant, fence: 1 },
    });

  /** What the doctor saw of one thing. */
  const diagnosed = async (connection: unknown, check: string): Promise<string> => {
    const actor = { installation: place.installation, grant: null, fence: 0 };
    const context = { signal: AbortSignal.timeout(30_000), actor };
    const findings = await postgres.diagnose?.(postgres.connection.parse(connection), [], context);
    return findings?.find((one) => one.check === check)?.saw ?? assert.fail(JSON.stringify(findings));
  };

  /** The promise must be refused soon after the abort, whatever the server does. */
  const refusedSoon = async (promise: Promise<unknown>, controller: AbortController): Promise<void> => {
    const refused = assert.rejects(promise, isTargetError("unreachable"));
    setTimeout(() => controller.abort(), 100);
    const aborted = new Promise<"late">((resolve) =>
      controller.signal.addEventListener("abort", () => setTimeout(resolve, 2_000, "late").unref()),
    );
    assert.notEqual(await Promise.race([refused, aborted]), "late");
  };

  test("a server that hangs while we sign in lets us go when the signal says so", async () => {
    process.kill(server.pid, "SIGSTOP");
    try {
      const controller = new AbortController();
      await refusedSoon(openTarget(place, null, 1, controller.signal), controller);
    } finally {
      process.kill(server.pid, "SIGCONT");
    }
  });

  test("a server process that hangs in the middle of our work lets us go when the signal says so", async () => {
    const order = newOrder(place, readOrders(place));
    const controller = new AbortController();
    const target = await openTarget(place, order.grant, 1, controller.signal);
    const [row] = await sql(
      server.superuserUrl,
      `select pid from pg_stat_activity where application_name like '%${order.grant}:1'`,
    );
    const pid = Number(row?.["pid"]);
    process.kill(pid, "SIGSTOP");
    try {
      await refusedSoon(target.provision(order, { secret: order.secret, remainingMs: HOUR_MS }), controller);
      await target.close();
    } finally {
      process.kill(pid, "SIGCONT");
    }
    const late = openTarget(place, order.grant, 2, controller.signal);
    await assert.rejects(late, isTargetError("unreachable"), "an aborted signal opens nothing");
  });

  test("a session that cannot be ended is never taken for ended", async () => {
    const order = newOrder(place, readOrders(place));
    const target = await openTarget(place, order.grant, 1);
    await order.remember((await target.provision(order, { secret: order.secret, remainingMs: HOUR_MS })).details);
    const person = await signIn(personUrl(place, order));
    const pid = Number((await person.query("select pg_backend_pid() as pid")).rows[0].pid);
    process.kill(pid, "SIGSTOP");
    try {
      await assert.rejects(target.revoke(order, { keep: false }), isTargetError("failed", /do not end.*login is off/));
      assert.equal((await target.probe(order)).own, "live");
      await assert.rejects(signIn(personUrl(place, order)));
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await target.revoke(order, { keep: false });
    await assert.rejects(person.query("select 1"));
    await target.close();
    await assertGone(place, order);
  });

  test("nobody there, a wrong password and an absent admin are told apart, without the password", async () => {
    const order = newOrder(place, readOrders(place));
    const wrong = urlWith(server.superuserUrl, { password: "sesame-open" });
    await assert.rejects(open({ url: wrong }, order), (error: unknown) => {
      assert.doesNotMatch(String(error), /sesame/);
      return isTargetError("cannot-sign-in", /refuses the admin login/)(error);
    });
    const nowhere = new URL(server.superuserUrl);
    nowhere.port = "1";
    await assert.rejects(open({ url: nowhere.toString() }, order), isTargetError("unreachable", /127\.0\.0\.1:1/));
  });

  test("TLS is verified by default: an unknown CA or another name is refused, and a CA that is given adds trust only", async () => {
    const ca = makeCertificates(dataFolder, folder);
    await sql(server.superuserUrl, "alter system set ssl = on", "select pg_reload_conf()");
    const order = newOrder(place, readOrders(place));
    const url = `${server.superuserUrl}?sslmode=require`;
    const byName = url.replace("127.0.0.1", "localhost");
    await untilTls(url, order);
    await assert.rejects(open({ url }, order), isTargetError("cannot-sign-in", /TLS/));
    await assert.rejects(open({ url: byName, tls: { ca } }, order), isTargetError("cannot-sign-in", /localhost/));
    await assert.rejects(
      open({ url: byName, tls: { ca, mode: "verify-full" } }, order),
      isTargetError("cannot-sign-in"),
    );
    for (const connection of [
      { url, tls: { ca } },
      { url: server.superuserUrl, tls: { ca } },
    ]) {
      const target = await open(connection, order);
      await order.remember((await target.provision(order, { secret: order.secret, remainingMs: HOUR_MS })).details);
      const [row] = await sql(
        server.superuserUrl,
        "select count(*)::int as n from pg_stat_ssl join pg_stat_activity using (pid) where ssl and application_name like 'tidegate:%'",
      );
      assert.notEqual(row?.["n"], 0);
      await target.revoke(order, { keep: false });
      assert.equal((await target.probe(order)).own, "gone");
      await target.close();
    }
    await (await open({ url: `${server.superuserUrl}?sslmode=disable` }, order)).close();
  });

  /** A reload takes a moment to be seen by new connections: then an untrusted certificate is refused, not missing. */
  async function untilTls(url: string, order: TestOrder): Promise<void> {
    const offered = async (): Promise<boolean> => {
      const message = await open({ url }, order).then(
        () => "",
        (error: unknown) => String(error),
      );
      return !/does not support SSL/.test(message);
    };
    await until(offered, { what: "the server to offer TLS" });
  }

  test("row 45: a standby's sessions are ended and its logins probed as well", async () => {
    const order = newOrder(place, readOrders(place));
    const standby = await startStandby();
    const both = { url: server.superuserUrl, endpoints: [standby.superuserUrl] };
    const target = await open(both, order);
    await order.remember((await target.provision(order, { secret: order.secret, remainingMs: HOUR_MS })).details);
    const there = personUrl({ ...place, superuserUrl: standby.superuserUrl }, order);
    const reader = await untilSignedIn(there);
    await until(
      async () => (await diagnosed(both, `endpoint 127.0.0.1:${standby.port}`)) === "a standby that keeps up",
      { what: "the doctor to see that the standby keeps up" },
    );
    assert.match(await diagnosed(both, "every standby is configured"), /^1 replicate, 1 configured$/);
    assert.match(await diagnosed({ url: server.superuserUrl }, "every standby is configured"), /^1 replicate, 0 conf/);
    assert.match(await diagnosed({ url: standby.superuserUrl }, "main server"), /leads to a standby/);
    assert.equal((await reader.query("select * from orders")).rowCount, 2);
    await sql(server.superuserUrl, `alter role ${roleOf(order)} nologin`);
    const live = await target.probe(order);
    assert.equal(live.own, "live", JSON.stringify(live));
    await target.revoke(order, { keep: false });
    await assert.rejects(reader.query("select 1"));
    const gone = await untilGone(() => target.probe(order));
    assert.equal(
      gone.observations.filter((one) => one.check.startsWith("sessions at")).length,
      2,
      JSON.stringify(gone),
    );
    await assert.rejects(signIn(there));

    // The journal's half of it reaches the standby too.
    const third = newOrder(place, readOrders(place));
    await third.remember((await target.provision(third, { secret: third.secret, remainingMs: HOUR_MS })).details);
    const other = personUrl({ ...place, superuserUrl: standby.superuserUrl }, third);
    const held = await untilSignedIn(other);
    await target.disable(third, { keep: false });
    await assert.rejects(held.query("select 1"));
    await assert.rejects(signIn(other), { code: "28000" });
    await target.revoke(third, { keep: false });

    // An endpoint that does not answer proves nothing.
    const second = newOrder(place, readOrders(place));
    await order.remember((await target.provision(second, { secret: second.secret, remainingMs: HOUR_MS })).details);
    await target.close();
    await standby.stop();
    const alone = await open(both, second);
    await assert.rejects(alone.disable(second, { keep: false }), isTargetError("unreachable"));
    await assert.rejects(signIn(personUrl(place, second)), { code: "28000" }, "the main server is shut all the same");
    await assert.rejects(alone.revoke(second, { keep: false }), isTargetError("unreachable"));
    const unknown = await alone.probe(second);
    assert.equal(unknown.own, "unknown", JSON.stringify(unknown));
    await alone.close();
    const without = await open({ url: server.superuserUrl }, second);
    await without.revoke(second, { keep: false });
    assert.equal((await without.probe(second)).own, "gone");
    await without.close();
  });

  const untilGone = <T extends { own: string }>(look: () => Promise<T>): Promise<T> => {
    const gone = async (): Promise<T | null> => {
      const seen = await look();
      assert.notEqual(seen.own, "live");
      return seen.own === "gone" ? seen : null;
    };
    return until<T | null>(gone, { what: "the standby to replay the end" });
  };

  const untilSignedIn = (url: string) =>
    until(() => signIn(url).catch(() => null), { what: "the standby to let the person in" });

  /** A copy of the main server, taken while it stands still, that follows it. */
  async function startStandby(): Promise<EmbeddedPostgres> {
    await server.stop();
    cpSync(join(folder, "main"), join(folder, "standby"), { recursive: true, preserveTimestamps: true });
    own(join(folder, "main"), join(folder, "standby"));
    const copied = dataFolder.replace(join(folder, "main"), join(folder, "standby"));
    writeFileSync(join(copied, "standby.signal"), "");
    const port = server.port;
    server = await startEmbeddedPostgres({
      dir: join(folder, "main"),
      port,
      runtime: join(folder, "runtime"),
      settings: { fsync: "off" },
    });
    started.push(server);
    const { username, password } = new URL(server.superuserUrl);
    return start("standby", {
      primary_conninfo: `host=127.0.0.1 port=${port} user=${username} password=${decodeURIComponent(password)}`,
    });
  }
});

/** Gives a copy the owners and modes of the original, file by file. */
function own(from: string, to: string): void {
  for (const entry of [
    ".",
    ...execFileSync("find", [from, "-mindepth", "1", "-printf", "%P\\n"], { encoding: "utf8" }).trim().split("\n"),
  ]) {
    const { uid, gid, mode } = statSync(join(from, entry));
    chownSync(join(to, entry), uid, gid);
    chmodSync(join(to, entry), mode);
  }
}

/** A CA, and a certificate for 127.0.0.1 alone put where the server looks for it. Returns the CA as PEM. */
function makeCertificates(dataFolder: string, folder: string): string {
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "rsa:2048", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test CA");
  openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=database");
  writeFileSync(join(folder, "san"), "subjectAltName=IP:127.0.0.1\n");
  openssl(
    "x509",
    "-req",
    "-in",
    "server.csr",
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-out",
    "server.crt",
    "-days",
    "2",
    "-extfile",
    "san",
  );
  const { uid, gid } = statSync(dataFolder);
  for (const name of ["server.key", "server.crt"]) {
    writeFileSync(join(dataFolder, name), readFileSync(join(folder, name)), { mode: 0o600 });
    chownSync(join(dataFolder, name), uid, gid);
  }
  return readFileSync(join(folder, "ca.crt"), "utf8");
}
