/**
 * `npm run build`, and the `prepack` of `npm pack`: JavaScript of everything that runs, and declarations of the
 * subpaths that others import, into dist/, or into the folder that is given. Node refuses to strip types below
 * node_modules, so a package needs it; the checkout runs its sources and never looks at dist/.
 *
 * Functions keep their names, so that a stack trace says where an error arose; scripts/trace.ts tells the lines of the
 * sources, by the maps that stay here.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { build } from "esbuild";

const ROOT = resolve(import.meta.dirname, "..");
const DIST = resolve(process.argv[2] ?? resolve(ROOT, "dist"));
/** What package.json names: the subpaths that others import, and the program. */
const SUBPATHS = ["contract/sdk", "connector/sdk", "connector/testing"];
const PROGRAM = "main";
/** Node shows the line of an error that nobody caught: all in one line would fill a screen, or a log. */
const LINE_LENGTH = 500;
/** What is said of a type is kept where somebody writes against it: the client and connectors. */
const TOLD = /\/(connector\/[^/]*|contract\/(client|sdk))\.d\.ts$/;

// What an earlier build left for a file that is gone must not be packed.
rmSync(DIST, { recursive: true, force: true });
compile("tsconfig.build.json");
compile("tsconfig.types.json", "--outDir", DIST);
compactDeclarations();
await bundle();

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
  await build({
    entryPoints: [PROGRAM, ...SUBPATHS].map((name) => resolve(ROOT, "src", `${name}.ts`)),
    outbase: resolve(ROOT, "src"),
    outdir: DIST,
    bundle: true,
    splitting: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node24.12",
    minify: true,
    keepNames: true,
    lineLimit: LINE_LENGTH,
    charset: "utf8",
    legalComments: "none",
    sourcemap: "external",
    sourcesContent: false,
  }).catch(() => giveUp("the bundler has the errors above."));
}

/**
 * Half of what the compiler writes into declarations is indentation, and a third of the files are of modules that the
 * subpaths use but do not show.
 */
function compactDeclarations(): void {
  const shown = new Set<string>();
  const show = (path: string): void => {
    if (shown.has(path)) return;
    shown.add(path);
    const text = readFileSync(path, "utf8");
    const told = TOLD.test(path) ? text : text.replaceAll(/^ *\/\*\*[\s\S]*?\*\/\n/gm, "");
    writeFileSync(path, told.replaceAll(/^ +/gm, ""));
    for (const [, name] of text.matchAll(/(?:from|import\() ?"(\.[^"]+)\.ts"/g))
      show(resolve(dirname(path), `${name}.d.ts`));
  };
  for (const name of SUBPATHS) show(resolve(DIST, `${name}.d.ts`));
  for (const name of readdirSync(DIST, { recursive: true, encoding: "utf8" })) {
    const path = resolve(DIST, name);
    if (name.endsWith(".d.ts") && !shown.has(path)) rmSync(path);
  }
}

/** Half a build must not be packed. */
function giveUp(why: string): never {
  rmSync(DIST, { recursive: true, force: true });
  console.error(`Nothing was built: ${why}`);
  process.exit(1);
}
