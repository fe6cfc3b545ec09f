import type { Fixture } from "../connector/conformance/fixture.ts";
import { memoryDirectory } from "./memory.ts";

/** People come in by their membership; the directory is looked at in this process. */
let directories = 0;

export const memoryFixture = (): Fixture => ({
  without: {
    sessions: "a membership is looked up each time",
    fencing: "a change is one step in this process: there is nothing to catch a worker in the middle of",
    marks: "a membership carries none",
    log: "the directory keeps none",
  },
  start: async () => {
    const name = `conformance-${++directories}`;
    const directory = memoryDirectory(name);
    const members = new Set<string>();
    directory.members.set("admins", members);
    return {
      connection: { directory: name },
      scope: { group: "admins" },
      refused: [{ group: "" }, { group: 7 }, { groups: ["admins"] }, {}],
      secrets: [],
      missing: { group: "nobody-made-this" },
      another: { directory: `${name}-another` },
      enter: async ({ order }) => {
        const isIn = () => members.has(order.principal.handle);
        return isIn() ? { works: async () => isIn(), leave: async () => {} } : null;
      },
      byHand: async ({ principal: { handle } }) => {
        members.add(handle);
        return { stands: async () => members.has(handle), undo: async () => void members.delete(handle) };
      },
      outage: async () => {
        const { promise: mended, resolve } = Promise.withResolvers<void>();
        directory.fail = () => mended;
        return async () => {
          directory.fail = null;
          resolve();
        };
      },
      stop: async () => directory.members.clear(),
    };
  },
});
