/**
 * The story: access is asked for, argued about, given, used, ended and proven gone. Nothing is acted: the commands are the
 * real ones, and every claim is checked on production itself.
 */
import { formatDuration } from "../base/duration.ts";
import { type Client, createClient } from "../contract/client.ts";
import { findPsql, type LiveSession, type Way } from "./live-session.ts";
import { query } from "./production.ts";
import { Stage } from "./stage.ts";
import type { DemoState } from "./state.ts";

export type StoryOptions = {
  readonly dir: string;
  readonly state: DemoState;
  readonly tokens: Readonly<Record<string, string>>;
  readonly program: string;
  readonly say: (line: string) => void;
  /** Has this stopped when the demo is. */
  readonly atEnd: (stop: () => unknown) => void;
};

const EXIT = { done: 0, denied: 3, pending: 4 } as const;
const REASON = "checking slow checkouts";
const ALICE_FOR = "20s";

/** Plays it. True when every step was seen to hold. */
export async function playStory({ state, tokens, program, say, atEnd }: StoryOptions): Promise<boolean> {
  const stage = new Stage({ say, program, url: state.url, tokens, atEnd });
  const clientOf = (person: string): Client => createClient({ url: state.url, token: tokens[person] ?? "" });
  await endWhatIsLeft(stage, clientOf("carol"), clientOf("alice"));
  await standingAccess(stage, state);
  const grant = await asksAndWaits(stage, clientOf("alice"));
  if (grant !== null) {
    const session = await uses(stage, clientOf("alice"), grant);
    await incident(stage, clientOf("erin"), state);
    await contractor(stage);
    await theEnd(stage, clientOf("alice"), grant, session, state);
    await theRecord(stage, grant, state);
  }
  const { failures } = stage;
  say(
    failures.length === 0
      ? "\nThe story held: every step was seen.\n"
      : `\nThe story did NOT hold:\n${failures.map((f) => `  ✘ ${f}`).join("\n")}\n`,
  );
  return failures.length === 0;
}

/** Of a story that was broken off, or of what somebody tried since: this one would take it for its own. */
async function endWhatIsLeft(stage: Stage, carol: Client, alice: Client): Promise<void> {
  const { grants } = await carol.listGrants({ state: "scheduled,provisioning,active,revoking" });
  const { requests } = await alice.listRequests({ state: "pending", person: "me" });
  if (grants.length + requests.length > 0) stage.say("\nWhat is left from before is ended first.");
  for (const { id } of requests) await stage.run("alice", ["cancel", id]);
  for (const { id } of grants) await stage.run("carol", ["revoke", id, "--reason", "the story begins anew", "--wait"]);
}

async function standingAccess(stage: Stage, state: DemoState): Promise<void> {
  stage.scene("Nobody has standing access to production");
  stage.saw((await temporaryRoles(state)).length === 0, "production has no temporary login");
}

async function asksAndWaits(stage: Stage, alice: Client): Promise<string | null> {
  stage.scene("Alice, payments engineer, asks to read the orders database");
  const asked = await stage.run("alice", ["request", "orders-db:read", "--for", ALICE_FOR, "--reason", REASON]);
  stage.saw(asked.code === EXIT.pending, "it waits for a payments lead (exit code 4: pending)");
  const [request] = (await alice.listRequests({ state: "pending" })).requests;
  if (request === undefined) {
    stage.saw(false, "her request is pending");
    return null;
  }
  stage.scene("She cannot approve herself; Bob, a lead, can");
  const own = await stage.run("alice", ["approve", request.id]);
  stage.saw(own.code === EXIT.denied, "her own approval is refused (exit code 3: denied)");
  const approved = await stage.run("bob", ["approve", request.id, "--comment", "go ahead"]);
  stage.saw(approved.code === EXIT.done, "Bob's approval is enough");
  const { grantId } = await alice.getRequest(request.id);
  stage.saw(grantId !== null, "there is a grant now");
  return grantId;
}

async function uses(stage: Stage, alice: Client, grantId: string): Promise<LiveSession | null> {
  stage.scene("She uses it: just what was described, and nothing else");
  const way = await credentialOf(alice, grantId);
  if (way === null) {
    stage.saw(false, "a credential is delivered");
    return null;
  }
  const session = await stage.signIn(way);
  stage.say(
    `   Alice signs in with ${session.kind === "psql" ? "the real psql" : "the driver (psql is not installed here)"} as ${way.username}, a login that lives only for this grant.`,
  );
  await ask(stage, session, "select count(*) from orders where status = 'stuck'", true);
  await ask(stage, session, "select id, name from customers order by id limit 2", true);
  await ask(stage, session, "select email from customers limit 1", false);
  await ask(stage, session, "select card_number from payment_cards limit 1", false);
  stage.say(
    "   The session starts read-only, which is only a setting. She switches it off; the rights stay what they are.",
  );
  await ask(stage, session, "set session characteristics as transaction read write", true);
  await ask(stage, session, "update orders set status = 'paid' where status = 'stuck'", false);
  const again = await alice.credential(grantId, {}).then(
    () => false,
    () => true,
  );
  stage.saw(again, "the password was delivered once; asking again is refused");
  return session;
}

async function ask(stage: Stage, session: LiveSession, sql: string, allowed: boolean): Promise<void> {
  const said = await session.ask(sql);
  stage.say(`   orders=> ${sql};`);
  for (const line of said.text.split("\n").filter(Boolean).slice(0, 3)) stage.say(`     ${line}`);
  stage.saw(said.ok === allowed, allowed ? "allowed" : "refused by the database itself");
}

