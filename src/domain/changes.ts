import type { EntryDraft } from "./audit.ts";
import type { GrantChange } from "./grant.ts";
import type { Lease } from "./lease.ts";
import type { AccessRequest, Review } from "./request.ts";

/** What a decision wants written, all together: things as they must become, and one entry for each that changed. */
export type Changes = {
  readonly requests?: readonly AccessRequest[];
  readonly reviews?: readonly Review[];
  /** Each brings its own entry. */
  readonly grants?: readonly GrantChange[];
  readonly leases?: readonly Lease[];
  /** Entries of changes other than to grants. */
  readonly entries?: readonly EntryDraft[];
};
