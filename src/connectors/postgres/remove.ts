/**
 * Taking away what carries our mark and is in no ledger: what a worker made that slept through its claim, what a store that
 * was lost had made, or what somebody made with a mark of ours. The way is that of `revoke`; the mark is looked at again
 * here, on the target, and nothing without it is touched.
 */
import { failpoint } from "../../base/failpoint.ts";
import { type Probe, TargetError } from "../../connector/connector.ts";
import type { Observed } from "../../domain/observed.ts";
import { cleanUp, emptyHere, placesOf } from "./clean-up.ts";
import { endSessions, sessionsOf } from "./end-sessions.ts";
import { countMembers, lockGroup } from "./group-role.ts";
import { isMember, revokeMembership } from "./membership.ts";
import { graveyardRole, type Names } from "./names.ts";
import { rollBackPrepared } from "./prepared.ts";
import { probeAbsent, summed } from "./probe.ts";
import { identifier } from "./quote.ts";
import { cutAndRemove } from "./revoke.ts";
import { findRole, findRoleByOid, foreign, type Role } from "./roles.ts";
import type { Session } from "./session.ts";

export async function remove(session: Session, observed: Observed): Promise<Probe> {
  switch (observed.as) {
    case "own":
      return removeLogin(session, observed.name);
    case "shared":
      return removeGroup(session, observed.name);
    case "by-hand":
      return removeMember(session, observed.name);
    case "made":
      throw new TargetError(
        "not-supported",
        `${observed.name} was made by somebody and may be missed; look at it, and drop it by hand`,
        { permanent: false },
      );
  }
}

/** The role, if it is there and carries the mark of the installation that works here. */
async function findOurs(session: Session, name: string): Promise<Role | null> {
  const role = await findRole(session.main, name);
  if (role !== null && !role.mark.startsWith(`tidegate:${session.actor.installation}:`)) throw foreign(name);
  return role;
}

const namesFor = (session: Session, role: string): Names => ({
  role,
  group: role,
  graveyard: graveyardRole(session.actor.installation),
});

async function removeLogin(session: Session, name: string): Promise<Probe> {
  const role = await findOurs(session, name);
  if (role === null) return absent(session, null, name);
  if (role.mark.endsWith(":graveyard"))
    throw new TargetError("conflict", `${name} keeps what people left behind; it is not removed`);
  const cut = { scope: { database: session.connection.admin.database }, remember: async () => {} };
  await cutAndRemove(session, cut, namesFor(session, name), role);
  await endSessions(session, role.oid, 1);
  await rollBackPrepared(session, { oid: role.oid, name: null });
  return absent(session, role.oid, name);
}

async function absent(session: Session, oid: number | null, name: string): Promise<Probe> {
  return summed(await probeAbsent(session, oid, name), []);
}

/** A group whose last member is gone. Whoever makes a grant of its scope meanwhile takes the same lock, and makes it anew. */
async function removeGroup(session: Session, name: string): Promise<Probe> {
  const group = await findOurs(session, name);
  if (group === null) return absent(session, null, name);
  const members = await countMembers(session.main, group);
  if (members > 0) throw new TargetError("conflict", `${name} has ${members} members; they go first`);
  const names = namesFor(session, name);
  await rollBackPrepared(session, group);
  const places = await placesOf(session.main, group.oid);
  // The database of its scope, where its lock is: the one in which it has rights, besides those that all share.
  const home = places.find(({ database }) => database !== session.main.database)?.database ?? session.main.database;
  const client = await session.inDatabase(home);
  await cleanUp(session, group, names, home);
  await client.transaction(async () => {
    await lockGroup(client, name);
    const still = await findRoleByOid(client, group.oid);
    if (still === null || (await countMembers(client, still)) > 0) return;
    await emptyHere(session, client, still, names);
    await failpoint("postgres.remove.before-drop");
    await client.run(`drop role ${identifier(still.name)}`);
  });
  return absent(session, group.oid, name);
}

const BETWEEN = " in ";

async function removeMember(session: Session, name: string): Promise<Probe> {
  const at = name.lastIndexOf(BETWEEN);
  const [member, groupName] = [name.slice(0, at), name.slice(at + BETWEEN.length)];
  const group = await findOurs(session, groupName);
  if (at > 0 && group !== null) await revokeMembership(session, session.main, groupName, member);
  const there = at > 0 && group !== null && (await isMember(session.main, groupName, member));
  const role = await findRole(session.main, member);
  const sessions = role === null ? [] : await sessionsOf(session.main, role.oid);
  const check = `membership in ${groupName}`;
  return {
    own: there ? "live" : "gone",
    right: there ? "live" : "gone",
    remains: [],
    observations: [
      { check, saw: there ? "still a member" : "no member" },
      // What they sign in with is not ours to end. Nobody can see from outside which of them did SET ROLE before.
      ...(sessions.length === 0
        ? []
        : [
            {
              check: "sessions of the member",
              saw: `${sessions.length}; one that acts as the group goes on until it ends`,
            },
          ]),
    ],
  };
}
