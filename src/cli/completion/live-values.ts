/** What only the server knows: the entitlements there are, my grants, what waits for my review. */
import type { GrantView, RequestView } from "../../contract/access.ts";
import type { Client } from "../../contract/client.ts";
import type { Candidate } from "./candidates.ts";

export type Kind =
  | "entitlements"
  | "askable"
  | "resources"
  | "active"
  | "held"
  | "grants"
  | "reviewable"
  | "pending"
  | "requests"
  | "people"
  | "actors"
  | "kinds";

const LIVE_STATES = "scheduled,provisioning,active,revoking";

export async function liveValues(client: Client, kind: Kind): Promise<Candidate[]> {
  switch (kind) {
    case "entitlements":
    case "askable":
    case "resources":
      return catalog(client, kind);
    case "active":
      return ofGrants(await client.listGrants({ person: "me", state: "active" }));
    case "held":
      return ofGrants(await client.listGrants({ person: "me", state: "scheduled,provisioning,active" }));
    case "grants":
      return ofGrants(await client.listGrants({ state: LIVE_STATES }));
    case "reviewable": {
      const { requests } = await client.listRequests({ role: "approver", state: "pending" });
      return ofRequests(requests.filter(({ canReview }) => canReview));
    }
    case "pending":
      return ofRequests((await client.listRequests({ role: "requester", state: "pending" })).requests);
    case "requests":
      return ofRequests((await client.listRequests({})).requests);
    case "people":
      return people(client);
    case "actors":
      return [...(await people(client)), ...SYSTEM_ACTORS];
    case "kinds":
      return (await import("../../contract/audit.ts")).ENTRY_KINDS.map((value) => ({ value, about: "" }));
  }
}

const PEOPLE_FROM_MAX = 200;
const SYSTEM_ACTORS = ["reconciler", "jobs", "config", "installation", "local-command", "identity"].map((part) => ({
  value: `system:${part}`,
  about: "a part of Tidegate",
}));

/** There is no list of people: those who asked for something lately, and myself. */
async function people(client: Client): Promise<Candidate[]> {
  const { requests } = await client.listRequests({ limit: PEOPLE_FROM_MAX });
  const named = new Map(requests.map(({ requester: { handle, name } }) => [handle, name]));
  return [{ value: "me", about: "yourself" }, ...[...named].map(([value, about]) => ({ value, about }))];
}

async function catalog(client: Client, kind: "entitlements" | "askable" | "resources"): Promise<Candidate[]> {
  const { resources, bundles } = await client.listResources();
  if (kind === "resources") return resources.map(({ name, title }) => ({ value: name, about: title }));
  const refs = resources.flatMap(({ entitlements }) =>
    entitlements.map(({ ref, title }) => ({ value: ref, about: title })),
  );
  if (kind === "entitlements") return refs;
  return [...refs, ...bundles.map(({ name, title }) => ({ value: name, about: title }))];
}

const ofGrants = ({ grants }: { readonly grants: readonly GrantView[] }): Candidate[] =>
  grants.map(({ id, entitlement, principal, state }) => ({
    value: id,
    about: `${entitlement} of ${principal.handle}, ${state}`,
  }));

const ofRequests = (requests: readonly RequestView[]): Candidate[] =>
  requests.map(({ id, entitlement, duration, requester, reason }) => ({
    value: id,
    about: `${requester.handle}: ${entitlement} for ${duration}, ${reason}`,
  }));
