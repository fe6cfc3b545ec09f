/**
 * `npm run build`, and the `prepack` of `npm pack`: JavaScript of everything that runs, and declarations of the
 * subpaths that others import, into dist/, or into the folder that is given. Node refuses to strip types below
 * node_modules, so a package needs it; the checkout runs its sources and never looks at dist/.
 *
 * Functions keep their names, so that a stack trace says where an error arose; scripts/trace.ts tells the lines of the
 * sources, by the maps that stay here.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type OutputChunk, type OutputOptions, type RolldownOutput, rolldown } from "rolldown";
import { dts } from "rolldown-plugin-dts";
import { breakLines } from "./break-lines.ts";
import { plainTypes } from "./plain-types.ts";

const ROOT = resolve(import.meta.dirname, "..");
const DIST = resolve(process.argv[2] ?? resolve(ROOT, "dist"));
/** What package.json names: the subpaths that others import, and the program. */
const SUBPATHS = ["contract/sdk", "connector/sdk", "connector/testing"];
const PROGRAM = "main";
const NAMES: OutputOptions = { dir: DIST, entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" };
/** Small, or needed by many parts: in files of their own they would say more of each other than of themselves. */
const TOGETHER = [
  {
    name: "base",
    test: /\/src\/(base\/|config\/mistake\.ts$|domain\/(approvers|authentication|channel|drift|end-cause|entitlement|escalation|facts|health-facts|hours|matching|message|policy|principal|request|sink|zone)\.ts$)/,
  },
  { name: "store", test: /\/src\/store\/(?!(migrate|db|preparing-client|local-store)\.ts$|migrations\/|embedded\/)/ },
];
/** What npm installs beside us is imported, not copied. */
const isPackage = (name: string): boolean => !/^[./]/.test(name) && name !== PROGRAM && !SUBPATHS.includes(name);
/** It lies in the package as it is read by auditors: the program runs that very file. */
const VERIFIER = /\/verifier\/verify\.mjs$/;
/** What is said of a type is kept where somebody writes against it: the client and connectors. */
const TOLD = /\/(connector\/[^/]*|contract\/(client|sdk))\.d\.ts$/;

/** Their long texts are statements; those of migrations have checksums in stores, and stay to the letter. */
const STATEMENTS = /\/src\/(store|operations|connectors)\/(?!migrations\/|embedded\/)/;

// What an earlier build left for a file that is gone must not be packed.
rmSync(DIST, { recursive: true, force: true });
compile("tsconfig.build.json");
try {
  await declare();
  await bundle();
} catch (error) {
  giveUp(`the bundler says: ${(error as Error).message}`);
}

function compile(project: string, ...options: string[]): void {
  const compiler = resolve(ROOT, "node_modules/.bin/tsc");
  const { status, error } = spawnSync(compiler, ["-p", project, ...options], { cwd: ROOT, stdio: "inherit" });
  if (status !== 0)
    giveUp(
      error === undefined
        ? `${project} has the errors above. Mend them and build again.`
        : `the compiler did not run (${error.message}). Run npm ci first.`,
    );
}

/** One file for each part that is loaded by itself: a program of five hundred files is slow to start, and to install. */
async function bundle(): Promise<void> {
  const bundled = await rolldown({
    input: Object.fromEntries([PROGRAM, ...SUBPATHS].map((name) => [name, resolve(ROOT, "src", `${name}.ts`)])),
    external: (name) => isPackage(name) || VERIFIER.test(name),
    platform: "node",
    transform: { target: "node24.12" },
    plugins: [{ name: "statements without indentation", transform: unindented }],
  });
  const { output } = await bundled.generate({
    ...NAMES,
    minify: true,
    // Hints for whoever would bundle it again.
    comments: { annotation: false },
    keepNames: true,
    sourcemap: "hidden",
    codeSplitting: { groups: TOGETHER },
  });
  for (const { fileName, code, map } of chunks(output)) {
    const broken = breakLines(code, map?.mappings ?? "");
    write(fileName, broken.code);
    // The sources are those of the commit: they are not said again.
    write(
      `${fileName}.map`,
      JSON.stringify({ version: 3, ...map, sourcesContent: undefined, mappings: broken.mappings }),
    );
  }
}

/** One file of declarations for each subpath, with what it shows and no more. */
async function declare(): Promise<void> {
  // Below the result: the names of files are made of what is in them, and the bundler writes there where it found it.
  const folder = join(DIST, "types");
  try {
    compile("tsconfig.types.json", "--outDir", folder);
    const bundled = await rolldown({
      input: Object.fromEntries(SUBPATHS.map((name) => [name, join(folder, `${name}.d.ts`)])),
      external: isPackage,
      plugins: [{ name: "tell less", transform: untold }, dts({ dtsInput: true, tsconfig: false })],
    });
    const { output } = await bundled.generate(NAMES);
    for (const { fileName, code } of chunks(output)) {
      const declarations = compact(code);
      // A connector says with Zod what it is configured with; of the client nothing is a schema.
      write(fileName, fileName === "contract/sdk.d.ts" ? plainTypes(declarations) : declarations);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A third of what the compiler writes is indentation; where the bundler found a piece is nobody's business. */
function compact(declarations: string): string {
  return declarations.replaceAll(/^[ \t]+|^\/\/ \S+\.d\.ts\n|^\n/gm, "");
}

function untold(code: string, path: string): string {
  return TOLD.test(path) ? code : code.replaceAll(/^ *\/\*\*[\s\S]*?\*\/\n/gm, "");
}

/** The database reads statements as well from the margin, and no comments in them. Lines stay where they are, and so do the maps. */
function unindented(code: string, path: string): { code: string; map: null } | null {
  return STATEMENTS.test(path)
    ? { code: code.replaceAll(/\n +/g, "\n").replaceAll(/\n-- .*/g, "\n"), map: null }
    : null;
}

function chunks(output: RolldownOutput["output"]): OutputChunk[] {
  return output.filter((one) => one.type === "chunk");
}

function write(name: string, text: string): void {
  const path = join(DIST, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Half a build must not be packed. */
function giveUp(why: string): never {
  rmSync(DIST, { recursive: true, force: true });
  console.error(`Nothing was built: ${why}`);
  process.exit(1);
}
