import type { Scope } from "../base/scope.ts";
import type { Kit } from "./bundle.ts";
import type { DeclaredChannel } from "./channel.ts";
import type { FactSources } from "./fact-sources.ts";
import type { DeclaredIdentity, Identity } from "./identity.ts";
import type { PolicyTest, Rule } from "./policy.ts";
import type { Principal, Role } from "./principal.ts";
import type { Resource } from "./resource.ts";
import type { RoleGroups } from "./role-groups.ts";
import type { AuditOutlets } from "./sink.ts";
import type { Workload } from "./workload.ts";

/** A token declared in the file: only its hash, never the token. */
export type DeclaredToken = {
  readonly name: string;
  /** `sha256:<64 hex>` of the whole token. */
  readonly hash: string;
  /** RFC 3339, or null: valid until it is removed. */
  readonly expires: string | null;
  /** What it is good for; absent: whatever its owner may do. */
  readonly scopes?: readonly Scope[];
};

/** A person or service account as the file declares it. Identity: issuer `file`, subject the handle. */
export type DeclaredPrincipal = Omit<Principal, "id" | "roles" | "onCallTier"> & {
  readonly roles: readonly Role[];
  readonly onCallTier: number;
  readonly tokens: readonly DeclaredToken[];
  /** Who they are at providers; absent: nobody there. */
  readonly identities?: readonly DeclaredIdentity[];
  /** Of a service: the jobs elsewhere that are it; absent: none. */
  readonly workloads?: readonly Workload[];
};

/**
 * A whole valid configuration, as plain JSON: it is stored as a version, decisions name that version, and every replica
 * works from it. Expressions are text here and are compiled by `compilePolicy`.
 */
export type Configuration = {
  readonly version: 1;
  readonly resources: Readonly<Record<string, Resource>>;
  readonly policies: readonly Rule[];
  readonly tests: readonly PolicyTest[];
  readonly principals: readonly DeclaredPrincipal[];
  /** Roles that come with groups; absent: none. */
  readonly roles?: RoleGroups;
  /** Where messages go out, by name; left out where there is none. */
  readonly notify?: Readonly<Record<string, DeclaredChannel>>;
  /** Where the audit log is sent; absent: nowhere. */
  readonly audit?: AuditOutlets;
  /** What can be asked for as one, by name. Absent where there is none. */
  readonly bundles?: Readonly<Record<string, Kit>>;
  /** Absent where no source is configured. */
  readonly facts?: FactSources;
  /** The providers that people sign in through; absent: only tokens of the file. */
  readonly identity?: Identity;
  /** How this configuration itself may be changed; absent: by whoever changes the file. */
  readonly config?: {
    /** A change that may widen access waits until so many admins have confirmed it. */
    readonly approval?: { readonly count: number };
  };
  readonly defaults: {
    /** A request that nobody decides ends after this long. */
    readonly requestExpiresAfterMs: number;
    /** An on-use grant that nobody uses lapses after this long. */
    readonly activateWithinMs: number;
  };
};
