/**
 * Tickets of Jira, by its issue resource: `GET /rest/api/3/issue/{key}` of Jira Cloud, `/rest/api/2/` of Jira Data Center.
 * Whether an issue is open is told by the category of its status, which every workflow has, and not by its name.
 */
import { z } from "zod";
import type { Json, JsonObject } from "../../base/canonical.ts";
import type { TicketState } from "../../domain/facts.ts";
import { oneAt } from "../json-path.ts";
import { authorizationOf, signIn } from "../sign-in.ts";
import { defineTicketSource, NO_SUCH_TICKET, SourceError, type TicketAnswer } from "../source.ts";
import { wordOf } from "../texts.ts";

const STATES: Readonly<Record<string, Exclude<TicketState, "unknown">>> = {
  new: "open",
  indeterminate: "open",
  done: "closed",
};

export const jira = defineTicketSource({
  kind: "jira",
  connection: z.strictObject({
    ...signIn("the address of Jira, without /rest"),
    api: z
      .enum(["2", "3"])
      .default("3")
      .meta({ description: "the version of its API: 3 for Jira Cloud, 2 for Jira Data Center" }),
  }),
  async ticket({ url, api, ...credentials }, id, ask) {
    const at = new URL(`${url.replace(/\/+$/, "")}/rest/api/${api}/issue/${encodeURIComponent(id)}`);
    at.searchParams.set("fields", "status,assignee");
    const answer = await ask({ url: at, authorization: authorizationOf(credentials) });
    if (answer === undefined) return NO_SUCH_TICKET;
    // An issue that was moved answers under its new key. The rules of another project may be others.
    if (wordOf(oneAt(answer, "key"), "key") !== id)
      throw new SourceError("unexpected", "answered about another ticket: was it moved to another project?");
    const category = wordOf(oneAt(answer, "fields.status.statusCategory.key"), "category of a status");
    return {
      state: (Object.hasOwn(STATES, category) ? STATES[category] : undefined) ?? "other",
      status: wordOf(oneAt(answer, "fields.status.name"), "status"),
      assignee: assigneeOf(oneAt(answer, "fields")),
    };
  },
});

/** Cloud knows people by account id, and shows an address only where its profile is public; Data Center by name. */
function assigneeOf(fields: Json): TicketAnswer["assignee"] {
  const value = (fields as JsonObject)["assignee"] ?? null;
  if (value === null) return null;
  if (typeof value !== "object" || Array.isArray(value))
    throw new SourceError("unexpected", "answered with an assignee that is none");
  const [account, name, email, shown] = ["accountId", "name", "emailAddress", "displayName"].map((field) =>
    wordOf(value[field] ?? null, "assignee"),
  ) as [string, string, string, string];
  const ids = [account, name].filter((one) => one !== "");
  return { shown: email || name || shown || account, ids, email, handle: name };
}
