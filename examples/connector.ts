/**
 * A connector in one file: allow lists on disk. A service (a bastion, a build farm, a feature gate) reads folders of
 * small files; whoever is named in one of them may come in until the time that stands beside the name:
 *
 *   ROOT/.identity                     any text, made once by you: `uuidgen > ROOT/.identity`
 *   ROOT/deployers/by-hand.json        { "account": "alice", "until": null }         your own entries stay untouched
 *   ROOT/deployers/tg-….json           { "account": "erin", "until": "2027-01-31T12:00:00.000Z" }   Tidegate's
 *
 * Load it with TIDEGATE_CONNECTORS=examples/connector.ts; docs/how-to/write-a-connector-package.md of the repository
 * walks through it.
 */
import { mkdir, open, readdir, readFile, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import {
  type Actor,
  bareId,
  defineConnector,
  grantId,
  type InstallationId,
  type Intent,
  type NamedScope,
  type Observed,
  type Order,
  type OtherAccess,
  type Probe,
  type Target,
  TargetError,
  z,
} from "tidegate/connector";

type Connection = { readonly root: string };
type Scope = { readonly lists: string[] };

const LISTS_MAX = 20;
/** A name, and never a path: what is configured must not lead out of the root. */
const listName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "a list is named by lower-case letters, digits, dashes");

export const connector = defineConnector<Connection, Scope>({
  kind: "allow-list",
  // The person comes in with an account they have: there is no secret to hand over.
  credential: "none",
  connection: z.strictObject({
    root: z.string().refine(isAbsolute, "write the whole path of the folder that holds the lists, from /"),
  }),
  scope: z.strictObject({ lists: z.array(listName).min(1).max(LISTS_MAX) }),
  describe: ({ lists }) => lists.map((list) => `is on the allow list ${list}, with all that it opens`),
  includes: (outer, inner) => inner.lists.every((list) => outer.lists.includes(list)),
  intend: (intent) => {
    const entry = entryName(intent);
    // A file of its own for each grant: nothing is shared, so ending one never touches another.
    return { right: `entry/${entry}`, names: { entry } };
  },
  open: async ({ root }, { signal, actor }) => {
    await identityOf(root);
    const desk = actor.grant === null ? null : await takeDesk(root, actor);
    return targetAt(root, desk, actor.installation, signal);
  },
});

/** Carries the installation: two Tidegates on one folder never touch each other's entries. */
const entryName = ({ installation, grant }: Pick<Intent<Scope>, "installation" | "grant">): string =>
  `tg-${installation}-${bareId(grant)}.json`;

/**
 * A folder in which this claim prepares what it writes. Whoever takes the grant over removes the desks of earlier claims,
 * and what was prepared there can no longer be moved into place: a worker that slept through its claim writes nothing.
 */
async function takeDesk(root: string, { installation, grant, fence }: Actor): Promise<string> {
  const desks = join(root, ".tidegate", installation, bareId(grant ?? ""));
  const desk = join(desks, String(fence));
  await answered(mkdir(desk, { recursive: true }));
  const all = await answered(readdir(desks));
  if (all.some((other) => Number(other) > fence)) throw takenOver();
  for (const other of all.filter((name) => Number(name) < fence))
    await rm(join(desks, other), { recursive: true, force: true });
  return desk;
}

const takenOver = (): TargetError => new TargetError("conflict", "another worker has taken this grant over");

