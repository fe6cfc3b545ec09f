import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, afterEach, test } from "node:test";
import { armFailpoints, FAILPOINTS, failpoint } from "./failpoint.ts";

const dir = mkdtempSync(join(tmpdir(), "tidegate-failpoint-"));
after(() => rmSync(dir, { recursive: true, force: true }));
const file = join(dir, "fired");
afterEach(() => {
  armFailpoints({});
  rmSync(file, { force: true });
});
const arm = (points: string): string[] =>
  armFailpoints({ TIDEGATE_FAILPOINTS: points, TIDEGATE_FAILPOINTS_FILE: file });
const fired = (): string[] => (existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : []);

const [SHUT, DROP] = ["postgres.revoke.after-shut", "postgres.revoke.before-drop"] as const;

test("a point that nobody switched on does nothing", async () => {
  assert.deepEqual(armFailpoints({}), []);
  await failpoint(SHUT);
  assert.deepEqual(arm(`${DROP}=throw`), [DROP]);
  await failpoint(SHUT);
  assert.deepEqual(fired(), []);
});

test("a point fires every time, or once at the time that was asked for, and writes down that it did", async () => {
  arm(`${SHUT}=throw@2, ${DROP}=note`);
  await failpoint(SHUT);
  await failpoint(DROP);
  await assert.rejects(failpoint(SHUT), { name: "FailpointFired", message: `failpoint ${SHUT}` });
  await failpoint(SHUT);
  await failpoint(DROP);
  assert.deepEqual(
    fired(),
    [`${DROP} note`, `${SHUT} throw`, `${DROP} note`].map((line) => `${line} ${process.pid}`),
  );
});

test("a pause lasts while its file is there", async () => {
  const wait = join(dir, "wait");
  writeFileSync(wait, "");
  arm(`${SHUT}=pause:${wait}`);
  const paused = failpoint(SHUT);
  const over = paused.then(() => fired());
  assert.deepEqual(fired(), [`${SHUT} pause ${process.pid}`]);
  rmSync(wait);
  assert.equal((await over).at(-1), `${SHUT} resumed ${process.pid}`);
  const lines = fired().length;
  await failpoint(SHUT);
  assert.equal(fired().length, lines, "without its file the point is off");
});

test("a kill ends the process like kill -9, after it was written down and before anything else", () => {
  const program = `
    import { armFailpoints, failpoint } from ${JSON.stringify(resolve(import.meta.dirname, "failpoint.ts"))};
    armFailpoints(process.env);
    process.on("exit", () => console.log("tidied up"));
    await failpoint("${SHUT}");
    console.log("went on");`;
  const { signal, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    env: { ...process.env, TIDEGATE_FAILPOINTS: `*=kill`, TIDEGATE_FAILPOINTS_FILE: file },
    encoding: "utf8",
  });
  assert.deepEqual({ signal, stdout }, { signal: "SIGKILL", stdout: "" });
  assert.match(fired().join("\n"), new RegExp(`^${SHUT} kill \\d+$`));
});

test("what is wrong in the variable is said, and nothing is switched on", async () => {
  const wrong: [string, RegExp][] = [
    [
      "postgres.revoke.after-shutt=kill",
      /no point postgres\.revoke\.after-shutt; did you mean postgres\.revoke\.after-shut\?/,
    ],
    [`${SHUT}`, /write NAME=kill/],
    [`${SHUT}=pause`, /NAME=pause:FILE/],
    [`${SHUT}=kill:x`, /is none/],
    [`${SHUT}=explode`, /is none/],
  ];
  for (const [points, message] of wrong) assert.throws(() => arm(points), message, points);
  assert.throws(() => armFailpoints({ TIDEGATE_FAILPOINTS: `${SHUT}=throw` }), /TIDEGATE_FAILPOINTS_FILE/);
  await failpoint(SHUT);
});

test("every point says what has and has not happened when it is reached", () => {
  for (const [name, sentence] of Object.entries(FAILPOINTS)) {
    assert.match(name, /^[a-z-]+(\.[a-z-]+)+$/);
    assert.match(sentence, /^[A-Z].{20,}\.$/, name);
  }
});
