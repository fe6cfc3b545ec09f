/** docs/cli.md and the help are held to the commands. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { cli } from "./e2e/cli-harness.ts";

const ROOT = resolve(import.meta.dirname, "..");

test("docs/cli.md says what the commands say; make it with: bin/tidegate __reference > docs/cli.md", async () => {
  const { stdout, code } = await cli(["__reference"], {
    TIDEGATE_HOST: undefined,
    TIDEGATE_DATA: "/somewhere/else",
    TIDEGATE_CONFIG: "/etc/else.yaml",
  });
  assert.equal(code, 0);
  assert.ok(readFileSync(join(ROOT, "docs/cli.md"), "utf8") === stdout, "docs/cli.md is not what the commands say");
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
