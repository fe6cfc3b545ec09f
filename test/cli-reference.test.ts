/** docs/cli.md and the help are held to the commands. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { cli } from "./e2e/cli-harness.ts";

const ROOT = resolve(import.meta.dirname, "..");

/** Nothing of the machine on which they are made may get into them. */
const ELSEWHERE = { TIDEGATE_HOST: undefined, TIDEGATE_DATA: "/somewhere/else", TIDEGATE_CONFIG: "/etc/else.yaml" };

test("docs/cli.md says what the commands say; make it with: bin/tidegate __reference > docs/cli.md", async () => {
  const { stdout, code } = await cli(["__reference"], ELSEWHERE);
  assert.equal(code, 0);
  assert.ok(readFileSync(join(ROOT, "docs/cli.md"), "utf8") === stdout, "docs/cli.md is not what the commands say");
});

test("man/tidegate.1 says what the commands say; make it with: bin/tidegate __man > man/tidegate.1", async () => {
  const { stdout, code } = await cli(["__man"], ELSEWHERE);
  assert.equal(code, 0);
  assert.ok(
    readFileSync(join(ROOT, "man/tidegate.1"), "utf8") === stdout,
    "man/tidegate.1 is not what the commands say",
  );
});

test("the manual page is in the package, tells of every command, and is plain troff", () => {
  const { man, files } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    man: string;
    files: string[];
  };
  assert.equal(man, "man/tidegate.1");
  assert.ok(files.includes("man"));
  const page = readFileSync(join(ROOT, man), "utf8");
  const commands = Array.from(
    readFileSync(join(ROOT, "docs/cli.md"), "utf8").matchAll(/^###? (tidegate .+)$/gm),
    ([, path = ""]) => path,
  );
  const leaves = commands.filter((path) => !commands.some((other) => other.startsWith(`${path} `)));
  for (const path of leaves) assert.match(page, new RegExp(`^\\.SS ${path}( |$)`, "m"), path);
  // A sign that is not ASCII shows only where the reader's troff happens to expect UTF-8.
  assert.doesNotMatch(page, /[^\n\x20-\x7e]/);
  const known = /^\.(\\"|TH|SH|SS|PP|TP|B|BR|I|EX|EE)( |$)/;
  for (const line of page.split("\n").filter((one) => one.startsWith("."))) assert.match(line, known);
});

test("help shows what is a command's own first, and each group its own help under its commands", async () => {
  for (const args of [["status"], ["whoami"], ["cancel"], ["grants", "list"]]) {
    const { stdout } = await cli([...args, "--help"]);
    assert.ok(stdout.indexOf("\nOptions:") < stdout.indexOf("\nServer options:"), args.join(" "));
  }
  for (const group of ["requests", "grants", "config", "audit", "keys", "policy", "token"]) {
    const { stdout } = await cli([group, "--help"]);
    assert.match(stdout, /\nCommands:\n( {2}.*\n)+ {2}help +help for a command\n/, group);
    assert.ok(!stdout.includes("Look:"), group);
  }
});

test("each command says what it does and shows an example; hidden ones are not told of", async () => {
  const sections = readFileSync(join(ROOT, "docs/cli.md"), "utf8")
    .split(/^(?=###? tidegate )/m)
    .slice(1);
  assert.ok(sections.length > 25);
  for (const section of sections) {
    const [title = "", , description = ""] = section.split("\n");
    assert.ok(!title.includes("__"), title);
    assert.ok(description.length > 10, title);
    const isGroup = sections.some((other) => other.startsWith(`#${title} `));
    assert.ok(isGroup || /```sh\n[^`]*tidegate/.test(section), `${title} has no example`);
  }
});
