/**
 * Who is on call at Opsgenie, by its *Who is on call* API: `GET /v2/schedules/{schedule}/on-calls`, one question for each
 * schedule. Not `flat`: that leaves out ids, and who of an escalation comes first.
 *
 * Schedules have no tiers there, so the file says which line each is. Who is told only later, by an escalation within a
 * schedule, is in a line further back.
 */
import { z } from "zod";
import type { Json, JsonObject } from "../../base/canonical.ts";
import { Secret } from "../../base/secret.ts";
import { oneAt } from "../json-path.ts";
import { keyOf, sourceUrl } from "../sign-in.ts";
import { type Ask, defineOnCallSource, type OnCallAnswer, SourceError } from "../source.ts";
import { sameWord, tierOf, wordOf } from "../texts.ts";

const DEPTH_MAX = 5;

const schedule = z
  .strictObject({
    id: z
      .string()
      .regex(/^[0-9A-Za-z-]{1,64}$/, { error: "write the id of a schedule" })
      .optional()
      .meta({
        description: "its id",
      }),
    name: z.string().min(1).max(100).optional().meta({ description: "or its name, where nobody renames it" }),
    tier: z.int().min(1).max(9).default(1).meta({ description: "which line it is: 1 the first, 2 the second" }),
  })
  .refine(({ id, name }) => (id === undefined) !== (name === undefined), { error: "name it by id or by name" });

export const opsgenie = defineOnCallSource({
  kind: "opsgenie",
  connection: z.strictObject({
    url: sourceUrl("its API; in the EU `https://api.eu.opsgenie.com`").default("https://api.opsgenie.com"),
    token: keyOf("the key of an API integration that may read configurations"),
    schedules: z.array(schedule).min(1).max(20).meta({ description: "whose turns count" }),
  }),
  async onCall({ url, token, schedules }, ask) {
    const authorization = new Secret(`GenieKey ${token}`);
    const base = `${url.replace(/\/+$/, "")}/v2/schedules/`;
    const answers = await Promise.all(schedules.map((one) => onCallOf(one, base, authorization, ask)));
    return answers.flat();
  },
});

async function onCallOf(
  { id, name, tier }: z.infer<typeof schedule>,
  base: string,
  authorization: Secret,
  ask: Ask,
): Promise<OnCallAnswer> {
  const [by, wanted] = id === undefined ? (["name", name ?? ""] as const) : (["id", id] as const);
  const at = new URL(`${base}${encodeURIComponent(wanted)}/on-calls`);
  at.searchParams.set("scheduleIdentifierType", by);
  at.searchParams.set("flat", "false");
  const answer = await ask({ url: at, authorization });
  if (answer === undefined) throw new SourceError("not-found", "has no schedule that is named so (HTTP 404)");
  if (!sameWord(wordOf(oneAt(answer, `data._parent.${by}`), by), wanted))
    throw new SourceError("unexpected", "answered about another schedule");
  // A schedule that is switched off puts nobody on call.
  if (oneAt(answer, "data._parent.enabled") !== true) return [];
  return usersIn(oneAt(answer, "data"), tier, 0);
}

/** Those on call, and those within teams and escalations that are. */
function usersIn(parent: Json, tier: number, depth: number): OnCallAnswer[number][] {
  if (depth > DEPTH_MAX) throw new SourceError("unexpected", "answered with escalations within one another");
  const members = membersOf(parent);
  const delays = [...new Set([0, ...members.map(delayOf)])].sort((a, b) => a - b);
  return members.flatMap((member) => {
    const line = tierOf(tier + delays.indexOf(delayOf(member)));
    if (wordOf(oneAt(member, "type"), "type") !== "user") return usersIn(member, line, depth + 1);
    const email = wordOf(oneAt(member, "name"), "name");
    return [{ ids: [wordOf(oneAt(member, "id"), "user")], email, handle: "", tier: line }];
  });
}

/** A team that nobody is on call in has no list of its own. */
function membersOf(parent: Json): JsonObject[] {
  const list = (parent as JsonObject | null)?.["onCallParticipants"] ?? [];
  if (!Array.isArray(list) || list.some((one) => typeof one !== "object" || one === null || Array.isArray(one)))
    throw new SourceError("unexpected", "answered with participants that are none");
  return list as JsonObject[];
}

/** Minutes after which an escalation tells them; none: at once. */
function delayOf(member: JsonObject): number {
  const delay = member["escalationTime"] ?? 0;
  if (typeof delay === "number" && delay >= 0) return delay;
  throw new SourceError("unexpected", "answered with a time of escalation that is none");
}
