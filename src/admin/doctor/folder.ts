/** The data folder: who may read what lies in it, and how much room there is. */
import type { StatsFs } from "node:fs";
import { readdir, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Finding, type FindingGroup, unknown, warns, well, wrong } from "../../base/finding.ts";
import type { DoctorOptions } from "./doctor.ts";

const OTHERS = 0o077;
const OTHERS_MAY_WRITE = 0o022;
const MEGABYTE = 1_048_576;
/** PostgreSQL stops when it cannot write; long before that somebody should hear of it. */
const FREE_BYTES = { wanted: 2_048 * MEGABYTE, least: 256 * MEGABYTE };

export async function checkFolder({ dataDir, env }: DoctorOptions): Promise<FindingGroup> {
  return { title: `Data folder ${dataDir}`, findings: [...(await modes(dataDir, env)), await room(dataDir)] };
}

type Rule = { readonly path: string; readonly forbidden: number; readonly right: string };

async function modes(dataDir: string, env: DoctorOptions["env"]): Promise<Finding[]> {
  const keys = await readdir(join(dataDir, "keys")).catch(() => []);
  const named = [env["TIDEGATE_SEALING_KEY_FILE"], env["TIDEGATE_SIGNING_KEY_FILE"]].filter(
    (path) => path !== undefined,
  );
  const rules: Rule[] = [
    // The embedded server's own account must be able to pass through, so others may enter it.
    { path: dataDir, forbidden: OTHERS_MAY_WRITE, right: "go-w" },
    { path: join(dataDir, "keys"), forbidden: OTHERS, right: "700" },
    ...keys
      .filter((name) => !name.endsWith(".pub"))
      .map((name) => ({ path: join(dataDir, "keys", name), forbidden: OTHERS, right: "600" })),
    ...named.map((path) => ({ path, forbidden: OTHERS, right: "600" })),
    { path: join(dataDir, "heads"), forbidden: OTHERS_MAY_WRITE, right: "700" },
    { path: join(dataDir, "store", "superuser-password"), forbidden: OTHERS, right: "600" },
    { path: join(dataDir, "store", "data"), forbidden: OTHERS, right: "700" },
  ];
  const looked = await Promise.all(rules.map(async (rule) => ({ ...rule, mode: await modeOf(rule.path) })));
  const there = looked.flatMap((one) => (one.mode === null ? [] : [{ ...one, mode: one.mode }]));
  const open = there.filter(({ mode, forbidden }) => (mode & forbidden) !== 0);
  if (there.length === 0)
    return [unknown("modes", "there is no data folder here yet; the first start makes it, closed to others")];
  if (open.length === 0) return [well("modes", `${there.length} files and folders are closed to others`)];
  return open.map(({ path, mode, right }) =>
    wrong("modes", `others may get at ${path} (mode ${mode.toString(8).padStart(4, "0")})`, `chmod ${right} ${path}`),
  );
}

const modeOf = (path: string): Promise<number | null> =>
  stat(path).then(
    ({ mode }) => mode & 0o7777,
    () => null,
  );

async function room(dataDir: string): Promise<Finding> {
  const check = "disk space";
  const disk = await diskOf(dataDir);
  const free = disk.bavail * disk.bsize;
  const saw = `${Math.floor(free / MEGABYTE).toLocaleString("en-US")} MB free`;
  const fix = "Make room: when the disk is full no access can be given, and revocations are slower.";
  if (free < FREE_BYTES.least) return wrong(check, saw, fix);
  return free < FREE_BYTES.wanted ? warns(check, saw, fix) : well(check, saw);
}

/** Of a folder that is not there yet: where it would be made. */
async function diskOf(dir: string): Promise<StatsFs> {
  const found = await statfs(dir).catch(() => null);
  return found ?? diskOf(dirname(dir));
}
