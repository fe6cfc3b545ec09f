/**
 * Who is on call at PagerDuty, by its REST API: `GET /oncalls`, which answers who is on call now where no time is named. The
 * tier is the level of the escalation policy.
 *
 * Without a filter it answers with the whole company: should one be ignored, an entry of what was not asked for makes no
 * answer.
 */
import { z } from "zod";
import type { Json } from "../../base/canonical.ts";
import { Secret } from "../../base/secret.ts";
import { allAt, oneAt } from "../json-path.ts";
import { keyOf, sourceUrl } from "../sign-in.ts";
import { defineOnCallSource, type OnCallAnswer, SourceError } from "../source.ts";
import { tierOf, wordOf } from "../texts.ts";

/** The most that it gives at once. */
const PAGE_ENTRIES = 100;
const PAGES_MAX = 20;

const ids = (what: string) =>
  z
    .array(
      z.string().regex(/^[A-Za-z0-9]{1,50}$/, { error: "write an id, as in PT20YPA: it ends the address of its page" }),
    )
    .max(50)
    .default([])
    .meta({ description: `${what}, by ids`, examples: [["PT20YPA"]] });

export const pagerduty = defineOnCallSource({
  kind: "pagerduty",
  connection: z
    .strictObject({
      url: sourceUrl("its API; in the EU `https://api.eu.pagerduty.com`").default("https://api.pagerduty.com"),
      token: keyOf("a read-only API key"),
      escalation_policies: ids("of which escalation policies"),
      schedules: ids("of which schedules; with policies too, only what is of both"),
    })
    .refine(({ escalation_policies, schedules }) => escalation_policies.length + schedules.length > 0, {
      error: "name escalation_policies or schedules: whoever is on call for anything at all is not meant",
    }),
  async onCall({ url, token, escalation_policies: policies, schedules }, ask) {
    const at = new URL(`${url.replace(/\/+$/, "")}/oncalls`);
    for (const id of policies) at.searchParams.append("escalation_policy_ids[]", id);
    for (const id of schedules) at.searchParams.append("schedule_ids[]", id);
    at.searchParams.set("include[]", "users");
    at.searchParams.set("limit", String(PAGE_ENTRIES));
    const question = {
      authorization: new Secret(`Token token=${token}`),
      accept: "application/vnd.pagerduty+json;version=2",
    };
    const found: OnCallAnswer[number][] = [];
    for (let page = 0; page < PAGES_MAX; page += 1) {
      at.searchParams.set("offset", String(page * PAGE_ENTRIES));
      const answer = await ask({ url: new URL(at), ...question });
      if (answer === undefined) throw new SourceError("not-found", "has no on-calls at its address (HTTP 404)");
      for (const entry of allAt(answer, "oncalls[]")) {
        checkAsked(entry, "escalation_policy", policies);
        checkAsked(entry, "schedule", schedules);
        found.push(onCallOf(entry));
      }
      if (oneAt(answer, "more") !== true) return found;
    }
    throw new SourceError("too-large", `has more than ${PAGES_MAX * PAGE_ENTRIES} on-calls`);
  },
});

function checkAsked(entry: Json, what: string, asked: readonly string[]): void {
  if (asked.length === 0) return;
  const id = wordOf(oneAt(entry, `${what}.id`), what);
  if (!asked.includes(id)) throw new SourceError("unexpected", `answered about another ${what.replace("_", " ")}`);
}

/** `summary` and `name` are what people call themselves. An address is there where the key may see it. */
function onCallOf(entry: Json): OnCallAnswer[number] {
  const user = oneAt(entry, "user");
  const email = typeof user === "object" && user !== null && !Array.isArray(user) ? (user["email"] ?? null) : null;
  return {
    ids: [wordOf(oneAt(entry, "user.id"), "user")],
    email: wordOf(email, "address"),
    handle: "",
    tier: tierOf(oneAt(entry, "escalation_level")),
  };
}
