import type { CredentialView } from "../../contract/access.ts";
import type { Page } from "../output.ts";
import { connectionVariables } from "../psql/environment.ts";
import { moment } from "./time.ts";

/** How to connect with what was delivered. */
export function credentialLines(credential: CredentialView, page: Page): string[] {
  const until = `until ${moment(credential.expiresAt, page.nowMs)}`;
  if (credential.kind === "membership")
    return [
      `Your own account ${page.paint("bold", credential.account)} has the access ${until}.`,
      `  ${credential.note}`,
    ];
  const { host, port, database, username, password, uri } = credential;
  const fields = { host, port: String(port), database, username, password };
  const psql = `psql -h ${host} -p ${port} -U ${username} ${database}`;
  return [
    `Connect ${until}, with`,
    ...Object.entries(fields).map(
      ([name, value]) => `  ${name.padEnd(9)} ${name === "password" ? page.paint("bold", value) : value}`,
    ),
    `  ${"uri".padEnd(9)} ${uri}`,
    `  ${"psql".padEnd(9)} ${psql}   (asks for the password)`,
  ];
}

/** The variables that libpq and most drivers read, or null where there is nothing to sign in with. */
export const credentialVariables = (credential: CredentialView): Record<string, string> | null =>
  credential.kind === "password" ? connectionVariables(credential) : null;
