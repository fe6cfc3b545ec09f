import type { JsonObject } from "../base/canonical.ts";
import { sameText } from "../base/hash.ts";
import { hasScim, type Identity, SCIM_TOKEN, type ScimProvider } from "../domain/identity.ts";
import { bearerOf } from "./authenticate.ts";

export type ScimTokens = {
  /** The provider whose token this header carries; null where it is nobody's. */
  whose(identity: Identity | undefined, authorization: string | undefined): ScimProvider | null;
};

/**
 * The tokens of providers, read anew for each call, so that one that was changed counts at once. All are compared, by
 * their hashes: how long that takes says nothing of any of them. They open nothing but SCIM.
 */
export function createScimTokens(
  resolve: (settings: JsonObject) => JsonObject,
  log: (facts: { readonly provider: string; readonly error: string }, what: string) => void,
): ScimTokens {
  const tokensOf = ({ name, scim }: ScimProvider): string[] => {
    try {
      const { tokens } = resolve(scim.settings);
      return Array.isArray(tokens) ? tokens.filter((one) => typeof one === "string") : [];
    } catch (error) {
      log({ provider: name, error: String(error) }, "the tokens of SCIM cannot be read");
      return [];
    }
  };
  return {
    whose(identity, authorization) {
      const given = bearerOf(authorization);
      if (given === null) return null;
      let found: ScimProvider | null = null;
      for (const provider of identity?.providers.filter(hasScim) ?? [])
        for (const token of tokensOf(provider)) if (sameText(token, given) && SCIM_TOKEN.test(token)) found = provider;
      return found;
    },
  };
}
