/** All kinds of sources there are. A new one is a file in `sources/` and a line here. */

import type { OnCallKind, TicketKind } from "./source.ts";
import { jira } from "./sources/jira.ts";
import { jsonOnCall } from "./sources/json-oncall.ts";
import { jsonTickets } from "./sources/json-tickets.ts";
import { opsgenie } from "./sources/opsgenie.ts";
import { pagerduty } from "./sources/pagerduty.ts";
import { servicenow } from "./sources/servicenow.ts";

const byKind = <K extends { readonly kind: string }>(kinds: readonly K[]): ReadonlyMap<string, K> =>
  new Map(kinds.map((one) => [one.kind, one]));

export const ONCALL_KINDS: ReadonlyMap<string, OnCallKind> = byKind([pagerduty, opsgenie, jsonOnCall]);
export const TICKET_KINDS: ReadonlyMap<string, TicketKind> = byKind([jira, servicenow, jsonTickets]);
