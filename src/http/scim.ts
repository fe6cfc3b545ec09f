/** SCIM 2.0 (RFC 7644): identity providers tell of their people and groups. Each has tokens of its own, sees its own, and nothing else. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { JsonObject } from "../base/canonical.ts";
import { scimGroupId, scimUserId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { together } from "../base/together.ts";
import type { ScimProvider } from "../domain/identity.ts";
import { patchGroup, readGroup, type ScimGroup } from "../domain/scim/group.ts";
import { parsePatch } from "../domain/scim/patch.ts";
import { resourceTypes, schemas, serviceProviderConfig } from "../domain/scim/schema.ts";
import { patchUser, readUser, replaceUser } from "../domain/scim/user.ts";
import { FailedAttempts } from "../identity/failed-attempts.ts";
import { changeGroup, createGroup, noGroup, removeGroup } from "../operations/scim-groups.ts";
import { changeUser, createUser, type FromProvider, noUser, removeUser } from "../operations/scim-users.ts";
import { activeNow } from "../store/catalog.ts";
import { findGroup, findUser, listGroups, listUsers, membersOf } from "../store/scim.ts";
import { GROUP_COLUMNS, USER_COLUMNS } from "../store/scim-filter.ts";
import type { Admission } from "./admission.ts";
import type { ServerDeps } from "./call.ts";
import { sendProblem } from "./problems.ts";
import { readJson } from "./read-json.ts";
import { SCIM_ROOT, SCIM_TYPE } from "./scim-error.ts";
import {
  groupView,
  lists,
  type Projection,
  projectionOf,
  seenIn,
  unchanged,
  userView,
  wantedIn,
} from "./scim-views.ts";

/** A group of thousands comes in one call. */
const SCIM_BODY_BYTES_MAX = 2 * 1024 * 1024;
const RESULTS_MAX = 200;

type Asked = {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly from: FromProvider;
  readonly provider: ScimProvider;
  /** Of SCIM here, as the provider knows it. */
  readonly url: string;
  readonly projection: Projection;
};
type Answer = { readonly status: number; readonly body?: JsonObject; readonly version?: number };
type Work = (asked: Asked) => Promise<Answer | Refusal>;
type Methods = Partial<Record<"GET" | "POST" | "PUT" | "PATCH" | "DELETE", Work>>;

export function scimRoutes(root: FastifyInstance, deps: ServerDeps, admission: Admission): void {
  root.register(
    async (app) => {
      readJson(app, "application/scim+json");
      const callers = admitProviders(app, deps, admission);
      const route = (path: string, methods: Methods): void => {
        for (const [method, work] of Object.entries(methods))
          app.route({
            method,
            url: path,
            bodyLimit: SCIM_BODY_BYTES_MAX,
            handler: (request, reply) => answer(request, reply, callers.get(request), work),
          });
      };
      discovery(route);
      users(route, deps);
      groups(route, deps);
    },
    { prefix: SCIM_ROOT },
  );
}

type Caller = { readonly from: FromProvider; readonly provider: ScimProvider; readonly url: string };

/** Before a body is read. */
function admitProviders(
  app: FastifyInstance,
  { context, scim, clock }: ServerDeps,
  admission: Admission,
): WeakMap<FastifyRequest, Caller> {
  const callers = new WeakMap<FastifyRequest, Caller>();
  const failed = new FailedAttempts(clock);
  const active = together(() => activeNow(context.db));
  app.addHook("onRequest", async (request, reply) => {
    const { version, nowMs } = await active();
    const configuration = (await context.catalog.withId(version, context.ledger))?.configuration;
    const identity = configuration?.identity;
    const provider = scim.whose(identity, request.headers.authorization);
    // Whoever has no good token is one of many at their address.
    const no = provider === null ? admission.address(request.ip, reply) : admission.provider(provider, reply);
    if (no !== null) return sendProblem(reply, no);
    if (provider !== null && configuration !== undefined && identity !== undefined) {
      const from = { context, configuration, provider, nowMs };
      callers.set(request, { from, provider, url: `${identity.url}${SCIM_ROOT}` });
      return;
    }
    const retryAfterSeconds = failed.note(request.ip);
    return sendProblem(
      reply,
      retryAfterSeconds === null
        ? refuse("unauthenticated", "Send a token of identity.providers.NAME.scim: Authorization: Bearer TOKEN.")
        : refuse("too-many-requests", "Too many calls with a bad token came from your address. Wait, then try again.", {
            retryAfterSeconds,
          }),
    );
  });
  return callers;
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  caller: Caller | undefined,
  work: Work,
): Promise<FastifyReply> {
  if (caller === undefined) throw new Error("a call of SCIM without its provider");
  const done = await work({ request, reply, ...caller, projection: projectionOf(request) });
  if (isRefusal(done)) return sendProblem(reply, done);
  const { status, body, version } = done;
  if (version !== undefined) reply.header("etag", `W/"${version}"`);
  return reply
    .code(status)
    .type(SCIM_TYPE)
    .send(body === undefined ? undefined : JSON.stringify(body));
}

type Route = (path: string, methods: Methods) => void;
const idOf = ({ request }: Asked): string => (request.params as { readonly id: string }).id;

function discovery(route: Route): void {
  route("/ServiceProviderConfig", {
    GET: async ({ url }) => ({ status: 200, body: serviceProviderConfig(url, RESULTS_MAX) }),
  });
  for (const [path, all] of [
    ["/ResourceTypes", resourceTypes],
    ["/Schemas", schemas],
  ] as const) {
    route(path, { GET: async ({ url }) => ({ status: 200, body: lists(all(url), all(url).length, 0) }) });
    route(`${path}/:id`, {
      GET: async (asked) => {
        const body = all(asked.url).find((one) => one["id"] === idOf(asked));
        return body === undefined ? refuse("not-found", "There is no such schema or type.") : { status: 200, body };
      },
    });
  }
}

