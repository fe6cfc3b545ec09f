/**
 * `npm test`: everything but the long runs; `npm run test:long`: those. Finds the programs that suites need, installs them where it may (root on
 * Debian), says loudly what is missing, and fails when a group of tests turns out to be empty.
 */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { findTool } from "./support/tools.ts";

const ROOT = resolve(import.meta.dirname, "..");
/** Program → Debian package. */
const TOOLS: Record<string, string> = {
  psql: "postgresql-client",
  openssl: "openssl",
  ip: "iproute2",
  faketime: "faketime",
  zsh: "zsh",
  fish: "fish",
  chromium: "chromium",
};

type Group = { name: string; patterns: string[]; flags: string[] };
const GROUPS: Group[] = [
  {
    name: "unit",
    patterns: ["src/**/*.test.ts", "test/*.test.ts", "test/policy/*.test.ts", "test/verifier/*.test.ts"],
    flags: ["--test-isolation=none"],
  },
  {
    name: "integration",
    patterns: [
      "test/integration/**/*.test.ts",
      "test/identity/**/*.test.ts",
      "test/e2e/**/*.test.ts",
      "test/chaos/**/*.test.ts",
      "examples/**/*.test.ts",
    ],
    flags: ["--test-concurrency=3"],
  },
];

function provideTools(): void {
  const missing = Object.keys(TOOLS).filter((tool) => findTool(tool) === null);
  if (missing.length === 0) return;
  if (process.getuid?.() === 0 && existsSync("/etc/debian_version") && findTool("apt-get") !== null) {
    const packages = missing.map((tool) => TOOLS[tool] as string);
    console.log(`Installing for the tests: ${packages.join(", ")}`);
    const options = { stdio: "ignore" as const, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
    spawnSync("apt-get", ["update"], options);
    spawnSync("apt-get", ["install", "-y", "--no-install-recommends", ...packages], options);
  }
  for (const tool of missing.filter((name) => findTool(name) === null)) {
    console.log(
      `\n*** ${tool} is missing: the suites that need it are SKIPPED. Install ${TOOLS[tool]} to run them. ***\n`,
    );
    if (process.env["CI"] === "true") process.exit(1);
  }
}

const filesOf = (pattern: string): string[] => globSync(pattern, { cwd: ROOT });

function run(group: Group): boolean {
  const files = group.patterns.flatMap(filesOf).sort();
  if (files.length === 0) {
    console.error(`No ${group.name} tests were found: that is a mistake, not a success.`);
    return false;
  }
  console.log(`\n# ${group.name}: ${files.length} files`);
  const reporter = ["--test-reporter=spec", "--test-reporter-destination=stdout"];
  const { status } = spawnSync(
    process.execPath,
    [
      "--test",
      `--test-timeout=${process.env["TIDEGATE_LONG"] === undefined ? 300_000 : 3_600_000}`,
      ...reporter,
      "--import",
      resolve(ROOT, "test/support/mark-secrets.ts"),
      ...group.flags,
      ...files,
    ],
    { cwd: ROOT, stdio: "inherit" },
  );
  return status === 0;
}

const LONG: Group = {
  name: "long",
  patterns: [
    "test/integration/connector-postgres.test.ts",
    "test/integration/postgres-without-superuser.test.ts",
    "test/integration/reconciler-*.test.ts",
    "test/chaos/crash/*.test.ts",
    "test/chaos/simulation/*.test.ts",
  ],
  flags: [],
};

/** A folder of tests that nobody runs looks like one that is green. */
function failWhereOneIsLeftOut(): void {
  const taken = new Set(GROUPS.flatMap(({ patterns }) => patterns).flatMap(filesOf));
  const left = ["src/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts"]
    .flatMap(filesOf)
    .filter((file) => !taken.has(file) && !file.includes("node_modules"));
  if (left.length === 0) return;
  console.error(`These tests are in no group of test/run.ts, and would never run: ${left.join(", ")}`);
  process.exit(1);
}

/** The suites start some thousand processes of the same sources: what one has compiled, the next ones need not. */
function keepCompiled(): void {
  const dir = mkdtempSync(join(tmpdir(), "tidegate-compiled-"));
  process.env["NODE_COMPILE_CACHE"] = dir;
  process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
}

failWhereOneIsLeftOut();
provideTools();
keepCompiled();
const only = process.argv[2];
if (only === LONG.name) {
  process.env["TIDEGATE_LONG"] = "1";
  process.exit(run(LONG) ? 0 : 1);
}
const failed = GROUPS.filter((group) => (only === undefined || group.name === only) && !run(group));
if (failed.length > 0) {
  console.error(`\nFailed: ${failed.map((group) => group.name).join(", ")}`);
  process.exit(1);
}
