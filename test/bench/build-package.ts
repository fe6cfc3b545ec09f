/** Lays the package out as an installation has it, JavaScript and no sources, so that what is measured is what users run. */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

/** Paths of `bin/tidegate`: as it is installed, and of the checkout, where Node strips the types as it runs. */
export type Programs = { readonly package: string; readonly checkout: string };

export function buildPackage(dir: string): Programs {
  const root = join(dir, "package");
  mkdirSync(root);
  execFileSync(process.execPath, [join(ROOT, "scripts/build.ts"), join(root, "dist")], { stdio: "inherit" });
  cpSync(join(ROOT, "bin"), join(root, "bin"), { recursive: true });
  copyFileSync(join(ROOT, "package.json"), join(root, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  return { package: join(root, "bin/tidegate"), checkout: join(ROOT, "bin/tidegate") };
}
