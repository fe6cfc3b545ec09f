/** What the log says of somebody whom an identity provider told of. */
import type { EntryActor, EntryDraft } from "../domain/audit.ts";
import type { Principal } from "../domain/principal.ts";

const IDENTITY: EntryActor = { system: "identity" };

export const personEntry = (
  kind: "principal.added" | "principal.changed" | "principal.reactivated",
  principal: Principal,
  provider: { readonly name: string },
): EntryDraft => ({
  kind,
  actor: IDENTITY,
  refs: { principal: principal.id },
  data: {
    provider: provider.name,
    kind: principal.kind,
    type: principal.type,
    groups: [...principal.groups],
    ...(principal.roles.length > 1 ? { roles: [...principal.roles] } : {}),
    ...(principal.manager === undefined ? {} : { manager: principal.manager }),
  },
  personal: {
    handle: principal.handle,
    name: principal.name,
    ...(principal.email === null ? {} : { email: principal.email }),
  },
});
