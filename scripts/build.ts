/**
 * `npm run build`, and the `prepack` of `npm pack`: JavaScript of everything that runs, and declarations of the two
 * subpaths that others import, into dist/, or into the folder that is given. Node refuses to strip types below
 * node_modules, so a package needs it; the checkout runs its sources and never looks at dist/.
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");
const DIST = resolve(process.argv[2] ?? resolve(ROOT, "dist"));
const PROJECTS = ["tsconfig.build.json", "tsconfig.types.json"];

// What an earlier build left for a file that is gone must not be packed.
rmSync(DIST, { recursive: true, force: true });
for (const project of PROJECTS) {
  const compiler = resolve(ROOT, "node_modules/.bin/tsc");
  const { status, error } = spawnSync(compiler, ["-p", project, "--outDir", DIST], { cwd: ROOT, stdio: "inherit" });
  if (status === 0) continue;
  // The compiler emits in spite of errors; half a build must not be packed either.
  rmSync(DIST, { recursive: true, force: true });
  console.error(
    error === undefined
      ? `Nothing was built: ${project} has the errors above. Mend them and build again.`
      : `Nothing was built: the compiler did not run (${error.message}). Run npm ci first.`,
  );
  process.exit(1);
}
