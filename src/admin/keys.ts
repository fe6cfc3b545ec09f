/** `tidegate keys …`: which keys there are and what they seal, a new one, an earlier one dropped, a lost one given up. */
import { userInfo } from "node:os";
import type { InstallationId } from "../base/ids.ts";
import { abandonKey } from "../operations/abandon-key.ts";
import { recordKeyChange } from "../operations/record-key-change.ts";
import type { SqlTransacting } from "../operations/transact.ts";
import type { Store } from "../store/db.ts";
import { findInstallation } from "../store/installation.ts";
import { abandonedKeys, countOf, type KeyHolder, keyHolders, keyUse, lostWith } from "../store/keys/key-use.ts";
import {
  findKeyRing,
  type KeyEnvironment,
  newSealingKey,
  readKeys,
  sealingKeySource,
  writeKeys,
} from "../store/keys/sealing-keys.ts";
import { addSigningKey, findSigningKeyId } from "../store/keys/signing-key.ts";
import { type StorePlace, withLocalStore } from "../store/local-store.ts";
import type { SealingKey } from "../store/sealed.ts";
import { SqlLedger } from "../store/sql-ledger.ts";
import type { CommandResult } from "./check.ts";

export type KeysOptions = StorePlace & { readonly env: KeyEnvironment; readonly json: boolean };

/** A running process reads the key file every two seconds. */
const LOOK_EVERY_MS = 250;

export async function listKeys(options: KeysOptions): Promise<CommandResult> {
  const ring = findKeyRing(options.dataDir, options.env);
  const signing = findSigningKeyId(options.dataDir, options.env);
  return withLocalStore(options, async ({ db }) => {
    const use = await keyUse(db);
    const abandoned = await abandonedKeys(db);
    const holders = await keyHolders(db);
    const ids = [...new Set([...(ring?.ids ?? []), ...use.map(({ keyId }) => keyId), ...abandoned])];
    const keys = ids.map((id) => ({
      id,
      state: stateOf(id, ring?.ids ?? [], abandoned),
      credentials: use.find(({ keyId }) => keyId === id)?.credentials ?? 0,
      connections: use.find(({ keyId }) => keyId === id)?.connections ?? 0,
      heldBy: holders.filter((holder) => holder.keys.includes(id)).map(({ process }) => process),
    }));
    if (options.json) return done(JSON.stringify({ sealing: keys, signing, processes: holders }));
    const lines = keys.map(
      (key) =>
        `${key.id}  ${key.state.padEnd(9)}  seals ${countOf({ keyId: key.id, ...key })}${holders.length === 0 ? "" : `; held by ${key.heldBy.length} of ${holders.length} running`}`,
    );
    return done(
      ["Sealing keys:", ...lines, `Signing key: ${signing ?? "none yet; the server makes it at its first start"}`].join(
        "\n",
      ),
    );
  });
}

function stateOf(id: string, ring: readonly string[], abandoned: readonly string[]): string {
  if (ring[0] === id) return "current";
  if (ring.includes(id)) return "in ring";
  return abandoned.includes(id) ? "abandoned" : "MISSING";
}

/** First phase: the new key is in the ring and seals nothing yet. */
export const addKey = (options: KeysOptions): Promise<CommandResult> =>
  onRing(options, async ({ path, keys, ledger }) => {
    const fresh = await add(path, keys, ledger);
    return done(
      options.json
        ? JSON.stringify({ added: fresh.id })
        : `Added ${fresh.id} to ${path}; it seals nothing yet. Bring the file to every replica, then: tidegate keys promote ${fresh.id}`,
    );
  });

