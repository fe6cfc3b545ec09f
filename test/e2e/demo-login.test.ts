/** The demo's people sign in from a terminal through its own identity provider, by a code and by a browser on the same machine. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WebPerson } from "../support/cli-sign-in.ts";
import { RunningDemo } from "../support/demo.ts";
import { cli, type Ended, onlyJson, RunningCli } from "./cli-harness.ts";

test("whoever tries the demo signs in from a terminal, asks for access, and signs out", async (t) => {
  const demo = await RunningDemo.start();
  t.after(() => demo.stop());
  const state = await mkdtemp(join(tmpdir(), "tidegate-demo-login-"));
  t.after(() => rm(state, { recursive: true }));
  const env = { TIDEGATE_URL: demo.state.url, TIDEGATE_TOKEN: undefined, XDG_STATE_HOME: state };
  const run = (...args: string[]): Promise<Ended> => cli(args, env);
  const done = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  /** The address that it shows, once it waits. */
  const shownBy = async (running: RunningCli, address: RegExp): Promise<string> => {
    await running.says(/waiting for you/);
    return address.exec(running.stderr)?.[0] ?? assert.fail(running.stderr);
  };

  await t.test("by a code: who chooses to be Erin is the Erin of the file, who is on call", async () => {
    const running = new RunningCli(["login"], env);
    const person = new WebPerson();
    await person.open(await shownBy(running, /http:\S+user_code=\S+/));
    while (!/Who are you\?/.test(person.page)) await person.submit();
    await person.submit({ person: "erin" });
    assert.match(person.page, /You are signed in/);
    const { code, stdout, stderr } = await running.ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Signed in to http:\S+ as erin \(Erin Estevez\), through demo; /);
    const who = await done("whoami");
    assert.match(who, /^erin \(Erin Estevez\)[\s\S]*groups: payments\n[\s\S]*on call, tier 1\n/);
    assert.match(who, /signed in with tidegate login through demo/);
  });

  await t.test("what she asks for in an incident is there at once", async () => {
    const why = ["--reason", "INC-42 checkouts fail", "--ticket", "INC-42"];
    const made = onlyJson(await run("request", "orders-db:read", "--for", "15m", ...why, "--wait", "--json"));
    assert.equal(made["state"], "approved");
    assert.equal((made["grant"] as { state: string }).state, "active");
    assert.match(await done("grants"), /orders-db:read/);
  });

  await t.test("signed out, that terminal is nobody, and her access goes on", async () => {
    assert.match(await done("logout"), /^Signed out of http:\S+\.\n$/);
    const { code, stderr } = await run("whoami");
    assert.equal(code, 1);
    assert.match(stderr, /You are not signed in[\s\S]*Sign in: tidegate login/);
    assert.equal((await demo.client("erin").listSessions()).sessions.length, 0);
    assert.equal((await demo.client("erin").listGrants()).grants.filter(({ state }) => state === "active").length, 1);
  });

  await t.test(
    "by a browser on the same machine: whom no file names is in the provider's groups, and asks",
    async () => {
      const running = new RunningCli(["login", "--browser"], env);
      const person = new WebPerson();
      await person.open(await shownBy(running, /http:\S+\/auth\/cli\?\S+/));
      const [through = ""] = /\/auth\/sign-in\/demo[^"]*/.exec(person.page) ?? [];
      await person.open(new URL(through.replaceAll("&amp;", "&"), demo.state.url).href);
      await person.submit({ person: "grace" });
      assert.match(person.page, /Sign in a command line/);
      await person.submit();
      assert.match(person.page, /Go back to your terminal/);
      const { code, stderr } = await running.ended;
      assert.equal(code, 0, stderr);
      assert.match(await done("whoami"), /^grace \(Grace Gruber\)[\s\S]*groups: payments\n/);
      const asked = await run("request", "orders-db:read", "--for", "15m", "--reason", "checking slow checkouts");
      assert.equal(asked.code, 4, asked.stderr);
      assert.match(await done("logout"), /^Signed out/);
    },
  );
});
