/**
 * The connector beside this file, held to every rule that a connector must keep: how to make a fresh place, how people come
 * in, and how to look without the connector; the rules come with Tidegate. In a folder with `npm install tidegate`:
 *
 *   node --test connector-conformance.ts
 */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conformance, type Fixture } from "tidegate/connector/testing";
import { connector } from "./connector.ts";

const fixture: Fixture = {
  without: {
    sessions: "the service looks at its lists each time somebody comes",
    hangs: "a file system answers, or fails at once",
    log: "the lists keep none",
  },
  start: async () => {
    const root = await freshRoot();
    const other = await freshRoot();
    return {
      connection: { root },
      scope: { lists: ["deployers", "readers"] },
      refused: [
        { lists: [] },
        { lists: [".."] },
        { lists: ["/etc"] },
        { lists: ["Deployers"] },
        { list: ["deployers"] },
      ],
      secrets: [],
      missing: { lists: ["deployers", "nobody-made-this"] },
      another: { root: other },
      // As the service does, by the entry of this grant alone.
      enter: async ({ order }) => {
        const isIn = () => isOn(join(root, "deployers", String(order.names["entry"])), order.principal.handle);
        return (await isIn()) ? { works: isIn, leave: async () => {} } : null;
      },
      marked: async (installation) =>
        (await readdir(root, { recursive: true })).filter((path) => path.includes(`tg-${installation}-`)),
      byHand: async ({ principal: { handle } }) => {
        const path = join(root, "deployers", `${handle}.json`);
        await writeFile(path, JSON.stringify({ account: handle, until: null }));
        return { stands: () => isOn(path, handle), undo: () => rm(path) };
      },
      // The disk is not mounted.
      outage: async () => {
        await rename(root, `${root}.away`);
        return () => rename(`${root}.away`, root);
      },
      stop: async () => {
        for (const folder of [root, other]) await rm(folder, { recursive: true, force: true });
      },
    };
  },
};

conformance(connector, fixture);

async function freshRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "allow-lists-"));
  await writeFile(join(root, ".identity"), `${root}\n`);
  for (const list of ["deployers", "readers"]) await mkdir(join(root, list));
  return root;
}

/** Whether the entry is there, for this account, and has not run out. No entry is a no; what cannot be read is an error. */
async function isOn(path: string, account: string): Promise<boolean> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  });
  if (text === null) return false;
  const entry = JSON.parse(text) as { account: string; until: string | null };
  return entry.account === account && (entry.until === null || Date.parse(entry.until) > Date.now());
}
