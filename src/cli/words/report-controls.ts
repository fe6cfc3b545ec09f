/**
 * Which section of a report answers which control: what it asks in our words, and what a report does not show for it. Of
 * some it shows nothing: then the last says which command does.
 */
export const CONTROLS: readonly (readonly [control: string, asks: string, sections: string, notShown: string])[] = [
  [
    "SOC 2 CC6.1",
    "only who is authorised gets in",
    "2, 3, 9",
    "access given beside Tidegate; systems that it does not know",
  ],
  [
    "SOC 2 CC6.2",
    "authorised before it is given, taken away after",
    "2, 4, 6, 7",
    "how people were hired and identified",
  ],
  ["SOC 2 CC6.3", "by need, least privilege, duties apart", "3, 4, 9", "whether an entitlement could be narrower"],
  ["ISO 27001:2022 A.5.15", "rules for access, kept", "2, 9", "rules that are written elsewhere"],
  [
    "ISO 27001:2022 A.5.16",
    "identities from their beginning to their end",
    "6, 7",
    "the provider's own records of people",
  ],
  [
    "ISO 27001:2022 A.5.17",
    "secrets for signing in are handled with care",
    "none",
    "how the provider proves who somebody is, and how secrets are kept; that one was delivered: tidegate audit list --kind credential.delivered",
  ],
  [
    "ISO 27001:2022 A.5.18",
    "rights are given, reviewed, taken away",
    "2, 4, 6, 7, 8",
    "reviews that are signed elsewhere (tidegate review)",
  ],
  [
    "ISO 27001:2022 A.8.2",
    "privileged rights are few and watched",
    "3, 5, 6, 7",
    "what was done with them; standing administrators of targets",
  ],
  [
    "PCI DSS 4.0 7.2.4",
    "rights are reviewed twice a year",
    "none",
    "who had which right (tidegate evidence access); what to review, and to sign (tidegate review)",
  ],
  [
    "PCI DSS 4.0 8.2.5",
    "who leaves has no access from then on",
    "6, 7",
    "when Tidegate was told, against when they left",
  ],
  [
    "PCI DSS 4.0 10",
    "access is logged, logs are protected",
    "1, 10",
    "what was done on the target; clocks; how long you keep logs",
  ],
  [
    "NIST 800-53 AC-2",
    "accounts are requested, approved, ended",
    "2, 4, 6, 7",
    "accounts beside Tidegate (tidegate drift)",
  ],
  ["NIST 800-53 AC-6", "least privilege", "3, 5, 8", "whether an entitlement could be narrower"],
  [
    "NIST 800-53 AU-9",
    "audit records cannot be changed unseen",
    "1, 10",
    "that a checkpoint is kept where administrators cannot write",
  ],
];
