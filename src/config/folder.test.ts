/** A folder of files: what is read, in which order, what is put together, and what is refused. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { hashOf } from "../base/hash.ts";
import { fakeConnectors } from "./fake-connector.ts";
import { loadConfiguration, secretFiles } from "./load-configuration.ts";
import { showMistake } from "./mistake.ts";
import { resolveReferences } from "./references.ts";

const made = mkdtempSync(join(tmpdir(), "tidegate-folder-"));
after(() => rmSync(made, { recursive: true }));
chmodSync(made, 0o755);

let count = 0;
/** A new folder with these files. */
function folder(files: Readonly<Record<string, string | Buffer>>): string {
  const root = join(made, String(++count));
  mkdirSync(root);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

const resource = (name: string, url = `\${env:URL}`): string => `  ${name}:
    connector: fake
    labels: { team: ${name} }
    connection: { url: "${url}" }
    entitlements:
      read: { max_duration: 1h, scope: { database: ${name}, role: reader } }
`;
const rule = (name: string, when = '"x" in user.groups'): string =>
  `  - { name: ${name}, when: '${when}', approve: automatically }\n`;

const WHOLE = {
  "base.yaml": "version: 1\ndefaults: { activate_within: 1h }\n",
  "orders/orders.yaml": `resources:\n${resource("orders")}policies:\n${rule("orders-first")}${rule("orders-second")}`,
  "users.yml": "principals:\n  alice: { groups: [x] }\n",
  "wiki.yaml": `version: 1\nresources:\n${resource("wiki")}policies:\n${rule("wiki", 'resource.labels.team == "orders"')}tests:\n  - { name: t, given: { user: alice, entitlement: "orders:read" }, expect: { decision: automatic, rule: orders-first } }\n`,
  "notes.txt": "not: [read",
  ".hidden.yaml": "not: [read",
  ".git/config.yaml": "not: [read",
};

const env = { URL: "postgres://admin:s3cret@db/x" };
const load = (path: string, given: Record<string, string> = env) =>
  loadConfiguration({ path, connectors: fakeConnectors, env: given });
/** Mistakes as compilers write them, the folder itself cut off. */
const mistakesOf = (path: string): string[] => {
  const loaded = load(path);
  assert.ok(!loaded.ok, "must have mistakes");
  return loaded.mistakes.map((one) => showMistake(one, "error").split("\n")[0]?.replaceAll(`${path}/`, "") ?? "");
};

/** Root may read everything: for a moment this process is somebody else. */
function asSomebodyElse<T>(work: () => T): T {
  const root = process.getuid?.() === 0;
  if (root) process.seteuid?.(65_534);
  try {
    return work();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

describe("a folder of files", () => {
  test("sections are put together: names united, rules and tests in the order of the files' paths", () => {
    const loaded = load(folder(WHOLE));
    assert.ok(loaded.ok, JSON.stringify(loaded));
    const { resources, policies, principals, tests, defaults } = loaded.configuration;
    assert.deepEqual(Object.keys(resources).sort(), ["orders", "wiki"]);
    assert.deepEqual(
      policies.map((one) => one.name),
      ["orders-first", "orders-second", "wiki"],
    );
    assert.equal(principals.length, 1);
    assert.equal(tests.length, 1);
    assert.equal(defaults.activateWithinMs, 3_600_000);
    assert.deepEqual(
      loaded.files.map((file) => file.split("/").slice(-1)[0]),
      ["base.yaml", "orders.yaml", "users.yml", "wiki.yaml"],
    );
  });

  test("the same files in another folder, made in another order, are the same configuration", () => {
    const [one, other] = [folder(WHOLE), folder(Object.fromEntries(Object.entries(WHOLE).reverse()))].map((path) =>
      load(path),
    );
    assert.ok(one?.ok && other?.ok);
    assert.equal(hashOf(one.configuration), hashOf(other.configuration));
  });

  test("S23 every mistake of every file at once, each in its own file, also beside a file that is no YAML", () => {
    const path = folder({
      ...WHOLE,
      "broken.yaml": "resources:\n  gone: { connector: fake\n",
      "more.yaml": `policies:\n${rule("typo", 'user.grups == [""]')}${rule("elsewhere", 'resource.labels.region == "eu"')}`,
      "tabs.yaml": "principals:\n\tbob: {}\n",
      "users.yml": "principals:\n  alice: { groups: [x], colour: red }\n",
      "wiki.yaml": `${WHOLE["wiki.yaml"]}  - { name: u, given: { user: alice, entitlement: "gone:read" }, expect: { decision: maybe } }\n`,
    });
    const mistakes = mistakesOf(path);
    assert.deepEqual(
      mistakes.map((one) => one.split(" error: ")[0]),
      [
        "broken.yaml:1:1:",
        "broken.yaml:3:1:",
        "more.yaml:2:31:",
        "tabs.yaml:2:1:",
        "users.yml:2:25:",
        "wiki.yaml:13:86:",
      ],
      mistakes.join("\n"),
    );
    assert.match(mistakes[0] ?? "", /may stand in this file or 1 more that cannot be read: it was not looked up/);
    assert.match(mistakes[2] ?? "", /policies\[0\]\.when: user\.grups: no such field/);
  });

  test("S23 of each broken file all that is no YAML is told, and nothing of checks that needed none of them", () => {
    const path = folder({
      ...WHOLE,
      "a.yaml": "principals:\n\tbob: {}\n\tcarol: {}\ntests: []\npolicies: @x\n",
      "b.yaml": "policies:\n  - name: 'x\nresources: { a: 1, a: 2 }\n",
      "users.yml": "principals:\n  alice: { groups: [x], colour: red }\n",
    });
    assert.deepEqual(mistakesOf(path), [
      "a.yaml:2:1: error: a tab cannot indent YAML",
      "a.yaml:3:1: error: a tab cannot indent YAML",
      "a.yaml:5:11: error: a text cannot begin with this character",
      "b.yaml:2:11: error: this quote is not closed",
      "b.yaml:3:20: error: a is given twice",
      "users.yml:2:25: error: principals.alice: colour is not known here",
    ]);
  });

  test("a file with very many mistakes does not hide those of the others", () => {
    const path = folder({ ...WHOLE, "a.yaml": "tests: @x\n".repeat(500), "users.yml": "principals: 1\n" });
    const mistakes = mistakesOf(path).filter((one) => !one.includes("was not looked up"));
    assert.equal(mistakes.length, 22, mistakes.join("\n"));
    assert.match(mistakes[20] ?? "", /^a\.yaml:20:8: error: and \d+ more in this file$/);
    assert.equal(mistakes[21], "users.yml:1:13: error: principals must be a map");
  });

  test("a name that is defined twice is an error that names both places", () => {
    const path = folder({
      ...WHOLE,
      "z/again.yaml": `resources:\n${resource("wiki")}principals:\n  alice: {}\npolicies:\n${rule("wiki")}tests:\n  - { name: t, given: { entitlement: "wiki:read" }, expect: { decision: denied } }\n`,
    });
    assert.deepEqual(
      mistakesOf(path).map((one) => one.replace(" error:", "")),
      [
        "z/again.yaml:2:3: resources.wiki is defined in wiki.yaml:3:3 already",
        "z/again.yaml:9:3: principals.alice is defined in users.yml:2:3 already",
        "z/again.yaml:11:13: there is another rule wiki at wiki.yaml:10:13",
        'z/again.yaml:13:13: there is another test "t" at wiki.yaml:12:13',
      ],
    );
  });

  test("version and defaults stand in one file, or are equal", () => {
    const differing = folder({ ...WHOLE, "z.yaml": "version: 2\ndefaults: { activate_within: 2h }\n" });
    assert.deepEqual(mistakesOf(differing), [
      "z.yaml:1:1: error: version is another in base.yaml:1:1",
      "z.yaml:2:1: error: defaults is another in base.yaml:2:1",
    ]);
    assert.equal(load(folder({ ...WHOLE, "z.yaml": "version: 1\ndefaults: { activate_within: 1h }\n" })).ok, true);
  });

  test("a section or key that is wrong in one file is told there", () => {
    const path = folder({
      ...WHOLE,
      "a.yaml": "polices: []\n",
      "b.yaml": "- list\n",
      "c.yaml": "policies:\n",
      "d.yaml": "resources: []\n",
      "e.yaml": "",
    });
    assert.deepEqual(mistakesOf(path), [
      "a.yaml:1:1: error: polices is not known here",
      "b.yaml:1:1: error: the file must be a map",
      "c.yaml:1:1: error: policies must be a list, and is empty",
      "d.yaml:1:12: error: resources must be a map",
      "e.yaml:1:1: error: the file is empty",
    ]);
  });
});

describe("references to files", () => {
  test("a relative path starts at the folder of the file that holds it, and is found again from what is stored", () => {
    const path = folder({
      ...WHOLE,
      "url.txt": "postgres://root@db/x",
      "orders/url.txt": "postgres://orders@db/x",
      "orders/orders.yaml": `resources:\n${resource("orders", `\${file:url.txt}`)}${resource("up", `\${file:../url.txt}`)}policies:\n${rule("orders-first")}`,
    });
    const loaded = load(path);
    assert.ok(loaded.ok, JSON.stringify(loaded));
    const stored = (name: string) => loaded.configuration.resources[name]?.connection ?? {};
    assert.deepEqual(stored("orders"), { url: `\${file:orders/url.txt}` });
    assert.deepEqual(stored("up"), { url: `\${file:url.txt}` });
    const resolved = (name: string) => resolveReferences(stored(name), { env: {}, readFile: secretFiles(path) });
    assert.deepEqual(resolved("orders").ok && resolved("orders"), {
      ok: true,
      connection: { url: "postgres://orders@db/x" },
      secrets: ["postgres://orders@db/x"],
    });
    assert.equal(resolved("up").ok, true);
  });

  test("what cannot be read as a secret is told by its name: absent, a folder, a pipe, a link in a circle, too large", () => {
    const path = folder({ "large.txt": Buffer.alloc(2_000_000, "x") });
    mkdirSync(join(path, "dir.txt"));
    symlinkSync("loop.txt", join(path, "loop.txt"));
    execFileSync("mkfifo", [join(path, "pipe.txt")]);
    for (const name of ["none.txt", "dir.txt", "pipe.txt", "loop.txt", "large.txt"]) {
      const resolved = resolveReferences({ url: `\${file:${name}}` }, { env: {}, readFile: secretFiles(path) });
      assert.deepEqual(resolved, { ok: false, missing: [`${name} cannot be read`] });
    }
  });

  test("S24 a secret in a file that may not be read is told by the file's name, and what it holds is not", () => {
    const path = folder({ "locked.txt": "hunter2secret", "free.txt": "hunter3secret" });
    chmodSync(join(path, "locked.txt"), 0);
    const connection = { url: `\${file:locked.txt}`, ca: `\${file:free.txt}` };
    const resolved = asSomebodyElse(() =>
      resolveReferences(connection, { env: {}, readFile: secretFiles(join(path, "tidegate.yaml")) }),
    );
    assert.deepEqual(resolved, { ok: false, missing: ["locked.txt cannot be read"] });
  });
});

describe("what is refused, with the path it stands at", () => {
  const refused = (files: Readonly<Record<string, string | Buffer>>, prepare: (path: string) => void = () => {}) => {
    const path = folder({ ...WHOLE, ...files });
    prepare(path);
    return mistakesOf(path);
  };

  test("links that lead out of the folder, in a circle, or nowhere, and a second name of one file", () => {
    const outside = folder({ "out.yaml": rule("evil"), "dir/in.yaml": rule("evil") });
    const said = refused({}, (path) => {
      symlinkSync(join(outside, "out.yaml"), join(path, "a.yaml"));
      symlinkSync(join(outside, "dir"), join(path, "b"));
      symlinkSync("c.yaml", join(path, "c.yaml"));
      symlinkSync(".", join(path, "d"));
      symlinkSync("nowhere.yaml", join(path, "e.yaml"));
      symlinkSync("wiki.yaml", join(path, "same.yaml"));
      symlinkSync("/etc/hostname", join(path, "fine.txt"));
    });
    assert.deepEqual(
      said.map((one) => one.replace(":1:1: error:", "")),
      [
        "a.yaml this link leads out of the folder",
        "b this link leads out of the folder",
        "c.yaml this link leads in a circle",
        "d this link leads in a circle",
        "e.yaml this link leads nowhere",
        "wiki.yaml this is the same file as same.yaml",
      ],
    );
  });

  test("links inside the folder are followed, also as Kubernetes mounts a ConfigMap", () => {
    const path = folder({});
    mkdirSync(join(path, "..2026_01"));
    for (const [name, text] of Object.entries(WHOLE))
      if (!name.includes("/") && !name.startsWith(".")) writeFileSync(join(path, "..2026_01", name), text);
    mkdirSync(join(path, "..2026_01", "orders"));
    writeFileSync(join(path, "..2026_01", "orders", "orders.yaml"), WHOLE["orders/orders.yaml"]);
    symlinkSync("..2026_01", join(path, "..data"));
    for (const name of ["base.yaml", "users.yml", "wiki.yaml", "orders"])
      symlinkSync(`..data/${name}`, join(path, name));
    const loaded = load(path);
    assert.ok(loaded.ok, JSON.stringify(loaded));
    assert.equal(loaded.files.length, 4);
  });

  test("pipes, byte order marks, other encodings, large files, bombs", () => {
    const said = refused(
      {
        "a.yaml": Buffer.from("\ufeffpolicies: []\n"),
        "b.yaml": Buffer.from("\ufeffpolicies: []\n", "utf16le"),
        "c.yaml": Buffer.alloc(10_000_000, "#"),
        "d.yaml": "#".repeat(1_048_577),
        "e.yaml": "a: &a [x,x]\nb: &b [*a,*a]\n",
        "f.yaml": "a: 1\na: 2\n",
      },
      (path) => execFileSync("mkfifo", [join(path, "g.yaml")]),
    );
    const first = new Map(
      said.map((one) => [one.split(":")[0], one.replace(/^.*error: /, "")]).reverse() as [string, string][],
    );
    assert.deepEqual(Object.fromEntries([...first].sort()), {
      "a.yaml": "the file begins with a byte order mark",
      "b.yaml": "the file is not UTF-8",
      "c.yaml": "the file is too large",
      "d.yaml": "the file is larger than 1 MiB",
      "e.yaml": "a is not known here",
      "f.yaml": "a is not known here",
      "g.yaml": "this is not a file",
    });
    assert.ok(said.some((one) => one.includes("an anchor is not allowed")));
    assert.ok(said.some((one) => one.includes("an alias is not allowed")));
    assert.ok(said.some((one) => one.includes("a is given twice")));
  });

  test("too many files, folders too deep, and a folder without any", () => {
    const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`n${index}.yaml`, "tests: []\n"]));
    assert.ok(refused(many).some((one) => one.includes("there are more than 1000 files")));
    assert.ok(refused({ [`${"d/".repeat(20)}x.yaml`]: "" }).some((one) => one.includes("nested too deep")));
    const empty = folder({ "readme.txt": "" });
    assert.match(mistakesOf(empty)[0] ?? "", /there is no \*\.yaml or \*\.yml file in this folder/);
  });

  test("a file and a folder that may not be read", () => {
    const path = folder({ ...WHOLE, "locked.yaml": "version: 1\n", "shut/x.yaml": "version: 1\n" });
    chmodSync(join(path, "locked.yaml"), 0);
    chmodSync(join(path, "shut"), 0);
    try {
      assert.deepEqual(
        asSomebodyElse(() => mistakesOf(path)),
        [
          "locked.yaml:1:1: error: the file cannot be read (EACCES)",
          "shut:1:1: error: the folder cannot be read (EACCES)",
        ],
      );
    } finally {
      chmodSync(join(path, "shut"), 0o755);
    }
  });
});
