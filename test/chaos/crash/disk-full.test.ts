/** The disk of the embedded store is full: a real one, small, under a real server. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bareId } from "../../../src/base/ids.ts";
import { ask, Served } from "../../support/served.ts";
import { until } from "../../support/until.ts";
import { assertLivedOnce, leftOnTarget, log, logWithAllConfirmed } from "./oracle.ts";
import { signIn } from "./place.ts";

const TIMEOUT_MS = 90_000;
const DISK = "192m";
/** More than any store of this size has room for without growing. */
const REQUESTS_MAX = 400;

/** Only root may mount; a container often may not either. */
function whyNot(): string | false {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "only root may mount a small disk";
  const { status, stderr } = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], {
    encoding: "utf8",
  });
  return status === 0 ? false : `a small disk cannot be mounted here: ${stderr.trim()}`;
}
const skip = whyNot();
if (skip !== false) console.log(`*** row 7 is SKIPPED: ${skip} ***`);

let served: Served;
before(async () => {
  if (skip !== false) return;
  served = await Served.prepare();
  mkdirSync(served.dataDir);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${DISK},mode=0711`, "tmpfs", served.dataDir]);
  assert.equal(mounted.status, 0);
  await served.boot();
});
after(async () => {
  if (skip !== false) return;
  await served.end("SIGTERM");
  spawnSync("umount", ["--lazy", served.dataDir]);
  await served.stop();
});

const filler = (): string => join(served.dataDir, "filler");

/** Writes until nothing more goes onto the disk. */
function fill(): void {
  const file = openSync(filler(), "a");
  try {
    for (const size of [1 << 20, 1 << 12, 1])
      try {
        for (;;) writeSync(file, Buffer.alloc(size));
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
      }
  } finally {
    closeSync(file);
  }
}

const incident = { entitlement: "orders-db:read", reason: "checkouts fail", ticket: "INC-42", duration: "1h" };

/** Asks until the store can take no more; answers what was granted before. */
async function askUntilRefused(): Promise<{ granted: string[]; refusal: { code?: string } }> {
  const granted: string[] = [];
  for (let i = 0; i < REQUESTS_MAX; i += 1) {
    try {
      const { grantId } = await served.client("erin").submitRequest(incident);
      granted.push(grantId ?? "");
    } catch (error) {
      return { granted, refusal: error as { code?: string } };
    }
    // What it goes on with when it has room is not the point here.
    fill();
  }
  throw new Error(`${REQUESTS_MAX} requests fitted onto a full disk`);
}

const storeSuperuser = (): string => {
  const folder = join(served.dataDir, "store");
  const [, , , port] = readFileSync(join(folder, "data", "postmaster.pid"), "utf8").split("\n");
  return `postgres://postgres:${readFileSync(join(folder, "superuser-password"), "utf8").trim()}@127.0.0.1:${port}/tidegate`;
};

async function endAll(ids: readonly string[]): Promise<void> {
  for (const id of ids)
    await until(
      async () => {
        const grant = await served.client("erin").getGrant(id);
        if (grant.state === "active" || grant.state === "provisioning" || grant.state === "scheduled")
          await served.client("erin").revokeGrant(id, {});
        return grant.state === "revoked" || grant.state === "cancelled";
      },
      { what: `grant ${id} to end`, timeoutMs: TIMEOUT_MS },
    );
}

test("row 7: on a full disk nothing more is granted and nothing is half done; what ends meanwhile ends as soon as there is room", {
  skip,
}, async () => {
  const id = await served.granted("20s");
  const session = await signIn(await served.credential(id));
  fill();
  const { granted, refusal } = await askUntilRefused();
  assert.equal(refusal.code, "unavailable", String(refusal));
  await until(
    async () => {
      const [row] = await served.onTarget<{ over: boolean }>(
        // Its own: what was granted before the disk was full has logins as well.
        `select rolvaliduntil < clock_timestamp() as over from pg_roles where rolname ~ '^tg_.*_${bareId(id)}$'`,
      );
      return row === undefined || row.over;
    },
    { what: "the end of the grant to pass, or its login to be gone", timeoutMs: TIMEOUT_MS },
  );
  rmSync(filler());
  await until(
    async () =>
      (
        await served
          .client("erin")
          .getGrant(id)
          .catch(() => null)
      )?.state === "revoked",
    {
      what: "the grant that has ended to be revoked",
      timeoutMs: TIMEOUT_MS,
    },
  );
  await assert.rejects(session.query("select 1"));
  await endAll(granted);
  assertLivedOnce(await logWithAllConfirmed(served, [id]), id);
  assert.deepEqual(await leftOnTarget(served), []);
});

test("row 7: the store has no room for its write-ahead log and dies: it is started again, and goes on as soon as there is room", {
  skip,
}, async () => {
  const id = await served.granted("1h");
  const session = await signIn(await served.credential(id));
  const url = storeSuperuser();
  const saidBefore = served.output.length;
  fill();
  // The next segment of the log has no room: PostgreSQL panics rather than lose what was committed, and ends when its
  // own recovery finds no room either.
  await until(
    async () => {
      fill();
      await ask(url, "select pg_switch_wal(), pg_logical_emit_message(true, 'filler', repeat('x', 1000000))").catch(
        () => undefined,
      );
      return /the embedded store ha[sd] died/.test(served.output.slice(saidBefore));
    },
    { what: "the store to die, and that to be said", timeoutMs: TIMEOUT_MS },
  );
  await assert.rejects(served.client("erin").submitRequest(incident), "nothing is granted");
  rmSync(filler());
  await until(
    () =>
      served
        .client("erin")
        .revokeGrant(id, {})
        .then(
          () => true,
          () => false,
        ),
    { what: "the store to be back", timeoutMs: TIMEOUT_MS },
  );
  await until(() => /the embedded store had died and was started again/.test(served.output), {
    what: "that it was started again to be said",
    timeoutMs: TIMEOUT_MS,
  });
  await until(async () => (await served.client("erin").getGrant(id)).state === "revoked", {
    what: "the grant to be revoked",
    timeoutMs: TIMEOUT_MS,
  });
  await assert.rejects(session.query("select 1"));
  assertLivedOnce(await logWithAllConfirmed(served, [id]), id);
  assert.ok((await log(served)).length > 0);
  assert.deepEqual(await leftOnTarget(served), []);
});
