import type { InstallationId } from "../../base/ids.ts";
import type { Observed } from "../../connector/connector.ts";
import type { Client } from "./client.ts";
import { grantOfMark } from "./names.ts";
import { rolesNamed } from "./roles.ts";

/** Logins and groups of this installation. The graveyard owner is not among them: it stays for good and opens nothing. */
export async function observe(main: Client, installation: InstallationId): Promise<readonly Observed[]> {
  const ours = (mark: string): boolean => mark.startsWith(`tidegate:${installation}:`);
  const logins = (await rolesNamed(main, `tg_${installation}_`)).filter((role) => ours(role.mark));
  const groups = (await rolesNamed(main, `tgg_${installation}_`)).filter((role) => ours(role.mark));
  return [
    ...logins.map((role) => ({ grant: grantOfMark(role.mark), name: role.name, what: "login role" })),
    ...groups.map((role) => ({ grant: null, name: role.name, what: "group role" })),
  ];
}
