/** Why access ends. */
export const END_CAUSES = [
  "expired",
  "revoked",
  "withdrawn",
  "deactivated",
  "panic",
  "ticket-closed",
  "lapsed",
  "refused-at-start",
  "provisioning-failed",
] as const;
export type EndCause = (typeof END_CAUSES)[number];
