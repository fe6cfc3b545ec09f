import { z } from "zod";
import type { Order } from "../../connector/connector.ts";
import type { Client } from "./client.ts";
import { loginMark, type Names } from "./names.ts";
import { findRole, findRoleByOid, foreign, type Role } from "./roles.ts";
import type { PostgresScope } from "./scope.ts";

const detailsShape = z.object({ oid: z.int().positive() });

/** The OID of the login, once a verb remembered it. */
export function rememberedOid(order: Order<PostgresScope>): number | null {
  const details = detailsShape.safeParse(order.details);
  return details.success ? details.data.oid : null;
}

/**
 * The grant's login: by name, or by OID should somebody have renamed it. It is ours by its mark, or, should somebody have
 * taken the comment away, by name and the OID we remembered together. Anything less is a conflict: neither touched, nor
 * taken for absent.
 */
export async function findLogin(client: Client, order: Order<PostgresScope>, names: Names): Promise<Role | null> {
  const mark = loginMark(order.installation, order.grant);
  const oid = rememberedOid(order);
  const byOid = oid === null ? null : await findRoleByOid(client, oid);
  if (byOid !== null && byOid.mark !== mark && byOid.name !== names.role) throw foreign(byOid.name);
  if (byOid !== null) return byOid;
  const byName = await findRole(client, names.role);
  if (byName === null || byName.mark === mark) return byName;
  throw foreign(names.role);
}
