/**
 * Everything one claim has open on a target: the main connection, and those to other databases and endpoints.
 *
 * Fencing: every connection is named after installation, grant and fence. Who takes over ends the older ones first. The
 * main connection is never made again, and every other one is used only after the main one was seen alive: a claim
 * whose main connection was ended can therefore start nothing new, whenever it wakes.
 */
import { z } from "zod";
import type { Secret } from "../../base/secret.ts";
import { type Actor, actorName, TargetError } from "../../connector/connector.ts";
import { type Client, connect, type LoginAnswer, tryLogin } from "./client.ts";
import type { Endpoint, PostgresConnection } from "./connection.ts";
import { SQLSTATE, sqlState } from "./errors.ts";

const VERSION_MIN = 14;
const END_ROUNDS_MAX = 50;
const ROUND_PAUSE_MS = 20;
/** How long a standby may be behind before we stop waiting for it. */
const REPLAY_TIMEOUT_MS = 5_000;

export type Session = {
  readonly connection: PostgresConnection;
  readonly main: Client;
  readonly actor: Actor;
  readonly signal: AbortSignal;
  /** 14, 15 … */
  readonly version: number;
  /** The role we work as. */
  readonly admin: { readonly name: string; readonly superuser: boolean };
  /** The connection to one database of the target, made when first asked for. */
  inDatabase(database: string): Promise<Client>;
  /** The main connection first, then one to every other endpoint. */
  endpoints(): readonly { readonly endpoint: Endpoint; readonly open: () => Promise<Client> }[];
  login(endpoint: Endpoint, user: string, password: Secret, database: string): Promise<LoginAnswer>;
  close(): Promise<void>;
};

const factsShape = z.object({
  version: z.number(),
  name: z.string(),
  superuser: z.boolean(),
});

