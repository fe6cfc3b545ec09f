/**
 * `npm run bench`: how far Tidegate is from the floor, which is the same work done by a bare script. Ours and the floor
 * alternate within one run, so that a noisy machine hurts both; what is told is the median of the rounds.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { auditLog } from "./audit-log.ts";
import { auth } from "./auth.ts";
import { BenchWorld, captureLife, type Models } from "./bench-world.ts";
import { decide } from "./decide.ts";
import { evidence } from "./evidence.ts";
import { http } from "./http.ts";
import { isMet, type Line, table } from "./numbers.ts";
import { overloadStart } from "./overload-start.ts";
import { reconcilerScale } from "./reconciler-scale.ts";
import { revocationLag } from "./revocation-lag.ts";
import { scim } from "./scim.ts";
import { memory, start } from "./start-and-memory.ts";
import { submit } from "./submit.ts";
import { timeToAccess } from "./time-to-access.ts";

const ROUNDS = 3;

type Bench = (world: BenchWorld, models: () => Promise<Models>, rounds: number) => Promise<Line[]>;

const BENCHES: Readonly<Record<string, Bench>> = {
  start: (world, _models, rounds) => start(world, rounds),
  "time-to-access": async (world, models, rounds) => timeToAccess(world, await models(), rounds),
  "revocation-lag": async (world, models, rounds) => {
    const made = await models();
    return world.notingEntries(() => revocationLag(world, made, rounds));
  },
  "overload-start": async (world, models, rounds) => overloadStart(world, await models(), rounds),
  "reconciler-scale": async (world, models, rounds) => reconcilerScale(world, await models(), rounds),
  decide: (_world, _models, rounds) => decide(rounds),
  submit: (world, _models, rounds) => submit(world, rounds),
  http: (world, _models, rounds) => http(world, rounds),
  auth: (world, _models, rounds) => auth(world, rounds),
  memory: (world, _models, rounds) => memory(world, rounds),
  evidence: (world, _models, rounds) => evidence(world, rounds),
  "audit-log": (world, _models, rounds) => auditLog(world, rounds),
  // Last: ten thousand people stay behind.
  scim: async (world, models) => scim(world, await models()),
};

/** A year is long in the making: only where it is asked for. */
const BY_NAME: ReadonlySet<string> = new Set(["evidence"]);

const HELP = `npm run bench -- [NAME]… [--rounds N] [--json FILE] [--readme]
--readme writes the table into README.md; it holds the whole of one run, so no benchmark is named with it.
NAME: ${Object.keys(BENCHES).join(", ")}; only by name: ${[...BY_NAME].join(", ")}`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string" },
    json: { type: "string" },
    readme: { type: "boolean" },
    help: { type: "boolean" },
  },
});
const rounds = Number(values.rounds ?? ROUNDS);
const chosen = [...positionals, ...(values.only ?? [])];
const names = chosen.length > 0 ? chosen : Object.keys(BENCHES).filter((name) => !BY_NAME.has(name));
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name));
const halfReadme = values.readme === true && chosen.length > 0;
if (values.help || halfReadme || unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(unknown.length > 0 ? `There is no benchmark ${unknown.join(", ")}.\n${HELP}` : HELP);
  process.exit(values.help ? 0 : 2);
}

const machine = {
  cpus: cpus().length,
  model: cpus()[0]?.model ?? "unknown",
  memoryGb: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  loadBefore: loadavg().map((load) => Number(load.toFixed(2))),
};
const about = `${machine.cpus} × ${machine.model}, ${machine.memoryGb} GB, Node ${machine.node}`;
console.log(`${about}; load before: ${machine.loadBefore.join(" ")}; ${rounds} rounds\n`);

const startedMs = performance.now();
const world = await BenchWorld.start();
const lines: Line[] = [];
try {
  await world.serve();
  let models: Models | null = null;
  const captured = async (): Promise<Models> => {
    models ??= await captureLife(world);
    return models;
  };
  for (const name of names) {
    console.log(`… ${name}`);
    lines.push(...((await BENCHES[name]?.(world, captured, rounds)) ?? []));
    await world.settle();
  }
} finally {
  await world.stop();
}
const seconds = Math.round((performance.now() - startedMs) / 1_000);
const loadAfter = loadavg().map((load) => Number(load.toFixed(2)));
console.log(`\n${table(lines)}\n\nload after: ${loadAfter.join(" ")}; took ${seconds} s`);
if (values.json !== undefined)
  writeFileSync(
    values.json,
    `${JSON.stringify({ machine: { ...machine, loadAfter }, rounds, seconds, lines: lines.map((line) => ({ ...line, met: isMet(line) })) }, null, 2)}\n`,
  );
if (values.readme) writeReadme(table(lines));

/** Between the two marks of the README, which stay. */
function writeReadme(shown: string): void {
  const file = resolve(import.meta.dirname, "../../README.md");
  const [begin, end] = ["<!-- bench: written by npm run bench -- --readme -->\n", "<!-- /bench -->\n"];
  const [before, rest] = readFileSync(file, "utf8").split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${file} lacks the marks ${begin}and ${end}`);
  const load = `load ${machine.loadBefore[0]} before and ${loadAfter[0]} after`;
  const told = `On ${about}, shared with other work (${load}); ${rounds} rounds:`;
  writeFileSync(file, `${before}${begin}\n${told}\n\n${shown}\n\n${end}${after}`);
}
