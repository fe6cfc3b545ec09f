import { defined } from "../../base/assert.ts";
import { failpoint } from "../../base/failpoint.ts";
import type { Secret } from "../../base/secret.ts";
import { type Order, type Provisioned, TargetError } from "../../connector/connector.ts";
import type { PasswordDelivery } from "../../domain/credential.ts";
import { checkAdopted, refuseCreators } from "./adopted-role.ts";
import type { PostgresConnection } from "./connection.ts";
import { rememberedOid } from "./find-login.ts";
import { ensureGroup, lockGroup } from "./group-role.ts";
import { ensureLogin, ensureMembership, extendLogin } from "./login-role.ts";
import { loginMark, recordedNames } from "./names.ts";
import { resolveScope } from "./privileges.ts";
import { findMarked } from "./roles.ts";
import { isManaged, type PostgresScope } from "./scope.ts";
import type { Session } from "./session.ts";

/**
 * Makes group, login and membership in one transaction in the scope's database: all of it is there, or none. What the
 * scope names is looked up first, so that a name that is missing is told before anything is made.
 */
export async function provision(
  session: Session,
  order: Order<PostgresScope>,
  grant: { secret: Secret | null; remainingMs: number },
): Promise<Provisioned> {
  const { scope } = order;
  const { remainingMs } = grant;
  const secret = defined(grant.secret, "the secret of a login");
  const names = recordedNames(order);
  const client = await session.inDatabase(scope.database);
  const role = await client.transaction(async () => {
    const wanted = isManaged(scope) ? await resolveScope(client, scope) : [];
    await lockGroup(client, names.group);
    const group = isManaged(scope)
      ? await ensureGroup(session, client, order, names.group, wanted)
      : await checkAdopted(client, scope);
    await refuseCreators(session, client, group);
    const login = await ensureLogin(session, client, order, names.role, { secret, remainingMs });
    await ensureMembership(session, client, login, group);
    // Before the commit: then no login of ours is ever there whose sessions could not be found once it is dropped.
    if (rememberedOid(order) !== login.oid) await order.remember({ oid: login.oid });
    await failpoint("postgres.provision.before-commit");
    return login;
  });
  await failpoint("postgres.provision.after-commit");
  return {
    details: { role: role.name, oid: role.oid, group: names.group },
    delivery: delivery(session.connection, scope.database, role.name),
  };
}

export async function extend(session: Session, order: Order<PostgresScope>, remainingMs: number): Promise<void> {
  const { role: name } = recordedNames(order);
  const role = await findMarked(session.main, name, loginMark(order.installation, order.grant));
  if (role === null)
    throw new TargetError("conflict", `role ${name} is not there any more, so its time cannot be extended`);
  await extendLogin(session.main, role, remainingMs);
}

function delivery(connection: PostgresConnection, database: string, username: string): PasswordDelivery {
  const { publicHost: host, publicPort: port } = connection;
  const socket = host.startsWith("/");
  const authority = socket ? "" : `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const query = new URLSearchParams();
  if (socket) {
    query.set("host", host);
    query.set("port", String(port));
  }
  if (connection.admin.tls.mode === "verify-full") query.set("sslmode", "verify-full");
  const uri = `postgres://${encodeURIComponent(username)}@${authority}/${encodeURIComponent(database)}`;
  return {
    kind: "password",
    host,
    port,
    database,
    username,
    uri: query.size === 0 ? uri : `${uri}?${query.toString()}`,
  };
}
