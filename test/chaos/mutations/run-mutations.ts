/** Plants each bug in a copy of the source and sees whether the simulation finds it, in as many histories as the list says. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Edit, MUTATIONS, type Mutation } from "./mutations.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const COPIED = ["src", "test/chaos", "test/support", "package.json"];

/** Says how each went; whether all were caught. */
export function runMutations(only: string | null = null): boolean {
  const copy = mkdtempSync(join(tmpdir(), "tidegate-mutations-"));
  try {
    for (const part of COPIED) cpSync(join(ROOT, part), join(copy, part), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    const wanted = MUTATIONS.filter(({ name }) => only === null || name === only);
    const missed = wanted.filter((mutation) => !isCaught(copy, mutation)).map(({ name }) => name);
    console.log(
      missed.length === 0 ? `All ${wanted.length} planted bugs were caught.` : `Not caught: ${missed.join(", ")}.`,
    );
    return missed.length === 0;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function isCaught(copy: string, { name, bug, edits, within }: Mutation): boolean {
  const before = edits.map(({ file }) => readFileSync(join(copy, file), "utf8"));
  try {
    for (const one of edits) plant(copy, one);
    const args = ["test/chaos/simulation/main.ts", "--seed", "1", "--histories", String(within), "--brief"];
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, encoding: "utf8" });
    // Only a broken invariant counts: a copy that does not run has found nothing.
    const found = /^Seed (\d+) \([a-z]+\): .*\n\s*(.*)/m.exec(stdout);
    if (found === null) console.log(`MISSED ${name}: ${bug}\n  ${stdout.trim()} ${stderr.slice(0, 1_000)}`);
    else console.log(`caught ${name} at seed ${found[1]} of ${within}: ${found[2]}`);
    return found !== null;
  } finally {
    for (const [i, { file }] of edits.entries()) writeFileSync(join(copy, file), before[i] as string);
  }
}

function plant(copy: string, { file, from, to }: Edit): void {
  const path = join(copy, file);
  const source = readFileSync(path, "utf8");
  if (source.split(from).length !== 2)
    throw new Error(`${file} does not have exactly once:\n${from}\nChange test/chaos/mutations/mutations.ts with it.`);
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
}
