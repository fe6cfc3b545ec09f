import { refuseInQuarantine } from "../operations/refuse-in-quarantine.ts";
import { sessionById } from "../store/sign-in-sessions.ts";
import { goodToken } from "../store/tokens.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { toSessionView } from "./sessions.ts";
import { tokenViews } from "./tokens.ts";

/** Who the caller is. */
export const identityHandlers = ({ context }: ServerDeps): Handlers<"identity"> => ({
  async me(_input, { principal, session: known, token: shown }) {
    const { id, handle, name, email, kind, type, groups, roles, onCallTier } = principal;
    const session = known === null ? null : await sessionById(context.db, known);
    const token = shown === null ? null : await goodToken(context.db, shown.id);
    const [view] = token === null ? [] : await tokenViews(context.db, principal, [token], shown);
    const body = {
      ...(view === undefined ? {} : { token: view }),
      ...{ id, handle, name, email, kind, type, groups: [...groups], roles: [...roles], onCallTier },
      session: session === null ? null : toSessionView(session, known),
    };
    const quarantine = refuseInQuarantine(await context.ledger.inForce());
    return { status: 200, body: quarantine === null ? body : { ...body, quarantine: quarantine.detail } };
  },
});