export async function openSession(
  connection: PostgresConnection,
  context: { signal: AbortSignal; actor: Actor },
): Promise<Session> {
  const { actor, signal } = context;
  const applicationName = actorName(actor);
  const { admin } = connection;
  const main = await connect(admin, { database: admin.database, applicationName, signal });
  const opened: Client[] = [main];
  let version = VERSION_MIN;
  const databases = new Map([[admin.database, main]]);
  const others = new Map<Endpoint, Client>();
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((client) => client.close()));
  };

  const more = async (endpoint: Endpoint, database: string): Promise<Client> => {
    const client = await connect(endpoint, { database, applicationName, signal });
    opened.push(client);
    await refuseSampling(client, version);
    // Whoever ended our main connection before this one was made cannot have seen this one: then it must not be used.
    await main.run("select 1");
    return client;
  };
  const inDatabase = async (database: string): Promise<Client> => {
    const known = databases.get(database);
    if (known !== undefined) return known;
    const client = await more(admin, database);
    databases.set(database, client);
    return client;
  };
  const atEndpoint = async (endpoint: Endpoint): Promise<Client> => {
    const known = others.get(endpoint);
    if (known !== undefined) return known;
    const client = await more(endpoint, endpoint.database);
    others.set(endpoint, client);
    return client;
  };

  try {
    const [[facts]] = await Promise.all([
      main.rows(
        factsShape,
        `select current_setting('server_version_num')::int / 10000 as version, rolname as name, rolsuper as superuser
           from pg_roles where rolname = current_user`,
      ),
      endOlderClaims(main, actor),
    ]);
    if (facts === undefined) throw new TargetError("failed", `${main.where} does not know its own user`);
    if (facts.version < VERSION_MIN)
      throw new TargetError(
        "not-supported",
        `${main.where} runs PostgreSQL ${facts.version}; ${VERSION_MIN} is the oldest supported`,
      );
    version = facts.version;
    await refuseSampling(main, version);
    return {
      connection,
      main,
      actor,
      signal,
      version,
      admin: { name: facts.name, superuser: facts.superuser },
      inDatabase,
      endpoints: () => [
        { endpoint: admin, open: async () => main },
        ...connection.others.map((endpoint) => ({ endpoint, open: () => atEndpoint(endpoint) })),
      ],
      login: (endpoint, user, password, database) => tryLogin(endpoint, { user, password, database, signal }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * A transaction that is sampled for the target's log writes every statement there, password verifiers included, and
 * nothing inside it can stop that. So who may say so (a superuser, or SET on the parameter) does, before any transaction.
 */
const refuseSampling = (client: Client, version: number): Promise<void> =>
  client.run(
    `select set_config('log_transaction_sample_rate', '0', false) from pg_roles
      where rolname = current_user and current_setting('log_transaction_sample_rate')::float8 > 0
        and (rolsuper${version >= 15 ? " or has_parameter_privilege('log_transaction_sample_rate', 'SET')" : ""})`,
  );

const claimShape = z.object({ pid: z.number(), fence: z.string(), own: z.boolean() });

/** Ends the sessions of earlier claims on the same grant; a claim that is itself an earlier one stops here. */
async function endOlderClaims(main: Client, actor: Actor): Promise<void> {
  if (actor.grant === null) return;
  const prefix = actorName(actor).slice(0, -String(actor.fence).length);
  for (let round = 0; round < END_ROUNDS_MAX; round++) {
    // Anybody may take any application_name. Only our own login can tell us that we are late; a stranger who takes a
    // name of ours is merely ended, where we may.
    const claims = await main.rows(
      claimShape,
      `select pid, substr(application_name, length($1) + 1) as fence,
              usesysid = (select oid from pg_roles where rolname = session_user) as own
         from pg_stat_activity
        where starts_with(application_name, $1) and pid <> pg_backend_pid()
          and substr(application_name, length($1) + 1) ~ '^[0-9]{1,20}$' and usesysid is not null`,
      [prefix],
    );
    const newer = claims.find((claim) => claim.own && BigInt(claim.fence) > BigInt(actor.fence));
    if (newer !== undefined)
      throw new TargetError(
        "conflict",
        `a newer claim (fence ${newer.fence}) works on this grant; ours (${actor.fence}) is stale`,
      );
    const older = claims.filter((claim) => BigInt(claim.fence) < BigInt(actor.fence));
    if (older.length === 0) return;
    for (const claim of older) {
      await main.run("select pg_terminate_backend($1)", [claim.pid]).catch((error: unknown) => {
        if (claim.own || sqlState(error) !== SQLSTATE.notPermitted) throw error;
      });
    }
    if (!older.some((claim) => claim.own)) return;
    await pause(main, round);
  }
  throw new TargetError("failed", `sessions of an earlier claim on this grant do not end on ${main.where}`);
}

/** Waits a little, on the server: its connection is watched by the signal, a timer of ours would not be. */
export async function pause(client: Client, round: number): Promise<void> {
  await client.run("select pg_sleep($1)", [(ROUND_PAUSE_MS * Math.min(round + 1, 10)) / 1000]);
}

const replayShape = z.object({ behind: z.boolean() });

/** Waits until a standby shows what the main server showed at `position`; on a server that is none, at once. */
export async function awaitReplay(client: Client, position: string): Promise<void> {
  const roundMs = 50;
  for (let waited = 0; waited < REPLAY_TIMEOUT_MS; waited += roundMs) {
    const [row] = await client.rows(
      replayShape,
      `select case when pg_is_in_recovery() then coalesce(pg_last_wal_replay_lsn() < $1::pg_lsn, true) else false end as behind`,
      [position],
    );
    if (row?.behind === false) return;
    await client.run("select pg_sleep($1)", [roundMs / 1000]);
  }
  throw new TargetError(
    "unreachable",
    `${client.where} is a standby that has not replayed ${position} in ${REPLAY_TIMEOUT_MS / 1000} s`,
  );
}

const positionShape = z.object({ position: z.string() });

/** How far the main server's log has come, as `pg_lsn`. */
export async function walPosition(main: Client): Promise<string> {
  const [row] = await main.rows(
    positionShape,
    `select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text as position`,
  );
  if (row === undefined) throw new TargetError("failed", `${main.where} does not tell its WAL position`);
  return row.position;
}
