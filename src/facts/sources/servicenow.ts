/**
 * Tickets of ServiceNow, by its Table API: `GET /api/now/table/{table}` with a query for the number.
 *
 * An instance leaves out the part of a query that it does not understand and answers with whatever the rest finds; only a
 * row with the very number that was asked for counts.
 */
import { z } from "zod";
import type { Json } from "../../base/canonical.ts";
import { allAt, oneAt } from "../json-path.ts";
import { authorizationOf, signIn } from "../sign-in.ts";
import { defineTicketSource, NO_SUCH_TICKET, SourceError, type TicketAnswer } from "../source.ts";
import { sameWord, wordOf } from "../texts.ts";

const FIELDS = ["number", "state", "active", "assigned_to.email", "assigned_to.user_name"];

export const servicenow = defineTicketSource({
  kind: "servicenow",
  connection: z.strictObject({
    ...signIn("the address of the instance, without /api"),
    table: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,79}$/, { error: "write the name of a table, as in incident" })
      .default("incident")
      .meta({ description: "the table: `incident`, `change_request`, `task` for all of them" }),
    closed: z
      .array(z.string().min(1).max(200))
      .max(50)
      .default([])
      .meta({
        description: "which states, as they are shown, mean closed although the record is still active",
        examples: [["Resolved"]],
      }),
  }),
  async ticket({ url, table, closed, ...credentials }, id, ask) {
    const at = new URL(`${url.replace(/\/+$/, "")}/api/now/table/${table}`);
    at.searchParams.set("sysparm_query", `number=${id}`);
    at.searchParams.set("sysparm_fields", FIELDS.join(","));
    at.searchParams.set("sysparm_display_value", "all");
    at.searchParams.set("sysparm_exclude_reference_link", "true");
    at.searchParams.set("sysparm_limit", "2");
    const answer = await ask({ url: at, authorization: authorizationOf(credentials) });
    const rows = answer === undefined ? [] : allAt(answer, "result[]");
    const [row] = rows;
    if (row === undefined) return NO_SUCH_TICKET;
    if (rows.length > 1 || field(row, "number").value !== id)
      throw new SourceError("unexpected", "answered about another ticket");
    return { ...stateOf(row, closed), assignee: assigneeOf(row) };
  },
});

function stateOf(row: Json, closed: readonly string[]): Pick<TicketAnswer, "state" | "status"> {
  const status = field(row, "state").display;
  const active = field(row, "active").value;
  if (active === "false" || closed.some((word) => sameWord(word, status))) return { state: "closed", status };
  return { state: active === "true" ? "open" : "other", status };
}

function assigneeOf(row: Json): TicketAnswer["assignee"] {
  const email = field(row, "assigned_to.email").value;
  const handle = field(row, "assigned_to.user_name").value;
  if (email === "" && handle === "") return null;
  return { shown: email || handle, ids: [email, handle].filter((one) => one !== ""), email, handle };
}

/** With `sysparm_display_value=all` each field is both; one walked to through a reference has a dot in its name. */
function field(row: Json, name: string): { readonly value: string; readonly display: string } {
  const found = typeof row === "object" && row !== null && !Array.isArray(row) ? row[name] : undefined;
  // Nobody is assigned: some releases then leave the walked fields out.
  if (found === undefined && name.includes(".")) return { value: "", display: "" };
  return {
    value: wordOf(oneAt(found ?? null, "value"), name),
    display: wordOf(oneAt(found ?? null, "display_value"), name),
  };
}