/** Second phase: once every running process holds it, the key becomes the current one. */
export const promoteKey = (id: string, options: KeysOptions): Promise<CommandResult> =>
  onRing(options, async (ring) => {
    const { store, path, keys } = ring;
    if (!keys.some((key) => key.id === id))
      throw new Error(`${path} does not hold the key ${id}; "tidegate keys list" shows those that there are.`);
    if (keys[0]?.id === id) return done(options.json ? JSON.stringify({ current: id }) : `${id} is the current key.`);
    const lacking = await lackingIn(store, id);
    if (lacking.length > 0) throw new Error(notEverywhere(id, path, lacking));
    await promote(ring, id);
    return promoted(id, path, options.json);
  });

/** Both phases in one, where all running processes read this file. */
export const rotateKeys = (options: KeysOptions & { readonly waitMs: number }): Promise<CommandResult> =>
  onRing(options, async (ring) => {
    const { store, path, keys, ledger } = ring;
    const fresh = await add(path, keys, ledger);
    let lacking = await lackingIn(store, fresh.id);
    for (let left = options.waitMs; lacking.length > 0 && left > 0; left -= LOOK_EVERY_MS) {
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, LOOK_EVERY_MS);
      await promise;
      lacking = await lackingIn(store, fresh.id);
    }
    if (lacking.length > 0)
      return {
        exitCode: PENDING,
        text: options.json
          ? JSON.stringify({ added: fresh.id, lacking: lacking.map(({ process }) => process) })
          : `Added ${fresh.id}, not promoted yet. ${notEverywhere(fresh.id, path, lacking)}`,
      };
    await promote({ ...ring, keys: [...keys, fresh] }, fresh.id);
    return promoted(fresh.id, path, options.json);
  });

/** A new signing key before those that there are; the server signs with it from its next start on. */
export async function rotateSigningKey({ dataDir, env, json }: KeysOptions): Promise<CommandResult> {
  const { key, path } = await addSigningKey(dataDir, env);
  return done(
    json
      ? JSON.stringify({ added: key.id, path })
      : `Added ${key.id} to ${path}, before the key that signs now. Start the server again: it signs with the new one, and writes into the log that the earlier one signed for it. Then the earlier one may leave the file.`,
  );
}

const PENDING = 4;

/** An earlier key leaves the ring, once nothing needs it. */
export const forgetKey = (id: string, options: KeysOptions): Promise<CommandResult> =>
  onRing(options, async ({ store, path, keys, ledger }) => {
    if (!keys.some((key) => key.id === id)) throw new Error(`${path} does not hold the key ${id}.`);
    if (keys[0]?.id === id) throw new Error(`${id} is the current key. Promote another one first.`);
    const using = (await keyHolders(store.db)).filter(({ current }) => current === id);
    if (using.length > 0)
      throw new Error(`${id} is still the current key of ${namesOf(using)}: give them the ring of ${path} first.`);
    const use = (await keyUse(store.db)).find(({ keyId }) => keyId === id);
    if (use !== undefined)
      throw new Error(
        `${id} still seals ${countOf(use)}. A running server seals them anew within seconds; if it cannot, its log says why.`,
      );
    await writeKeys(
      path,
      keys.filter((key) => key.id !== id),
    );
    await recordKeyChange(ledger, "key.forgotten", id, osUser());
    return done(
      options.json
        ? JSON.stringify({ forgotten: id })
        : `Forgot ${id}: it is no longer in ${path}. Backups made before now still need it: keep a copy with them.`,
    );
  });

