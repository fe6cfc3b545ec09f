/** The package as others get it: packed from a copy of the checkout, and installed into an empty folder. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
/** Not copied, so that packing leaves nothing in the checkout and finds nothing there that is not the project's. */
const NOT_SOURCES = new Set(["node_modules", "dist", ".git", ".tidegate-dev"]);
const NO_REGISTRY =
  /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENOTCACHED|ENETUNREACH|EHOSTUNREACH|FETCH_ERROR/;

export type Packed = {
  /** The copy that was packed. */
  readonly checkout: string;
  readonly tarball: string;
  /** An empty project with the package as its one dependency. */
  readonly consumer: string;
  /** Where it was installed. */
  readonly installed: string;
  readonly program: string;
  /** Null, or why npm could not resolve the dependencies itself, so that those of the checkout were linked. */
  readonly linkedBecause: string | null;
  remove(): void;
};

export function packAndInstall(): Packed {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-package-"));
  // The account that runs PostgreSQL must be able to pass through.
  chmodSync(folder, 0o711);
  try {
    const [checkout, consumer] = [join(folder, "checkout"), join(folder, "consumer")];
    copySources(checkout);
    run("npm", ["pack", "--pack-destination", folder], checkout);
    const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
    if (tarball === undefined) throw new Error("npm pack has made no tarball");
    mkdirSync(consumer);
    writeFileSync(join(consumer, "package.json"), '{ "name": "consumer", "private": true, "type": "module" }\n');
    const linkedBecause = install(join(folder, tarball), consumer);
    return {
      checkout,
      tarball: join(folder, tarball),
      consumer,
      installed: join(consumer, "node_modules/tidegate"),
      program: join(consumer, "node_modules/.bin/tidegate"),
      linkedBecause,
      remove: () => rmSync(folder, { recursive: true, force: true }),
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function copySources(checkout: string): void {
  mkdirSync(checkout);
  for (const name of readdirSync(ROOT).filter((it) => !NOT_SOURCES.has(it) && !it.endsWith(".tgz")))
    cpSync(join(ROOT, name), join(checkout, name), {
      recursive: true,
      filter: (path) => !path.includes("/node_modules"),
    });
  symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"));
}

/** As a newcomer does. Where no registry answers and the cache lacks something, the rest is still tested with our own. */
function install(tarball: string, consumer: string): string | null {
  const quick = ["--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=0", "--fetch-timeout=20000"];
  const { status, output } = attempt("npm", ["install", ...quick, "--prefix", consumer, tarball], consumer);
  if (status === 0) return null;
  const why = NO_REGISTRY.exec(output)?.[0];
  if (why === undefined) throw new Error(`npm install failed:\n${output}`);
  const modules = join(consumer, "node_modules");
  rmSync(modules, { recursive: true, force: true });
  mkdirSync(join(modules, "tidegate"), { recursive: true });
  run("tar", ["-xzf", tarball, "-C", join(modules, "tidegate"), "--strip-components=1"], consumer);
  link(productionDependencies(), modules);
  mkdirSync(join(modules, ".bin"));
  symlinkSync("../tidegate/bin/tidegate", join(modules, ".bin/tidegate"));
  return `no registry answers (${why})`;
}

/** Top-level packages of the lock that a production install has, as far as they are here. */
function productionDependencies(): string[] {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean; link?: boolean }>;
  };
  return Object.entries(lock.packages)
    .filter(([path, entry]) => /^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path) && !entry.dev && !entry.link)
    .map(([path]) => path.slice("node_modules/".length))
    .filter((name) => existsSync(join(ROOT, "node_modules", name)));
}

function link(names: readonly string[], modules: string): void {
  for (const name of names) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  }
}

/** What npm tells its scripts about the project that runs the tests is not for the npm that we start. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours = /^npm_(?:package|lifecycle)_|^npm_config_(?:local_prefix|workspace)|^INIT_CWD$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}

function attempt(program: string, args: readonly string[], cwd: string): { status: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: "utf8",
    env: cleanEnvironment(),
  });
  return { status, output: error === undefined ? `${stdout}${stderr}` : error.message };
}

function run(program: string, args: readonly string[], cwd: string): void {
  const { status, output } = attempt(program, args, cwd);
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed:\n${output}`);
}