function targetAt(root: string, desk: string | null, installation: InstallationId, signal: AbortSignal): Target<Scope> {
  const paths = (order: Order<Scope>): string[] => {
    const entry = z.string().parse(order.names["entry"]);
    return order.scope.lists.map((list) => join(root, list, entry));
  };
  /** Makes every entry equal to the order: whole or not at all, and on disk before anybody is told. */
  const write = async (order: Order<Scope>, remainingMs: number): Promise<void> => {
    if (desk === null) throw new TargetError("failed", "entries are written for a grant only");
    // By the clock of the machine that holds the lists, which the service reads as well.
    const until = new Date(Date.now() + remainingMs).toISOString();
    // Everything that the scope names is looked up before anything is made.
    for (const path of paths(order)) await present(join(path, ".."));
    for (const [number, path] of paths(order).entries()) {
      signal.throwIfAborted();
      const draft = join(desk, String(number));
      const file = await open(draft, "w", 0o644).catch(deskError);
      await file.writeFile(`${JSON.stringify({ account: order.principal.handle, until })}\n`);
      await file.sync();
      await file.close();
      await rename(draft, path).catch(deskError);
      await syncFolder(join(path, ".."));
    }
  };
  const remove = async (order: Order<Scope>): Promise<void> => {
    for (const path of paths(order)) {
      signal.throwIfAborted();
      if (await answered(gone(unlink(path)))) continue;
      await syncFolder(join(path, ".."));
    }
    await identityOf(root);
  };
  return {
    identify: async () => ({ identity: `allow-list:${await identityOf(root)}`, position: null }),
    // The name is this grant's alone, so it cannot have stood there before.
    standing: async () => false,
    provision: async (order, { remainingMs }) => {
      await write(order, remainingMs);
      const note = `you are on ${order.scope.lists.join(", ")} now; come in as you always do`;
      return { details: {}, delivery: { kind: "membership", account: order.principal.handle, note } };
    },
    extend: (order, { remainingMs }) => write(order, remainingMs),
    // Nobody shares an entry, so there is nothing to keep.
    revoke: (order) => remove(order),
    // An entry is there or not; without it a later revoke finds the absent, and the probe needs no more than its name.
    disable: (order) => remove(order),
    probe: (order) => probe(paths(order), root),
    observe: (installation) => observe(root, installation),
    remove: ({ name }) => removeUnknown(root, installation, name, signal),
    others: (scopes) => others(root, installation, scopes),
    close: async () => {
      if (desk === null) return;
      await rm(desk, { recursive: true, force: true });
      // The last to leave; another claim's desk keeps the folder.
      await rmdir(join(desk, "..")).catch(() => undefined);
    },
  };
}

/**
 * Looks as the service does. Only "no such file" proves anything, and only while the disk is there: it may have gone away
 * since `open`, and then every file is missing.
 */
async function probe(paths: readonly string[], root: string): Promise<Probe> {
  const looked = await Promise.all(
    paths.map(async (path) => ({
      check: `entry ${path.slice(root.length + 1)}`,
      there: !(await answered(gone(readFile(path)))),
    })),
  );
  await identityOf(root);
  const verdict = looked.some(({ there }) => there) ? "live" : "gone";
  return {
    own: verdict,
    right: verdict,
    remains: [],
    observations: looked.map(({ check, there }) => ({ check, saw: there ? "there" : "no such file" })),
  };
}

/** The names of all entries, as LIST/ENTRY. */
async function entriesOf(root: string): Promise<string[]> {
  const folders = await answered(readdir(root, { withFileTypes: true }));
  const lists = folders.filter((folder) => folder.isDirectory() && !folder.name.startsWith("."));
  const found = await Promise.all(
    lists.map(async ({ name: list }) => {
      const entries = await answered(readdir(join(root, list)));
      return entries.filter((entry) => entry.endsWith(".json")).map((entry) => `${list}/${entry}`);
    }),
  );
  return found.flat();
}

const fileOf = (name: string): string => name.slice(name.indexOf("/") + 1);

/** Everything of this installation, on whatever list: what no ledger knows is reported as drift. */
async function observe(root: string, installation: InstallationId): Promise<Observed[]> {
  const mark = `tg-${installation}-`;
  const ours = (await entriesOf(root)).filter((name) => fileOf(name).startsWith(mark));
  return Promise.all(
    ours.map(async (name): Promise<Observed> => {
      const { birthtime } = await answered(stat(join(root, name)));
      return {
        as: "own",
        name,
        what: "entry of an allow list",
        grant: grantId.parse(`gr_${fileOf(name).slice(mark.length, -".json".length)}`),
        scopeHash: null,
        since: birthtime.toISOString(),
        by: null,
        remainingMs: await remainingOf(join(root, name)),
        ...{ more: [], less: [] },
      };
    }),
  );
}

const entryShape = z.object({ account: z.string(), until: z.iso.datetime().nullable() });

