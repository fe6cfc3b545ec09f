import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import pg from "pg";
import { keepEmbeddedPostgres } from "../../src/store/embedded/keep-running.ts";
import { until } from "../support/until.ts";

const postmasterOf = async (dir: string): Promise<number> =>
  Number((await readFile(join(dir, "data", "postmaster.pid"), "utf8")).split("\n")[0]);

test("an embedded server that is killed is started again, with its data, where it was", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-keep-"));
  await chmod(folder, 0o711);
  const dir = join(folder, "store");
  const restarts: (Error | null)[] = [];
  const kept = await keepEmbeddedPostgres({ dir, runtime: join(folder, "runtime") }, (failure) =>
    restarts.push(failure),
  );
  const pool = new pg.Pool({ connectionString: kept.superuserUrl });
  pool.on("error", () => undefined);
  try {
    await pool.query("create table kept (x int)");
    await pool.query("insert into kept values (7)");
    for (const times of [1, 2]) {
      process.kill(await postmasterOf(dir), "SIGKILL");
      await until(() => restarts.length >= times, { what: `restart ${times}` });
      const rows = await until(() => pool.query<{ x: number }>("select x from kept").catch(() => null), {
        what: "the same address to answer",
      });
      assert.deepEqual(rows.rows, [{ x: 7 }]);
    }
    assert.deepEqual(restarts, [null, null]);
  } finally {
    await pool.end();
    await kept.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test("after it was told to stop nothing starts it again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-keep-"));
  await chmod(folder, 0o711);
  const dir = join(folder, "store");
  try {
    const kept = await keepEmbeddedPostgres({ dir, runtime: join(folder, "runtime") }, () => undefined);
    await kept.stop();
    await assert.rejects(readFile(join(dir, "data", "postmaster.pid")), { code: "ENOENT" });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