const INCIDENT = ["orders-db:read", "--for", "5m", "--ticket", "INC-42", "--reason", "checkouts fail"];

async function incident(stage: Stage, erin: Client, state: DemoState): Promise<void> {
  stage.scene("An incident: Erin is on call. Policy sees that, and the ticket, and approves by itself");
  const sql = "select status, count(*) from orders group by 1 order by 1";
  if (findPsql() === null) await incidentWithoutPsql(stage, erin, sql);
  else {
    const shown = await stage.run("erin", ["psql", ...INCIDENT, "--", "-c", sql]);
    stage.saw(
      shown.code === EXIT.done && shown.output.includes("stuck"),
      "one command from the question to the answer, and the access given back after it",
    );
  }
  stage.saw(await untilGone(state, 1), "only Alice's login is left on production");
}

/** The same in the steps that "tidegate psql" takes, with the driver in its place. */
async function incidentWithoutPsql(stage: Stage, erin: Client, sql: string): Promise<void> {
  stage.say('   psql is not installed here: instead of the one command "tidegate psql", its steps one by one.');
  const asked = await stage.run("erin", ["request", ...INCIDENT, "--wait"]);
  stage.saw(asked.code === EXIT.done, "granted at once");
  const [grant] = (await erin.listGrants({ person: "me", state: "active" })).grants;
  const way = grant === undefined ? null : await credentialOf(erin, grant.id);
  if (grant === undefined || way === null) return stage.saw(false, "a credential is delivered");
  const session = await stage.signIn(way);
  await ask(stage, session, sql, true);
  await session.close();
  const given = await stage.run("erin", ["revoke", grant.id, "--wait"]);
  stage.saw(given.code === EXIT.done, "the access is given back, and proven gone");
}

async function contractor(stage: Stage): Promise<void> {
  stage.scene("Dave is a contractor: policy says no, and says why");
  const shown = await stage.run("dave", [
    "request",
    "orders-db:read",
    "--for",
    "1h",
    "--reason",
    "I would like to look around",
  ]);
  stage.saw(
    shown.code === EXIT.denied && shown.output.includes("no-contractors-on-payments"),
    "denied, naming the rule (exit code 3)",
  );
}

async function theEnd(
  stage: Stage,
  alice: Client,
  grantId: string,
  session: LiveSession | null,
  state: DemoState,
): Promise<void> {
  stage.scene("Time is up for Alice, in the middle of her session");
  const before = await alice.getGrant(grantId);
  stage.say(`   The grant ends at ${before.expiresAt}; her session is still open. Waiting …`);
  let grant = before;
  while (!["revoked", "failed", "cancelled"].includes(grant.state))
    grant = await alice.getGrant(grantId, { waitSeconds: 20, while: grant.state });
  stage.saw(grant.state === "revoked", `revoked ${lateness(grant.expiresAt, grant.revokedAt)} after its end`);
  if (session !== null) {
    const said = await session.ask("select 1");
    for (const line of said.text.split("\n").slice(0, 2)) stage.say(`     ${line}`);
    stage.saw(!said.ok, "her open session was cut: the next query fails");
    await session.close();
  }
  stage.saw((await temporaryRoles(state)).length === 0, "production has no temporary login any more");
  const receipt = await stage.run("alice", ["grants", "show", grantId]);
  stage.saw(
    receipt.code === EXIT.done && grant.receipt !== null,
    "the receipt says what was checked on production, and what was seen",
  );
}

async function theRecord(stage: Stage, grantId: string, state: DemoState): Promise<void> {
  stage.scene("Carol, security, reads the record");
  const shown = await stage.run("carol", ["audit", "list", "--grant", grantId]);
  stage.saw(
    shown.code === EXIT.done && shown.output.includes("grant.revoked"),
    "every change of the grant is in the log, from the approval to the proof",
  );
  if (state.storeUrl === null) return;
  const store = new URL(state.storeUrl);
  store.pathname = "/tidegate";
  const refused = await query(store.href, async (client) =>
    client.query("update audit_entries set leaf = leaf where false or true"),
  ).then(
    () => false,
    (error: Error) => error.message.includes("insert-only"),
  );
  stage.saw(refused, "even the store's superuser is refused a plain UPDATE of the log");
}

/** Waits for the access to be made, then takes the secret. */
async function credentialOf(alice: Client, grantId: string): Promise<Way | null> {
  let grant = await alice.getGrant(grantId);
  while (grant.state === "scheduled" || grant.state === "provisioning")
    grant = await alice.getGrant(grantId, { waitSeconds: 10, while: grant.state });
  if (grant.state !== "active") return null;
  const taken = await alice.credential(grantId, {});
  return taken.delivered && taken.credential.kind === "password" ? taken.credential : null;
}

const temporaryRoles = (state: DemoState): Promise<string[]> =>
  query(state.productionAdminUrl, async (client) => {
    const { rows } = await client.query<{ rolname: string }>(
      "select rolname from pg_roles where rolcanlogin and rolname like 'tg\\_%' order by 1",
    );
    return rows.map((row) => row.rolname);
  });

/** Whether only so many temporary logins are left, soon. */
async function untilGone(state: DemoState, left: number): Promise<boolean> {
  const LOOKS = 100;
  const PAUSE_MS = 100;
  for (let look = 0; look < LOOKS; look += 1) {
    if ((await temporaryRoles(state)).length <= left) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, PAUSE_MS);
    await promise;
  }
  return false;
}

function lateness(expiresAt: string, revokedAt: string | null): string {
  const ms = revokedAt === null ? 0 : Date.parse(revokedAt) - Date.parse(expiresAt);
  return ms < 1_000 ? `${ms} ms` : formatDuration(ms);
}
