/** Why access ends. */
export const END_CAUSES = [
  "expired",
  "revoked",
  "withdrawn",
  "deactivated",
  "signalled",
  "panic",
  "ticket-closed",
  "lapsed",
  "refused-at-start",
  "provisioning-failed",
] as const;
/** Nobody got anything, by no doing of who asked: a limit does not count it. */
export const NOT_GIVEN: readonly EndCause[] = ["refused-at-start", "provisioning-failed"];
export type EndCause = (typeof END_CAUSES)[number];
