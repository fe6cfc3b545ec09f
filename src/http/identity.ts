import { refuseInQuarantine } from "../operations/refuse-in-quarantine.ts";
import type { Handlers, ServerDeps } from "./call.ts";

/** Who the caller is. */
export const identityHandlers = ({ context }: ServerDeps): Handlers<"identity"> => ({
  async me(_input, { principal }) {
    const { id, handle, name, email, kind, type, groups, roles, onCallTier } = principal;
    const body = { id, handle, name, email, kind, type, groups: [...groups], roles: [...roles], onCallTier };
    const quarantine = await refuseInQuarantine(context.ledger);
    return { status: 200, body: quarantine === null ? body : { ...body, quarantine: quarantine.detail } };
  },
});
