/** What sends the log outside in a test is stopped with it, and the next test begins with sinks that nothing was sent to. */
import { beforeEach } from "node:test";
import type { Sending } from "../../src/sinks/send.ts";
import type { World } from "./world.ts";

/** Answers what is running; whoever starts something puts it there. */
export function stoppedWithTheTest(world: () => World): Sending[] {
  const running: Sending[] = [];
  beforeEach(async (t) => {
    await world().store.pool.query("truncate sinks");
    (t as { after(undo: () => Promise<unknown>): void }).after(() =>
      Promise.all(running.splice(0).map((one) => one.stop())),
    );
  });
  return running;
}
