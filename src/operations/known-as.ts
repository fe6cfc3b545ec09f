/**
 * Whom a provider means by a subject. Issuer and subject say who it is, and nothing else does: an e-mail address may be
 * somebody else's tomorrow. Whom the file names with this subject is that person; else it is who signed in with it.
 */
import type { Configuration } from "../domain/configuration.ts";
import type { IdentityProvider } from "../domain/identity.ts";
import type { Principal } from "../domain/principal.ts";
import { principalByIdentity } from "../store/principals.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { FILE_ISSUER } from "./activate-config.ts";

export async function knownAs(
  tx: SqlTx,
  configuration: Configuration,
  provider: IdentityProvider,
  subject: string,
): Promise<Principal | null> {
  return (
    (await declaredAs(tx, configuration, provider, subject)) ??
    (await principalByIdentity(tx.sql, provider.issuer, subject))
  );
}

/** Whom the file itself names. */
export async function declaredAs(
  tx: SqlTx,
  { principals }: Configuration,
  { name }: IdentityProvider,
  subject: string,
): Promise<Principal | null> {
  const declared = principals.find(({ identities = [] }) =>
    identities.some((one) => one.provider === name && one.subject === subject),
  );
  return declared === undefined ? null : principalByIdentity(tx.sql, FILE_ISSUER, declared.handle);
}
