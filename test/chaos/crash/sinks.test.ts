/** A real server that is killed between sending the log and saying so. The oracle is the file that it sends to. */
import assert from "node:assert/strict";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { FailpointName } from "../../../src/base/failpoint.ts";
import { Served } from "../../support/served.ts";
import { until } from "../../support/until.ts";

let served: Served;
let path: string;
beforeEach(async () => {
  served = await Served.prepare();
  path = join(served.dir, "audit.jsonl");
  appendFileSync(
    join(served.dir, "tidegate.yaml"),
    `\naudit:\n  sinks:\n    copy: { sink: file, path: ${path}, required: true }\n`,
  );
});
afterEach(() => served.stop());

/** Of the whole lines: the server may be writing the next. */
const seqs = (): number[] =>
  existsSync(path)
    ? readFileSync(path, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { seq: number }).seq)
    : [];

const POINT = "sink.after-send" satisfies FailpointName;

test("row 37: killed at sink.after-send, the next process sends again what was not recorded; nothing is lost or out of order", async () => {
  served.env = { TIDEGATE_FAILPOINTS: `${POINT}=kill@2`, TIDEGATE_FAILPOINTS_FILE: join(served.dir, "fired") };
  await served.boot();
  const grant = await served.granted("1h").catch(() => null);
  if (grant !== null)
    await served
      .client("erin")
      .revokeGrant(grant, { reason: "done" })
      .catch(() => null);
  assert.equal(await served.ended(), "SIGKILL");
  assert.match(readFileSync(join(served.dir, "fired"), "utf8"), /^sink\.after-send kill/m);
  const before = seqs();
  served.env = {};
  await served.boot();
  // Whoever held the sink is given up after half a minute.
  const last = await until(
    async () => {
      const { entries } = await served.client("carol").listAudit({ order: "newest", limit: 1 });
      const seq = entries[0]?.seq ?? 0;
      return seqs().length > before.length && seqs().at(-1) === seq ? seq : null;
    },
    { what: "the file to have everything", timeoutMs: 90_000 },
  );
  const after = seqs().filter((seq) => seq <= last);
  assert.deepEqual(after.slice(0, before.length), before);
  assert.deepEqual(
    [...new Set(after)],
    Array.from({ length: last }, (_, i) => i + 1),
  );
  assert.ok(after.length > last, "what was not recorded came again");
});
