import { toTimestamp } from "../base/clock.ts";
import { passkeyId, principalId } from "../base/ids.ts";
import { isRefusal, refuse } from "../base/problem.ts";
import { hasRole } from "../domain/principal.ts";
import { nobodyCalled } from "../operations/find-person.ts";
import { NO_SUCH_PASSKEY, removePasskey } from "../operations/passkeys.ts";
import { passkeysOf } from "../store/passkeys.ts";
import { findByHandle, findPrincipal } from "../store/principals.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { peopleOf, toPerson } from "./people.ts";
import { PASSKEYS_PATH } from "./step-up.ts";

const FOR_ADMINS = refuse("forbidden", "Passkeys of others are for admins.");

/** The passkeys of somebody. They are added in a browser alone. */
export const passkeyHandlers = ({ context }: ServerDeps): Handlers<"passkeys"> => ({
  async list({ query: { user } }, { principal }) {
    if (user !== undefined && !hasRole(principal, "admin")) return FOR_ADMINS;
    const id = user === undefined ? principal.id : principalId.parse(user);
    const whom = id === null ? await findByHandle(context.db, user ?? "") : await findPrincipal(context.db, id);
    if (whom === null) return nobodyCalled(user ?? "");
    const identity = (await context.catalog.active(context.ledger))?.configuration.identity;
    const passkeys = (await passkeysOf(context.db, whom.id)).map((one) => ({
      ...{ id: one.id, name: one.name, addedAt: toTimestamp(one.createdMs) },
      lastUsedAt: one.usedMs === null ? null : toTimestamp(one.usedMs),
    }));
    const addAt = identity === undefined ? null : `${identity.url}${PASSKEYS_PATH}`;
    return { status: 200, body: { person: toPerson(whom), passkeys, addAt } };
  },

  async remove({ params }, { principal, idempotency }) {
    const id = passkeyId.parse(params.id);
    const removed = id === null ? NO_SUCH_PASSKEY : await removePasskey(context, principal, id, idempotency);
    if (isRefusal(removed)) return removed;
    const people = await peopleOf(context.db, principal, [removed.principalId]);
    return { status: 200, body: { id: removed.passkey, person: people(removed.principalId) } };
  },
});
