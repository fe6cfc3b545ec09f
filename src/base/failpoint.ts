/**
 * Named points between two steps, where a test makes the process die, stop or fail. Inactive unless the environment of the
 * server switches them on; then each that fires is written to a file first, so that a test can assert that it did.
 *
 * For tests only. Put one between any two effects of which the first may be done and the second not:
 * `await failpoint("postgres.revoke.after-shut")`, and give it a line in the table.
 */
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as pauseMs } from "node:timers/promises";
import { nearest } from "./nearest.ts";

/** Every point there is, and what has and has not happened when it is reached. Each stands at exactly one place in the code. */
export const FAILPOINTS = {
  "start.after-record": "Whether the grant starts is decided and committed; nothing is written about what to make.",
  "provision.after-right": "The right is held for this claim; there is no lease, and nothing was looked at.",
  "provision.after-lease": "The lease is committed; nothing is made on the target.",
  "provision.after-target": "The target has made it; the ledger does not know.",
  "provision.after-record": "The grant is active; nobody has its secret.",
  "deliver.after-record": "The sealed secret is destroyed; the answer that holds it is not sent.",
  "extend.after-target": "The target has the later end; the ledger does not know.",
  "extend.after-record": "The ledger knows that the target has the later end.",
  "rotate.after-seal": "The new secret is sealed in place of the old; the target knows the old.",
  "rotate.after-target": "The target knows the new secret; the ledger does not know that.",
  "rotate.after-record": "The new secret is ready; nobody has it.",
  "expire.after-record": "The end is committed; nothing was taken away.",
  "revoke.after-target": "Whatever revoking did is done; nobody has probed.",
  "revoke.after-probe": "The probe has answered; the ledger does not know.",
  "revoke.after-record": "What the probe saw is in the ledger: the grant is closed, or comes again.",
  "confirm.after-probe": "The second probe has answered; the ledger does not know.",
  "confirm.after-record": "The second probe is in the ledger.",
  "postgres.provision.before-commit":
    "Group, login and membership are made in a transaction that is not committed; the login's OID is in the ledger.",
  "postgres.provision.after-commit": "Group, login and membership are committed; the ledger does not know it.",
  "postgres.revoke.before-shut": "The login was found, and nothing about it was changed.",
  "postgres.revoke.after-shut": "NOLOGIN is committed; sessions go on.",
  "postgres.revoke.after-refusal": "The shut login was seen refused, and that is in the ledger; sessions go on.",
  "postgres.revoke.after-sessions": "Sessions are ended; what was prepared or is owned is as it was.",
  "postgres.revoke.after-prepared": "Prepared transactions are rolled back; the login owns what it owned.",
  "postgres.disable.after-shut": "NOLOGIN is committed while our own store is away; sessions go on.",
  "postgres.clean-up.after-graveyard": "The graveyard owner is there; nothing was handed to it.",
  "postgres.clean-up.after-reassign":
    "Objects are reassigned in the transaction of one database, which is not committed.",
  "postgres.clean-up.before-commit":
    "Privileges are dropped in the transaction of one database, which is not committed.",
  "postgres.clean-up.after-database": "One database is emptied and committed; the next is as it was.",
  "postgres.revoke.before-drop": "The login owns nothing and has no privilege; it is there.",
  "postgres.revoke.after-drop": "The login is dropped; its sessions were not looked for again, its group is there.",
  "postgres.revoke.before-collect": "Nothing of the login is left; the group that no grant may use is there.",
  "postgres.collect.before-commit": "The group is dropped in a transaction that is not committed.",
  "postgres.collect.after-commit": "The group is dropped; nobody has probed.",
  "postgres.mend.after-elsewhere":
    "What a group had in other databases is taken; its own rights are as they were found.",
  "postgres.mend.before-commit":
    "Group, login and membership are as the order says in a transaction that is not committed.",
  "postgres.remove.before-drop": "A group that no ledger knows is empty; it is there.",
  "sweep.after-look": "The target was looked at; nothing is recorded.",
  "sweep.after-record": "Findings are recorded; nothing was done about them.",
  "sweep.between-remedies":
    "Something was done about one finding; the ledger does not say so, and the next is as it was.",
  "sweep.before-end": "Everything is recorded; the claim on the resource is still held.",
  "sink.after-send": "A sink has entries of the log; its position does not say so.",
  "journal.write.before-sync": "The journal's new content is written into its place, and may not be on disk.",
  "journal.shut.after-begun":
    "The store is away; the journal says that a grant is being shut, and nothing was done to it.",
  "journal.shut.after-done": "The store is away; a grant is shut, and the journal says so.",
  "journal.report.after-commit": "The ledger knows that a grant was shut; the journal does not know that it knows.",
} as const satisfies Readonly<Record<string, string>>;

