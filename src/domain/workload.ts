/** Work elsewhere, such as a job of a CI system, that is a service here by what its own platform says of it. */
import type { JsonObject } from "../base/canonical.ts";
import type { Scope } from "../base/scope.ts";
import { claimOf } from "./identity.ts";

export type Workload = {
  /** Of its tokens; compared letter by letter. */
  readonly issuer: string;
  readonly audience: string;
  /** What its token must say: of each claim one of these values. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
  /** Of the token that it is given here. */
  readonly lifetimeMs: number;
  /** What that is good for; absent: whatever the service may do. */
  readonly scopes?: readonly Scope[];
};

/** Whether the token of this issuer is such a job's. Its signature and times have been looked at. */
export const fits = ({ audience, claims: wanted }: Workload, claims: JsonObject): boolean =>
  [claims["aud"] ?? []].flat().includes(audience) &&
  Object.entries(wanted).every(([name, values]) => {
    const said = claimOf(claims, name);
    // Platforms write numbers and truth as either.
    return ["string", "number", "boolean"].includes(typeof said) && values.includes(String(said));
  });
