/** How users and groups of SCIM are asked for and shown. */
import type { FastifyRequest } from "fastify";
import { type RawBuilder, sql } from "kysely";
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { isRefusal, type Refusal } from "../base/problem.ts";
import { isObject } from "../domain/scim/document.ts";
import { parseFilter } from "../domain/scim/filter.ts";
import { type Member, type ScimGroup, showGroup } from "../domain/scim/group.ts";
import { refuseScim } from "../domain/scim/refuse-scim.ts";
import { ENTERPRISE_URN, LIST_URN } from "../domain/scim/schema.ts";
import { type ScimUser, showUser } from "../domain/scim/user.ts";
import type { Seen } from "../operations/scim-users.ts";
import type { Page } from "../store/scim.ts";
import { conditionOf } from "../store/scim-filter.ts";

const RESULTS = 100;
const OFFSET_MAX = 10_000_000;
/** Always shown, whatever was asked for (RFC 7643, `returned: always`). */
const ALWAYS = ["schemas", "id"];

/** Which attributes are asked for, as a whole: who wants a part of one gets all of it. */
export type Projection = { readonly shows: (name: string) => boolean };

/** What is asked in the address, or in the body of a search. */
function asked(request: FastifyRequest): JsonObject {
  if (request.method === "POST" && isObject(request.body) && request.url.split("?")[0]?.endsWith("/.search"))
    return request.body;
  return request.query as JsonObject;
}

export function projectionOf(request: FastifyRequest): Projection {
  const { attributes, excludedAttributes } = asked(request);
  const names = (value: unknown): string[] =>
    [value]
      .flat()
      .flatMap((one) => String(one ?? "").split(","))
      .map((one) => nameOf(one.trim()))
      .filter((one) => one !== "");
  const [only, without] = [names(attributes), names(excludedAttributes)];
  const shows = (name: string): boolean => {
    const key = nameOf(name);
    if (ALWAYS.includes(key)) return true;
    return only.length > 0 ? only.includes(key) : !without.includes(key);
  };
  return { shows };
}

/** `urn:…:User:name.givenName` is about `name`; the manager lies in an extension. */
function nameOf(attribute: string): string {
  const lower = attribute.toLowerCase();
  if (lower === "manager" || lower.startsWith(ENTERPRISE_URN.toLowerCase())) return "manager";
  return lower.replace(/^urn:.*:/, "").split(".")[0] ?? "";
}

const projected = (body: JsonObject, { shows }: Projection): JsonObject =>
  Object.fromEntries(Object.entries(body).filter(([key]) => shows(key)));

type Dated = Pick<ScimUser, "version" | "createdMs" | "changedMs">;
const metaOf = (resourceType: string, location: string, { version, createdMs, changedMs }: Dated): JsonObject => ({
  resourceType,
  created: toTimestamp(createdMs),
  lastModified: toTimestamp(changedMs),
  location,
  version: `W/"${version}"`,
});

export const userView = (url: string, user: ScimUser, projection: Projection): JsonObject =>
  projected({ ...showUser(user), meta: metaOf("User", `${url}/Users/${user.id}`, user) }, projection);

export const groupView = (
  url: string,
  group: ScimGroup,
  members: readonly Member[] | null,
  projection: Projection,
): JsonObject =>
  projected({ ...showGroup(group, members), meta: metaOf("Group", `${url}/Groups/${group.id}`, group) }, projection);

export const lists = (items: readonly JsonObject[], total: number, offset: number): JsonObject => ({
  schemas: [LIST_URN],
  totalResults: total,
  startIndex: offset + 1,
  itemsPerPage: items.length,
  Resources: [...items],
});

export function wantedIn(
  request: FastifyRequest,
  columns: Parameters<typeof conditionOf>[1],
  resultsMax: number,
): { readonly condition: RawBuilder<boolean>; readonly page: Page } | Refusal {
  const { filter, startIndex, count } = asked(request);
  const [from, limit] = [numberOf("startIndex", startIndex, 1), numberOf("count", count, RESULTS)];
  if (isRefusal(from)) return from;
  if (isRefusal(limit)) return limit;
  const page = {
    offset: Math.min(Math.max(from, 1) - 1, OFFSET_MAX),
    limit: Math.min(Math.max(limit, 0), resultsMax),
  };
  if (filter === undefined || filter === "") return { page, condition: sql<boolean>`true` };
  if (typeof filter !== "string") return refuseScim("invalidFilter", "Send one filter, as a text.");
  const parsed = parseFilter(filter);
  const condition = isRefusal(parsed) ? parsed : conditionOf(parsed, columns);
  return isRefusal(condition) ? condition : { page, condition };
}

function numberOf(name: string, value: unknown, otherwise: number): number | Refusal {
  if (value === undefined || value === "") return otherwise;
  if (/^-?\d{1,9}$/.test(String(value))) return Number(value);
  return refuseScim("invalidValue", `${name} must be a whole number.`);
}

/** `If-Match`: a change of something that has changed since is refused. */
export function seenIn({ headers }: FastifyRequest): Seen {
  const given = headers["if-match"];
  if (given === undefined || given.trim() === "*") return () => true;
  const versions = tagsIn(given);
  return (version) => versions.includes(String(version));
}

/** `If-None-Match`: nothing is sent again that the caller has. */
export function unchanged({ headers }: FastifyRequest, version: number): { status: 304; version: number } | null {
  const given = headers["if-none-match"];
  if (given === undefined || !(given.trim() === "*" || tagsIn(given).includes(String(version)))) return null;
  return { status: 304, version };
}

const tagsIn = (header: string): string[] => Array.from(header.matchAll(/(?:W\/)?"([^"]*)"/g), ([, tag]) => tag ?? "");