function users(route: Route, { context }: ServerDeps): void {
  const { db } = context;
  const page: Work = async ({ request, provider, url, projection }) => {
    const wanted = wantedIn(request, USER_COLUMNS, RESULTS_MAX);
    if (isRefusal(wanted)) return wanted;
    const found = await listUsers(db, provider.issuer, wanted.condition, wanted.page);
    const shown = found.items.map((user) => userView(url, user, projection));
    return { status: 200, body: lists(shown, found.total, wanted.page.offset) };
  };
  const one =
    (work: (asked: Asked, id: NonNullable<ReturnType<typeof scimUserId.parse>>) => ReturnType<Work>): Work =>
    async (asked) => {
      const id = scimUserId.parse(idOf(asked));
      return id === null ? noUser() : work(asked, id);
    };
  route("/Users/.search", { POST: page });
  route("/Users", {
    GET: page,
    POST: async ({ request, reply, from, url, projection }) => {
      const said = readUser(request.body);
      const user = isRefusal(said) ? said : await createUser(from, said);
      if (isRefusal(user)) return user;
      reply.header("location", `${url}/Users/${user.id}`);
      return { status: 201, body: userView(url, user, projection), version: user.version };
    },
  });
  route("/Users/:id", {
    GET: one(async ({ request, provider, url, projection }, id) => {
      const user = await findUser(db, provider.issuer, id);
      if (user === null) return noUser();
      const { version } = user;
      return unchanged(request, version) ?? { status: 200, body: userView(url, user, projection), version };
    }),
    PUT: one(async ({ request, from, url, projection }, id) => {
      const user = await changeUser(from, id, seenIn(request), (now) => replaceUser(now, request.body));
      if (isRefusal(user)) return user;
      return { status: 200, body: userView(url, user, projection), version: user.version };
    }),
    PATCH: one(async ({ request, from, url, projection }, id) => {
      const operations = parsePatch(request.body);
      if (isRefusal(operations)) return operations;
      const user = await changeUser(from, id, seenIn(request), (now) => patchUser(now, operations));
      if (isRefusal(user)) return user;
      return { status: 200, body: userView(url, user, projection), version: user.version };
    }),
    DELETE: one(async ({ request, from }, id) => {
      const done = await removeUser(from, id, seenIn(request));
      return isRefusal(done) ? done : { status: 204 };
    }),
  });
}

function groups(route: Route, { context }: ServerDeps): void {
  const { db } = context;
  /** With its members, where they are asked for: there may be thousands. */
  const shown = async (url: string, group: ScimGroup, projection: Projection): Promise<JsonObject> => {
    const members = projection.shows("members") ? await membersOf(db, [group.id]) : null;
    return groupView(url, group, members?.get(group.id) ?? null, projection);
  };
  const page: Work = async ({ request, provider, url, projection }) => {
    const wanted = wantedIn(request, GROUP_COLUMNS, RESULTS_MAX);
    if (isRefusal(wanted)) return wanted;
    const found = await listGroups(db, provider.issuer, wanted.condition, wanted.page);
    const ids = found.items.map(({ id }) => id);
    const members = projection.shows("members") ? await membersOf(db, ids) : null;
    const views = found.items.map((group) => groupView(url, group, members?.get(group.id) ?? null, projection));
    return { status: 200, body: lists(views, found.total, wanted.page.offset) };
  };
  const one =
    (work: (asked: Asked, id: NonNullable<ReturnType<typeof scimGroupId.parse>>) => ReturnType<Work>): Work =>
    async (asked) => {
      const id = scimGroupId.parse(idOf(asked));
      return id === null ? noGroup() : work(asked, id);
    };
  route("/Groups/.search", { POST: page });
  route("/Groups", {
    GET: page,
    POST: async ({ request, reply, from, url, projection }) => {
      const wanted = readGroup(request.body);
      const group = isRefusal(wanted) ? wanted : await createGroup(from, wanted);
      if (isRefusal(group)) return group;
      reply.header("location", `${url}/Groups/${group.id}`);
      return { status: 201, body: await shown(url, group, projection), version: group.version };
    },
  });
  route("/Groups/:id", {
    GET: one(async ({ request, provider, url, projection }, id) => {
      const group = await findGroup(db, provider.issuer, id);
      if (group === null) return noGroup();
      const { version } = group;
      return unchanged(request, version) ?? { status: 200, body: await shown(url, group, projection), version };
    }),
    PUT: one(async ({ request, from, url, projection }, id) => {
      const group = await changeGroup(from, id, seenIn(request), () => readGroup(request.body));
      if (isRefusal(group)) return group;
      return { status: 200, body: await shown(url, group, projection), version: group.version };
    }),
    PATCH: one(async ({ request, from }, id) => {
      const operations = parsePatch(request.body);
      if (isRefusal(operations)) return operations;
      const group = await changeGroup(from, id, seenIn(request), (now) => patchGroup(now, operations));
      // Without the members: there may be thousands, and few changed.
      return isRefusal(group) ? group : { status: 204, version: group.version };
    }),
    DELETE: one(async ({ request, from }, id) => {
      const done = await removeGroup(from, id, seenIn(request));
      return isRefusal(done) ? done : { status: 204 };
    }),
  });
}
