import type { Facts } from "../domain/facts.ts";
import type { Principal } from "../domain/principal.ts";

/** Facts about this person now. On call is what the configuration file declares; it is as old as the file and never stale. */
export const gatherFacts = (principal: Principal): Facts => ({
  oncall: { tier: principal.onCallTier, source: "file", ageMs: 0 },
});
