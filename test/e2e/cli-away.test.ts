/** Being away, from the command line, on a real server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RunningDemo } from "../support/demo.ts";

let demo: RunningDemo;
before(async () => {
  demo = await RunningDemo.start();
});
after(() => demo.stop());

const away = async (who: string, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await demo.run(who, ["away", ...args]);
  assert.equal(code, 0, stderr);
  return stdout;
};

test("away alone says whether one is away, who decides then, and for whom one decides", async () => {
  assert.equal(await away("bob"), "You are here, and decide yourself.\nYou decide in nobody's place.\n");
  assert.match(await away("bob", "--until", "+2d", "--delegate", "frank"), /^bob is away until .+; frank decides/);
  assert.match(
    await away("bob"),
    /^You are away until .+; frank decides in your place\.\nWhen you are back: tidegate away --back\nYou decide in nobody's place\.\n$/,
  );
  assert.match(await away("frank"), /^You are here, and decide yourself\.\nYou decide for bob until .+\.\n$/);
  const mine = JSON.parse(await away("bob", "--json"));
  assert.deepEqual([mine.person.handle, mine.away.delegate.handle, mine.decidesFor], ["bob", "frank", []]);
  const franks = JSON.parse(await away("frank", "--json"));
  assert.equal(franks.away, null);
  assert.deepEqual(
    franks.decidesFor.map(({ person }: { person: { handle: string } }) => person.handle),
    ["bob"],
  );
  assert.match(await away("carol", "--user", "frank", "--until", "+1d"), /nobody decides in their place/);
  assert.match(await away("frank"), /^You are away until .+, as carol has said; nobody decides in your place\./);
  assert.equal(await away("bob", "--back"), "bob is back, and decides themselves.\n");
  assert.match(await away("frank"), /You decide in nobody's place\.\n$/);
  const half = await demo.run("bob", ["away", "--delegate", "frank"]);
  assert.equal(half.code, 2, "half of it is no question");
});
