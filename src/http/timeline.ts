/** What happened to a request, told from the log: one line for each thing that people would tell each other. */
import type { JsonObject } from "../base/canonical.ts";
import type { RequestId } from "../base/ids.ts";
import type { Happening } from "../contract/access.ts";
import type { EntryKind } from "../domain/audit.ts";
import { type Changed, changedInWords } from "../domain/edit-request.ts";
import type { Principal } from "../domain/principal.ts";
import { trailOf } from "../store/audit.ts";
import type { Db } from "../store/db.ts";
import { droppedOf } from "../store/retention.ts";
import { droppedView } from "./dropped.ts";
import { peopleOf } from "./people.ts";

/** A request with all the comments that it may hold, its reviews and the life of its grant stay below. */
const HAPPENINGS_MAX = 500;

/** `voided` are reviews that count no more: what was asked for has changed since. */
export async function timelineOf(
  db: Db,
  me: Principal,
  id: RequestId,
  voided: ReadonlySet<string>,
): Promise<Happening[]> {
  // The rest is how it was done: that is in the log, for whoever asks.
  const trail = await trailOf(db, id, Object.keys(WORDS) as EntryKind[], HAPPENINGS_MAX);
  const told = trail.map(({ leaf, personal }) => {
    const words = WORDS[leaf.kind]?.(leaf.data) ?? leaf.kind;
    const what = voided.has(text(leaf.data["review"]))
      ? `${words} (counts no more: what is asked for has changed)`
      : words;
    const standsFor = Array.isArray(leaf.data["standsFor"]) ? leaf.data["standsFor"].map(text) : [];
    return { leaf, what, standsFor, text: personal["text"] ?? personal["comment"] ?? personal["reason"] ?? "" };
  });
  const people = await peopleOf(
    db,
    me,
    told.flatMap(({ leaf: { actor }, standsFor }) => [
      ...("principal" in actor ? [actor.principal] : []),
      ...standsFor,
    ]),
  );
  const dropped = await droppedOf(db, { request: id });
  const gone = (dropped === null ? [] : [droppedView(dropped)]).map(({ before: at, says: what }) => ({
    ...{ at, kind: "audit.dropped", by: null, what, text: "" },
  }));
  const left = told.map(({ leaf: { at, kind, actor }, what, standsFor, text }) => ({
    at,
    kind,
    by: "principal" in actor ? people(actor.principal) : null,
    what:
      standsFor.length === 0
        ? what
        : `${what}, also for ${standsFor.map((id) => people(id).handle).join(" and ")}, who is away`,
    text,
  }));
  return [...gone, ...left];
}

const WORDS: Partial<Record<EntryKind, (data: JsonObject) => string>> = {
  "request.submitted": asks,
  // For what policy granted or refused at once this one entry is all there is.
  "request.approved": (data) =>
    "facts" in data ? `${asks(data)}: granted at once${byRule(data)}` : `approved${forHowLong(data)}${byRule(data)}`,
  "request.denied": (data) => {
    const why = text(data["because"]) || denial(data);
    return `${"facts" in data ? `${asks(data)}: ` : ""}denied${why === "" ? "" : `, ${why}`}`;
  },
  "request.cancelled": ended("cancelled"),
  "request.expired": ended("expired"),
  "request.reevaluated": (data) => `a new configuration asks for something else${byRule(data)}`,
  "request.escalated": (data) => `still waits: ${added(data)} may approve it as well`,
  "request.edited": (data) => `changes the request: ${edits(data)}`,
  "request.commented": () => "comments",
  "request.asked-back": () => "asks",
  "request.answered": () => "answers",
  "review.recorded": (data) =>
    data["verdict"] === "deny" ? "denies" : `approves ${text(data["entitlement"])}${forHowLong(data)}`,
  "emergency.reviewed": ({ verdict }) => `finds the emergency ${text(verdict)}`,
  "emergency.overdue": () => "nobody has reviewed it in time; who may is told",
  "grant.activated": () => "begins to use it",
  "grant.active": () => "the access is there",
  "grant.extended": () => "more time is given",
  "credential.delivered": () => "takes the credential",
  "grant.revoking": (data) => `the access is taken away: ${text(data["cause"])}`,
  "grant.cancelled": (data) => `ended before anything was made: ${text(data["cause"])}`,
  "grant.revoked": () => "the access is proven gone",
  "grant.failed": () => "the access could not be made; what was begun is undone, with proof",
  "grant.reopened": () => "a probe saw access again: it is being taken away again",
};

function asks(data: JsonObject): string {
  const more = typeof data["extends"] === "string" ? `${text(data["duration"])} more on ${data["extends"]}` : null;
  const how = data["emergency"] === true ? " in an emergency" : "";
  return `asks${how} for ${more ?? `${text(data["entitlement"])} for ${text(data["duration"])}`}`;
}

function ended(word: string): (data: JsonObject) => string {
  return ({ because }) => `${word}${text(because) === "" ? "" : `: ${text(because)}`}`;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

const ruleOf = ({ decision }: JsonObject): string =>
  typeof decision === "object" && decision !== null && "rule" in decision ? text(decision["rule"]) : "";

const byRule = (data: JsonObject): string => (ruleOf(data) === "" ? "" : ` (rule ${ruleOf(data)})`);

const forHowLong = ({ duration }: JsonObject): string => (text(duration) === "" ? "" : ` for ${text(duration)}`);

/** Who came to any of the steps. */
function added({ added: list }: JsonObject): string {
  const also = (Array.isArray(list) ? list : []).flatMap((one) =>
    typeof one === "object" && one !== null && "by" in one && Array.isArray(one["by"]) ? one["by"].map(text) : [],
  );
  return [...new Set(also)].join(" and ") || "nobody else";
}

/** What is different, in words. */
const edits = ({ changed }: JsonObject): string =>
  changedInWords(Array.isArray(changed) ? (changed as unknown as Changed[]) : []);

function denial(data: JsonObject): string {
  if (!("decision" in data)) return "";
  return ruleOf(data) === "" ? "no rule allows it" : `rule ${ruleOf(data)}`;
}