/** A lost key is given up. Without `yes` it only says what that means. */
export const abandon = (id: string, options: KeysOptions & { readonly yes: boolean }): Promise<CommandResult> =>
  withLocalStore(options, async (store) => {
    const { db } = store;
    if (findKeyRing(options.dataDir, options.env)?.find(id) != null)
      throw new Error(`The key ${id} is here, in the ring: it is not lost. Nothing was changed.`);
    const holders = (await keyHolders(db)).filter(({ keys }) => keys.includes(id));
    if (holders.length > 0)
      throw new Error(
        `The key ${id} is not lost: ${namesOf(holders)} has it, or had it some seconds ago. Nothing was changed.`,
      );
    const use = (await keyUse(db)).find(({ keyId }) => keyId === id);
    if (use === undefined) throw new Error(`Nothing is sealed with the key ${id}. Nothing was changed.`);
    const { undelivered } = await lostWith(db, id);
    if (!options.yes)
      return {
        exitCode: 2,
        text: [
          `Key ${id} seals ${countOf(use)}. If it is lost for good:`,
          `- ${undelivered.length} live grants have a secret that nobody has had yet: a new one is made for each, nobody has to do anything.`,
          `- ${use.connections} connections that were kept with leases do not open. Their access is revoked on time with the connection as it is configured now; a resource that was removed from the configuration must be put back, or its references (environment, files) must still lead somewhere.`,
          "Nothing was changed. If the key turns up later, put it into the ring, and it opens them again.",
          `To go on: tidegate keys abandon ${id} --yes`,
        ].join("\n"),
      };
    const lost = await abandonKey(await ledgerOf(store), id, osUser());
    return done(
      options.json
        ? JSON.stringify({ abandoned: id, undelivered: lost.undelivered, connections: lost.connections })
        : `Abandoned ${id}: ${lost.undelivered.length} undelivered secrets are made anew, ${lost.connections} kept connections do not open any more. The server can start.`,
    );
  });

type Ring = {
  readonly store: Store;
  readonly ledger: SqlTransacting;
  readonly path: string;
  readonly keys: readonly SealingKey[];
};

/** Changes to the ring are changes to its file. */
async function onRing(options: KeysOptions, work: (ring: Ring) => Promise<CommandResult>): Promise<CommandResult> {
  const source = sealingKeySource(options.dataDir, options.env);
  if (source.kind === "environment")
    throw new Error(
      'The sealing keys come from TIDEGATE_SEALING_KEY, which only you can change. To rotate: make a key ("openssl rand -base64 32"), append it after a comma and restart every replica; then put it first and restart every replica again; once "tidegate keys list" shows that the earlier one seals nothing, take that one out.',
    );
  return withLocalStore(options, async (store) =>
    work({ store, ledger: await ledgerOf(store), path: source.path, keys: readKeys(source) }),
  );
}

async function ledgerOf({ db }: Store): Promise<SqlTransacting> {
  const installation: InstallationId | null = await findInstallation(db);
  if (installation === null) throw new Error("The store is empty: start the server once.");
  return { ledger: new SqlLedger(db), installation, wake: () => undefined };
}

async function add(path: string, keys: readonly SealingKey[], ledger: SqlTransacting): Promise<SealingKey> {
  const fresh = newSealingKey();
  await writeKeys(path, [...keys, fresh]);
  await recordKeyChange(ledger, "key.added", fresh.id, osUser());
  return fresh;
}

async function promote({ path, keys, ledger }: Ring, id: string): Promise<void> {
  await writeKeys(path, [...keys.filter((key) => key.id === id), ...keys.filter((key) => key.id !== id)]);
  await recordKeyChange(ledger, "key.promoted", id, osUser());
}

const lackingIn = async ({ db }: Store, id: string): Promise<KeyHolder[]> =>
  (await keyHolders(db)).filter(({ keys }) => !keys.includes(id));

const notEverywhere = (id: string, path: string, lacking: readonly KeyHolder[]): string =>
  `${namesOf(lacking)} does not have the key ${id}, and could not open what the others seal with it. Bring ${path} to it (it is read again within seconds; environments need a restart), then: tidegate keys promote ${id}`;

const namesOf = (holders: readonly KeyHolder[]): string => holders.map(({ process }) => process).join(", ");

const promoted = (id: string, path: string, json: boolean): CommandResult =>
  done(
    json
      ? JSON.stringify({ current: id })
      : `${id} is the current key now. Running servers seal earlier secrets anew; "tidegate keys list" shows how far they are. Other replicas need ${path} as it is now.`,
  );

const osUser = (): string => userInfo().username;

const done = (text: string): CommandResult => ({ exitCode: 0, text });
