/** What policy is asked about, and how a condition sees it. */
import { Environment, EvaluationError } from "@marcbachmann/cel-js";
import type { PrincipalId } from "../base/ids.ts";
import type { Entitlement } from "./entitlement.ts";
import { type History, type OnCallFact, type TicketFact, ticketFactFor } from "./facts.ts";
import type { Extension } from "./policy.ts";
import type { Principal } from "./principal.ts";
import type { Resource } from "./resource.ts";

/** Everything that policy may look at. Facts are fetched before: nothing here reads the world. */
export type Circumstances = {
  readonly user: Pick<Principal, "id" | "kind" | "handle" | "name" | "email" | "type" | "groups"> & {
    /** The handle of their manager; left out: nobody's. */
    readonly manager?: string;
  };
  readonly resource: Resource;
  readonly entitlement: Entitlement;
  readonly request: {
    readonly durationMs: number;
    readonly reason: string;
    /** Empty when none was given. */
    readonly ticket: string;
    readonly emergency: boolean;
    /** Milliseconds since the epoch, or null: at once. */
    readonly startMs: number | null;
    /** Left out: a new grant is asked for. */
    readonly extension?: Extension;
  };
  readonly oncall: Pick<OnCallFact, "tier" | "unknown"> & Partial<OnCallFact>;
  /** About the ticket of the request; absent: nobody has looked it up. */
  readonly ticket?: TicketFact;
  /** Left out, it is not known, and a condition that looks at it fails. */
  readonly history?: History;
  readonly nowMs: number;
};

/** Something that can be asked for. */
export type Offered = { readonly resource: Resource; readonly entitlement: Entitlement };

const NOBODY: Circumstances["user"] = {
  ...{ id: "" as PrincipalId, kind: "user", handle: "", name: "", email: null, type: "", groups: [] },
};

/** For looking at resource and entitlement only; the rest has to be there. */
export const askedByNobody = (offered: Offered): Circumstances => ({
  ...{ user: NOBODY, resource: offered.resource, entitlement: offered.entitlement, nowMs: 0 },
  request: { durationMs: 1_000, reason: "", ticket: "", emergency: false, startMs: null },
  oncall: { tier: 0 },
});

/** A text of a request; longer ones are an error in every condition, so that cost is bounded and nothing is cut off unseen. */
const TEXT_CHARS_MAX = 4_000;
const LIST_MAX = 1_000;

/** What CEL sees. Throws where something is not what its type says or is too large: such circumstances are an error. */
export function bindings(circumstances: Circumstances, labels: readonly string[]) {
  const { user, resource, entitlement, request, oncall, history, nowMs } = circumstances;
  return {
    user: {
      id: text(user.id, "user.id"),
      kind: text(user.kind, "user.kind"),
      name: text(user.handle, "user.name"),
      display_name: text(user.name, "user.display_name"),
      email: text(user.email ?? "", "user.email"),
      type: text(user.type, "user.type"),
      groups: texts(user.groups, "user.groups"),
      manager: text(user.manager ?? "", "user.manager"),
    },
    resource: {
      name: text(resource.name, "resource.name"),
      title: text(resource.title, "resource.title"),
      connector: text(resource.connector, "resource.connector"),
      owners: texts(resource.owners, "resource.owners"),
      // A map and not an object: a label may be called "constructor", which the library would take for the real one.
      labels: new Map(labels.map((label) => [label, labelOf(resource, label)])),
    },
    entitlement: {
      name: text(entitlement.name, "entitlement.name"),
      ref: text(entitlement.ref, "entitlement.ref"),
      title: text(entitlement.title, "entitlement.title"),
      risk: text(entitlement.risk, "entitlement.risk"),
      max_duration: duration(entitlement.maxDurationMs, "entitlement.max_duration"),
    },
    request: {
      reason: text(request.reason, "request.reason"),
      ticket: text(request.ticket, "request.ticket"),
      emergency: request.emergency,
      extension: request.extension !== undefined,
      duration: duration(request.durationMs, "request.duration"),
      start: moment(request.startMs ?? nowMs, "request.start"),
    },
    oncall: onCallBinding(oncall),
    ticket: ticketBinding(ticketFactFor(request.ticket, circumstances.ticket)),
    ...(history === undefined ? {} : { history: countsOf(history) }),
    now: moment(nowMs, "now"),
  };
}

function onCallBinding({ tier, unknown }: Circumstances["oncall"]) {
  return looked("oncall", { tier: BigInt(whole(tier, "oncall.tier")) }, unknown);
}

function ticketBinding({ id, state, status, assignee, mine, unknown }: TicketFact) {
  const seen = {
    ...{ exists: state !== "missing", open: state === "open", closed: state === "closed", mine },
    status: text(status, "ticket.status"),
    assignee: text(assignee, "ticket.assignee"),
  };
  const why = state === "unknown" ? (unknown ?? "nobody could tell") : undefined;
  return Object.assign(looked("ticket", seen, why), { id: text(id, "ticket.id") });
}

/**
 * What is not known is an error where a condition looks at it, and nowhere else: `oncall.tier == 1 || "sre" in user.groups`
 * holds for an SRE, whoever is on call. The library takes an error of one side of `&&` and `||` as CEL wants it.
 */
function looked(name: string, seen: Readonly<Record<string, unknown>>, unknown: string | undefined) {
  if (unknown === undefined) return { known: true, ...seen };
  const binding = { known: false };
  for (const field of Object.keys(seen)) {
    const get = (): never => {
      throw new EvaluationError(`${name}.${field} is not known: ${unknown}`);
    };
    Object.defineProperty(binding, field, { enumerable: true, get });
  }
  return binding;
}

const countsOf = ({ open, openHere, recent, recentHere, unreviewed = 0 }: History) => ({
  open: BigInt(whole(open, "history.open")),
  open_here: BigInt(whole(openHere, "history.open_here")),
  recent: BigInt(whole(recent, "history.recent")),
  recent_here: BigInt(whole(recentHere, "history.recent_here")),
  unreviewed: BigInt(whole(unreviewed, "history.unreviewed")),
});

const labelOf = (resource: Resource, label: string): string =>
  Object.hasOwn(resource.labels, label) ? text(resource.labels[label], `resource.labels.${label}`) : "";

function text(value: unknown, name: string): string {
  if (typeof value !== "string") throw new EvaluationError(`${name} is not known`);
  if (value.length > TEXT_CHARS_MAX) throw new EvaluationError(`${name} is longer than ${TEXT_CHARS_MAX} characters`);
  return value;
}

function texts(values: readonly string[], name: string): string[] {
  if (!Array.isArray(values)) throw new EvaluationError(`${name} is not known`);
  if (values.length > LIST_MAX) throw new EvaluationError(`${name} has more than ${LIST_MAX} members`);
  return values.map((value) => text(value, name));
}

function whole(value: number, name: string): number {
  if (!Number.isSafeInteger(value)) throw new EvaluationError(`${name} is not a whole number`);
  return value;
}

/** The library does not export its duration; its own function makes one. */
const toDuration = new Environment().registerVariable("text", "string").parse("duration(text)");
const duration = (ms: number, name: string): unknown => toDuration({ text: `${whole(ms, name)}ms` });

function moment(ms: number, name: string): Date {
  const time = new Date(whole(ms, name));
  if (Number.isNaN(time.getTime())) throw new EvaluationError(`${name} is not a time`);
  return time;
}