async function remainingOf(path: string): Promise<number> {
  const { until } = await read(path);
  return until === null ? Number.POSITIVE_INFINITY : Date.parse(until) - Date.now();
}

/** What cannot be read lets nobody in, as the service has it. */
async function read(path: string): Promise<z.infer<typeof entryShape>> {
  const text = await answered(readFile(path, "utf8"));
  try {
    return entryShape.parse(JSON.parse(text));
  } catch {
    return { account: "", until: new Date(0).toISOString() };
  }
}

/** An entry that no ledger knows. Whose it is, its name says: another installation's, or one by hand, is not touched. */
async function removeUnknown(
  root: string,
  installation: InstallationId,
  name: string,
  signal: AbortSignal,
): Promise<Probe> {
  const [list, entry, ...rest] = name.split("/");
  const isOurs = entry?.startsWith(`tg-${installation}-`) === true && entry.endsWith(".json") && rest.length === 0;
  if (!isOurs || !listName.safeParse(list).success)
    throw new TargetError("conflict", `${name} is no entry of this installation; it was not touched`);
  signal.throwIfAborted();
  const path = join(root, name);
  if (!(await answered(gone(unlink(path))))) await syncFolder(join(path, ".."));
  return probe([path], root);
}

/** Whoever is on the lists by an entry that is not ours. */
async function others(
  root: string,
  installation: InstallationId,
  scopes: readonly NamedScope<Scope>[],
): Promise<OtherAccess[]> {
  const foreign = (await entriesOf(root)).filter((name) => !fileOf(name).startsWith(`tg-${installation}-`));
  const found = await Promise.all(
    scopes.map(({ entitlement, scope }) =>
      Promise.all(
        foreign
          .filter((name) => scope.lists.some((list) => name.startsWith(`${list}/`)))
          .map(async (name): Promise<OtherAccess> => {
            const { account } = await read(join(root, name));
            const { birthtime } = await answered(stat(join(root, name)));
            return {
              who: account,
              entitlement,
              access: `is on the allow list ${name.slice(0, name.indexOf("/"))}`,
              how: `by the entry ${name}`,
              since: birthtime.toISOString(),
              ...{ by: null, sessions: null, lastActivity: null },
            };
          }),
      ),
    ),
  );
  return found.flat(2);
}

/** Made by the operator, never by us: a disk that is not mounted must not pass for one on which everything is gone. */
async function identityOf(root: string): Promise<string> {
  const path = join(root, ".identity");
  const text = await answered(readFile(path, "utf8")).catch((error: unknown) => {
    if (!(error instanceof TargetError) || error.code !== "no-such-object") throw error;
    throw new TargetError(
      "unreachable",
      `${path} is missing: is the disk mounted? For a new folder: uuidgen > ${path}`,
    );
  });
  if (text.trim() === "")
    throw new TargetError("failed", `${path} is empty: write a text into it that no other folder has`);
  return text.trim();
}

async function present(list: string): Promise<void> {
  await answered(readdir(list)).catch(async (error: unknown) => {
    if (!(error instanceof TargetError) || error.code !== "no-such-object") throw error;
    await identityOf(join(list, ".."));
    throw new TargetError("no-such-object", `there is no list ${list}: make the folder, or correct the scope`);
  });
}

async function syncFolder(path: string): Promise<void> {
  const folder = await answered(open(path, "r"));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "");

/** Whether what was to be read or removed is not there. Every other error goes on. */
const gone = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => false,
    (error: unknown) => {
      if (codeOf(error) === "ENOENT") return true;
      throw error;
    },
  );

/** The desk has vanished: a later claim removed it. */
function deskError(error: unknown): never {
  throw codeOf(error) === "ENOENT" ? takenOver() : targetError(error);
}

/** The file system's answer in the host's words. */
const answered = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    throw targetError(error);
  });

function targetError(error: unknown): TargetError {
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  if (code === "ENOENT" || code === "ENOTDIR")
    return new TargetError("no-such-object", message, { permanent: false, cause: error });
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return new TargetError("not-permitted", message, { cause: error });
  return new TargetError("failed", message, { cause: error });
}
