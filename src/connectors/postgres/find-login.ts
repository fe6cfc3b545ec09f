import { z } from "zod";
import type { Order } from "../../connector/connector.ts";
import type { Observation } from "../../domain/evidence.ts";
import type { Client, LoginAnswer } from "./client.ts";
import { loginMark, type Names } from "./names.ts";
import { findRole, findRoleByOid, foreign, type Role } from "./roles.ts";
import type { PostgresScope } from "./scope.ts";

const detailsShape = z.object({ oid: z.int().positive() });

/** The OID of the login, once a verb remembered it. */
export function rememberedOid(order: Order<PostgresScope>): number | null {
  const details = detailsShape.safeParse(order.details);
  return details.success ? details.data.oid : null;
}

export const loginObservation = (where: string, answer: LoginAnswer): Observation => {
  const seen = { check: `login at ${where}`, saw: answer.saw };
  return answer.code === null ? seen : { ...seen, code: answer.code };
};

const refusalsShape = z.object({
  refusals: z.array(z.object({ check: z.string(), saw: z.string(), code: z.string() })),
});

/** Keeps how the shut login was refused. Those of an earlier attempt stay where this one saw none. */
export async function rememberRefusals(
  order: Pick<Order<PostgresScope>, "remember">,
  refusals: readonly Observation[],
): Promise<void> {
  if (refusals.length > 0) await order.remember({ refusals: refusals.map((one) => ({ ...one })) });
}

/** For the receipt: what was seen before the role was dropped. It proves nothing about now, and is no verdict. */
export function rememberedRefusals(order: Order<PostgresScope>): Observation[] {
  const details = refusalsShape.safeParse(order.details);
  return details.success
    ? details.data.refusals.map((one) => ({ ...one, check: `${one.check}, before the role was dropped` }))
    : [];
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