export type FailpointName = keyof typeof FAILPOINTS;

/**
 * - `kill`: the process ends at once, as by `kill -9`.
 * - `pause:FILE`: waits while the file is there; a point whose file is not there is not switched on.
 * - `throw`: throws FailpointFired.
 * - `note`: is only written down.
 */
type Action = { readonly do: "kill" | "throw" | "note" } | { readonly do: "pause"; readonly whileFile: string };

/** `onlyAt` is how many times the point must be reached before it fires, once; null: it fires every time. */
type Armed = { readonly action: Action; readonly onlyAt: number | null; reached: number };

const PAUSE_LOOK_MS = 20;

export class FailpointFired extends Error {
  override readonly name = "FailpointFired";
}

let armed: { readonly points: ReadonlyMap<FailpointName, Armed>; readonly file: string } | null = null;

/** Does nothing, unless this point was switched on at the start. */
export function failpoint(name: FailpointName): Promise<void> {
  if (armed === null) return PASSED;
  return reach(name);
}

const PASSED = Promise.resolve();

async function reach(name: FailpointName): Promise<void> {
  const point = armed?.points.get(name);
  if (armed === null || point === undefined) return;
  if (point.action.do === "pause" && !existsSync(point.action.whileFile)) return;
  point.reached += 1;
  if (point.onlyAt !== null && point.reached !== point.onlyAt) return;
  const tell = (what: string): void => appendFileSync(armed?.file ?? "", `${name} ${what} ${process.pid}\n`);
  const { action } = point;
  tell(action.do);
  switch (action.do) {
    case "kill":
      process.kill(process.pid, "SIGKILL");
      // Nothing after this point may happen, should the signal take a moment.
      for (;;);
    case "throw":
      throw new FailpointFired(`failpoint ${name}`);
    case "pause":
      while (existsSync(action.whileFile)) await pauseMs(PAUSE_LOOK_MS);
      tell("resumed");
      return;
    case "note":
      return;
  }
}

/**
 * Switches points on as `TIDEGATE_FAILPOINTS` says, and every other off. Answers those that are on. Throws with what is wrong in the variable.
 *
 * `postgres.revoke.after-shut=kill,postgres.revoke.before-drop=pause:/tmp/wait@2`: commas between points; `@2` fires at the
 * second time that the point is reached, and only then; `*=note` is every point. What fires goes to the file that
 * `TIDEGATE_FAILPOINTS_FILE` names, as lines of point, action (or `resumed`) and process id.
 */
export function armFailpoints(env: Readonly<Record<string, string | undefined>>): FailpointName[] {
  armed = null;
  const wanted = env["TIDEGATE_FAILPOINTS"]?.trim() ?? "";
  if (wanted === "") return [];
  const file = env["TIDEGATE_FAILPOINTS_FILE"] ?? "";
  if (file === "") throw new Error("TIDEGATE_FAILPOINTS needs TIDEGATE_FAILPOINTS_FILE, where what fires is written");
  const points = new Map(wanted.split(",").flatMap((part) => parsePart(part.trim())));
  armed = { points, file };
  return [...points.keys()];
}

const names = Object.keys(FAILPOINTS) as FailpointName[];

function parsePart(part: string): [FailpointName, Armed][] {
  const [, name = "", verb = "", whileFile, at] =
    /^([^=]+)=(kill|throw|note|pause)(?::([^@]+))?(?:@(\d+))?$/.exec(part) ?? [];
  if (name === "" || (verb === "pause") !== (whileFile !== undefined))
    throw new Error(
      `TIDEGATE_FAILPOINTS: "${part}" is none; write NAME=kill, NAME=throw, NAME=note or NAME=pause:FILE, with @N to fire at the Nth time only`,
    );
  const action: Action = verb === "pause" ? { do: "pause", whileFile: whileFile ?? "" } : { do: verb as "kill" };
  const point = (): Armed => ({ action, onlyAt: at === undefined ? null : Number(at), reached: 0 });
  if (name === "*") return names.map((one) => [one, point()]);
  const known = names.find((one) => one === name);
  if (known === undefined) {
    const near = nearest(name, names);
    throw new Error(`TIDEGATE_FAILPOINTS: there is no point ${name}${near === null ? "" : `; did you mean ${near}?`}`);
  }
  return [[known, point()]];
}
