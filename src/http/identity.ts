import type { Handlers } from "./call.ts";

/** Who the caller is. */
export const identityHandlers: Handlers<"identity"> = {
  async me(_input, { principal }) {
    const { id, handle, name, email, kind, type, groups, roles, onCallTier } = principal;
    const body = { id, handle, name, email, kind, type, groups: [...groups], roles: [...roles], onCallTier };
    return { status: 200, body };
  },
};
