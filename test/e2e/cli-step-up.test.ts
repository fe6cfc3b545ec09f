/** A rule demands a fresh sign-in, and the command line waits for it: the real one, a real server, the real `oidc-provider`. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { typeCodeIn, WebPerson } from "../support/cli-sign-in.ts";
import { CLIENT, companyInYaml, GROUPS_IN_YAML, realProvider } from "../support/identity-provider.ts";
import { Served } from "../support/served.ts";
import { cli, onlyJson, RunningCli } from "./cli-harness.ts";

const WALTER = { sub: "user-1", preferred_username: "walter", groups: ["payments"] };
const RULE = `policies:
  - name: fresh
    when: 'entitlement.name == "read"'
    approve: automatically
    max_duration: 1h
    authentication: { request: { acr: [phr] } }
`;
const ASK = ["request", "orders-db:read", "--for", "10m", "--reason", "INC-42 slow checkouts"];

test("the command line shows where, waits, and asks again by itself", async (t) => {
  const served = await Served.prepare();
  t.after(() => served.stop());
  await served.boot();
  const provider = await realProvider(t, [`${served.url}/auth/callback/company`], WALTER);
  const state = await mkdtemp(join(tmpdir(), "tidegate-step-up-"));
  t.after(() => rm(state, { recursive: true }));
  await writeFile(join(served.dir, "secret"), CLIENT.secret);
  const file = join(served.dir, "tidegate.yaml");
  const identity = companyInYaml(served.url, provider.issuer, "file:secret", GROUPS_IN_YAML);
  const written = `${(await readFile(file, "utf8")).replace("policies:\n", RULE)}${identity}`;
  await served.reconfigured(() => writeFile(file, written));
  const env = { TIDEGATE_URL: served.url, TIDEGATE_TOKEN: undefined, XDG_STATE_HOME: state };

  const login = new RunningCli(["login"], env);
  await login.says(/waiting for you/);
  await typeCodeIn(/http:\S+user_code=\S+/.exec(login.stderr)?.[0] ?? "", "confirm");
  assert.equal((await login.ended).code, 0, login.stderr);

  await t.test(
    "with --json it does not wait: the problem says where, and the exit code that it is not yet",
    async () => {
      const ended = await cli([...ASK, "--json"], env);
      assert.equal(ended.code, 4, ended.stderr);
      const { code, stepUp, demand } = onlyJson(ended) as { code: string; stepUp: { url: string }; demand: object };
      assert.equal(code, "step-up-required");
      assert.match(stepUp.url, /\/auth\/step-up\/up_\w+$/);
      assert.deepEqual(demand, {
        ...{ maxAge: null, acr: ["phr"], passkey: false },
        words: "a sign-in of the kind phr (acr)",
      });
    },
  );

  await t.test("a token of the file is denied", async () => {
    const { code, stdout, stderr } = await served.as("erin", ...ASK);
    assert.equal(code, 3, stdout + stderr);
    assert.match(stderr, /Denied: The rule fresh demands .* a token can show none/);
  });

  await t.test("Ctrl-C breaks it off, and nothing was done", async () => {
    const broken = new RunningCli(ASK, env);
    await broken.says(/waiting for you to do that there/);
    broken.kill("SIGINT");
    const { code, stderr } = await broken.ended;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /Broken off: nothing was done\.\n$/);
    assert.deepEqual(onlyJson(await cli(["grants", "--json"], env))["grants"], []);
  });

  await t.test("once it is done, the access is there", async () => {
    const asking = new RunningCli([...ASK, "--wait"], env);
    await asking.says(/Open {2}http\S+\n/);
    const address = /Open {2}(http\S+)\n/.exec(asking.stderr)?.[1] ?? "";
    provider.acr = "phr";
    const person = new WebPerson();
    await person.open(address);
    assert.match(person.page, /is to <b>ask for orders-db:read for 10m<\/b>, in tidegate on /);
    await person.follow(/\/auth\/step-up\/\w+\/sign-in/);
    assert.match(person.page, /It is you/);
    const { code, stdout, stderr } = await asking.ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Granted by rule fresh/);
    const { session } = onlyJson(await cli(["whoami", "--json"], env)) as { session: { acr: string } };
    assert.equal(session.acr, "phr");
  });
});
