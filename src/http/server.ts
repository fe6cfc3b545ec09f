/** The HTTP API: the contract, bound to Fastify. Hooks that wait for nothing are no promises: every call pays for each of them. */
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { contract } from "../contract/contract.ts";
import { neededScope, type OpenGroup } from "../contract/scopes.ts";
import type { Principal } from "../domain/principal.ts";
import {
  authenticate,
  authenticateSession,
  type Caller,
  callerInOneLook,
  type OwnerOf,
  ownersTogether,
} from "../identity/authenticate.ts";
import { FailedAttempts } from "../identity/failed-attempts.ts";
import { Admission } from "./admission.ts";
import { auditHandlers } from "./audit.ts";
import { awayHandlers } from "./away.ts";
import { type AnyHandler, bindRoute } from "./bind.ts";
import { bundleHandlers } from "./bundles.ts";
import type { Call, Handlers, OpenHandlers, ServerDeps } from "./call.ts";
import { catalogHandlers } from "./catalog.ts";
import { configHandlers } from "./config.ts";
import { sessionCookie, sessionCookies } from "./cookies.ts";
import { driftHandlers } from "./drift.ts";
import { edgeOf } from "./edge.ts";
import { eligibilityHandlers } from "./eligibility.ts";
import { emergencyHandlers } from "./emergencies.ts";
import { erased } from "./erase.ts";
import { eventHandlers } from "./events.ts";
import { evidenceHandlers } from "./evidence.ts";
import { grantHandlers } from "./grants.ts";
import { healthHandlers } from "./health.ts";
import { identityHandlers } from "./identity.ts";
import { LIMITS } from "./limits.ts";
import { loginHandlers } from "./login.ts";
import { messageHandlers } from "./messages.ts";
import { metricsHandlers } from "./metrics.ts";
import { panicHandlers } from "./panics.ts";
import { passkeyHandlers } from "./passkeys.ts";
import { policyHandlers } from "./policy.ts";
import { BODY_BYTES_MAX, loggable, refuseError, sendProblem } from "./problems.ts";
import { readJson } from "./read-json.ts";
import { requestHandlers } from "./requests.ts";
import { reviewHandlers } from "./review.ts";
import { refuseCrossSite } from "./same-origin.ts";
import { scimRoutes } from "./scim.ts";
import { isScim } from "./scim-error.ts";
import { serviceHandlers } from "./service.ts";
import { sessionHandlers } from "./sessions.ts";
import { signInRoutes } from "./sign-in.ts";
import { signalRoutes } from "./signals.ts";
import { offerStepUp, stepUpHandlers } from "./step-up.ts";
import { refuseStoreAway } from "./store-away.ts";
import { targetHandlers } from "./targets.ts";
import { tokenExchangeRoutes } from "./token-exchange.ts";
import { tokenHandlers } from "./tokens.ts";
import { Versions } from "./versions.ts";

export type { ServerDeps } from "./call.ts";

/** Longer ids are not looked up and found missing; they are no addresses. */
const PATH_PART_CHARS_MAX = 500;

/** The server, ready to listen. `close()` lets what is under way finish and ends every wait at once. */
export function createHttpServer(deps: ServerDeps): FastifyInstance {
  const limits = deps.limits ?? LIMITS;
  const edge = edgeOf(limits);
  const app = fastify({
    ...edge.options,
    ...(deps.logger === false ? {} : { loggerInstance: deps.logger }),
    // Each answer is one line of ours, which never holds a header, a query or a body.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "requestId" }),
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { maxParamLength: PATH_PART_CHARS_MAX },
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => void sendProblem(reply, refuseError(error, request.id)),
  });
  edge.guard(app);
  const admission = new Admission(limits, deps.clock);
  refuseInProblems(app);
  setHeaders(app);
  admitAddresses(app, admission);
  refuseWhileAway(app, deps);
  app.removeAllContentTypeParsers();
  readJson(app, "application/json");
  logAnswers(app, deps);
  bindContract(app, deps, admission);
  signInRoutes(app, deps);
  scimRoutes(app, deps, admission);
  signalRoutes(app, deps);
  tokenExchangeRoutes(app, deps);
  return app;
}

/** The contract reads and writes: Fastify's compilers of JSON Schema, a tenth of a start, are not loaded. */
function noSchemas(): never {
  throw new Error("a route has a schema of Fastify's: write it into the contract");
}

function bindContract(app: FastifyInstance, deps: ServerDeps, admission: Admission): void {
  const versions = new Versions(deps.context.db);
  const handlers: { [G in Exclude<keyof typeof contract, OpenGroup>]: Handlers<G> } & {
    [G in OpenGroup]: OpenHandlers<G>;
  } = {
    requests: requestHandlers(deps, versions),
    stepups: stepUpHandlers(deps),
    passkeys: passkeyHandlers(deps),
    bundles: bundleHandlers(deps, versions),
    grants: grantHandlers(deps, versions),
    emergencies: emergencyHandlers(deps, versions),
    away: awayHandlers(deps),
    people: { erase: ({ params }, call) => erased(deps, params.id, call) },
    panics: panicHandlers(deps),
    drift: driftHandlers(deps),
    catalog: catalogHandlers(deps),
    eligibility: eligibilityHandlers(deps, versions),
    policy: policyHandlers(deps),
    review: reviewHandlers(deps),
    evidence: evidenceHandlers(deps),
    config: configHandlers(deps),
    audit: auditHandlers(deps),
    events: eventHandlers(deps),
    messages: messageHandlers(deps),
    identity: identityHandlers(deps),
    sessions: sessionHandlers(deps),
    tokens: tokenHandlers(deps),
    login: loginHandlers(deps),
    metrics: metricsHandlers(deps),
    health: healthHandlers(deps),
    targets: targetHandlers(deps),
    service: serviceHandlers(deps),
  };
  const binding = {
    authenticate: authenticator(deps),
    admit: (principal: Principal, reply: FastifyReply) => admission.principal(principal, reply),
    offer: (refusal: Refusal, call: Call) => offerStepUp(deps, refusal, call),
    signalOf: signals(app),
  };
  const methodsByUrl = new Map<string, string[]>();
  for (const [group, routes] of Object.entries(contract)) {
    const ofGroup = handlers[group as keyof typeof handlers] as unknown as Readonly<Record<string, AnyHandler>>;
    for (const [name, procedure] of Object.entries(routes)) {
      const handler = ofGroup[name];
      if (handler === undefined) throw new Error(`the route ${group}.${name} has no handler`);
      const { method, url, streams } = bindRoute(app, procedure, handler, {
        ...binding,
        scope: neededScope(group, name),
      });
      const taken = method === "GET" && !streams ? [method, "HEAD"] : [method];
      methodsByUrl.set(url, [...(methodsByUrl.get(url) ?? []), ...taken]);
    }
  }
  for (const [url, methods] of methodsByUrl) refuseOtherMethods(app, url, methods);
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

function refuseOtherMethods(app: FastifyInstance, url: string, methods: readonly string[]): void {
  const allow = methods.join(", ");
  app.route({
    method: METHODS.filter((method) => !methods.includes(method)),
    url,
    onRequest: async (_request, reply) =>
      sendProblem(reply.header("allow", allow), refuse("method-not-allowed", `This address takes ${allow}.`)),
    handler: async () => undefined,
  });
}

type Asked = Pick<ServerDeps, "context" | "callers"> & { readonly ownerOf: OwnerOf };

/** A token where one is sent; else the cookie of a browser that is signed in. */
async function whoSends(asked: Asked, request: FastifyRequest): Promise<Caller | Refusal> {
  const { context, callers, ownerOf } = asked;
  const { host, plain } = sessionCookies(request);
  const { authorization } = request.headers;
  const known = (sent: string | undefined) => authenticate(context.db, ownerOf, sent);
  if (authorization !== undefined) return callers.caller(authorization, () => known(authorization));
  if ((host ?? plain) === undefined) return known(undefined);
  const quick = await inOneLook(asked, request);
  if (quick !== null) return quick;
  const identity = (await context.catalog.active(context.ledger))?.configuration.identity;
  const cookie = identity && sessionCookie(request, identity);
  if (identity === undefined || cookie === undefined) return known(undefined);
  return refuseCrossSite(request, identity.url) ?? authenticateSession(context.db, cookie);
}

/** A call that only reads, with one cookie: who that is and what is configured are one question. Null: to be looked at closer. */
async function inOneLook({ context, callers }: Asked, request: FastifyRequest): Promise<Caller | null> {
  const { host, plain } = sessionCookies(request);
  const cookie = host ?? plain;
  if (request.method !== "GET" || cookie === undefined || (host !== undefined && plain !== undefined)) return null;
  return callers.caller(`${host === undefined ? "plain" : "host"} ${cookie}`, async () => {
    const found = await callerInOneLook(context.db, cookie);
    if (isRefusal(found)) return null;
    const identity = (await context.catalog.withId(found.version, context.ledger))?.configuration.identity;
    return identity !== undefined && sessionCookie(request, identity) === cookie ? found.caller : null;
  });
}

function authenticator({
  context,
  callers,
  clock,
}: ServerDeps): (request: FastifyRequest) => Promise<Caller | Refusal> {
  const failed = new FailedAttempts(clock);
  const ownerOf = ownersTogether(context.db);
  return async (request) => {
    const caller = await whoSends({ context, callers, ownerOf }, request);
    if (!isRefusal(caller) || caller.refused !== "unauthenticated") return caller;
    const retryAfterSeconds = failed.note(request.ip);
    if (retryAfterSeconds === null) return sayingHow(context, caller);
    return refuse("too-many-requests", "Too many attempts to sign in failed from your address. Wait, then try again.", {
      retryAfterSeconds,
    });
  };
}

/** Whoever is let in nowhere is told through whom people sign in. */
async function sayingHow(context: ServerDeps["context"], { refused, detail, extra }: Refusal): Promise<Refusal> {
  const identity = (await context.catalog.active(context.ledger))?.configuration.identity;
  const providers = identity?.providers.map(({ name }) => name) ?? [];
  return refuse(refused, detail, providers.length === 0 ? extra : { ...extra, providers });
}

/** A signal for each call that waits: aborted when its client goes away, and all of them when the server stops. */
function signals(app: FastifyInstance): (reply: FastifyReply) => AbortSignal {
  const open = new Set<AbortController>();
  let stopping = false;
  app.addHook("preClose", async () => {
    stopping = true;
    for (const controller of open) controller.abort();
  });
  // A connection that stayed open after its last answer would keep the server from closing.
  app.addHook("onSend", (_request, reply, _payload, done) => {
    if (stopping) reply.header("connection", "close");
    done();
  });
  return (reply) => {
    const controller = new AbortController();
    if (stopping) controller.abort();
    open.add(controller);
    reply.raw.once("close", () => {
      open.delete(controller);
      // What was answered waits for nothing any more.
      if (!reply.raw.writableFinished) controller.abort();
    });
    return controller.signal;
  };
}

function refuseInProblems(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) => {
    const route = `${request.method} ${pathOf(request)}`;
    // Told apart from a thing that is not there: a client of another version asks for routes that we do not have.
    return sendProblem(reply, refuse("not-found", `There is nothing at ${route}.`, { route }));
  });
  app.setErrorHandler((error, request, reply) => {
    // The client went away in the middle of its own request: nobody failed, and nobody hears the answer.
    if (request.raw.destroyed && !request.raw.complete) {
      request.log.debug({ route: request.routeOptions.url }, "request broken off");
      return sendProblem(reply, refuse("malformed-request", "The request broke off."));
    }
    const refusal = refuseError(error, request.id, request.routeOptions.bodyLimit);
    if (refusal.refused === "internal" || refusal.refused === "unavailable")
      request.log.error({ route: request.routeOptions.url, err: loggable(error) }, "call failed");
    return sendProblem(reply, refusal);
  });
}

const SHOWN_CHARS_MAX = 200;
const pathOf = (request: FastifyRequest): string => (request.url.split("?")[0] ?? "").slice(0, SHOWN_CHARS_MAX);

/** Headers on every answer. Nothing here may be kept by a cache or taken for anything but what it says it is. */
function setHeaders(app: FastifyInstance): void {
  app.addHook("onRequest", (request, reply, done) => {
    reply.headers({
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "permissions-policy": "interest-cohort=()",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "x-request-id": request.id,
    });
    done();
  });
}

/** Before anything is looked up. Those who only ask whether it lives are always told; providers have a limit of their own. */
function admitAddresses(app: FastifyInstance, admission: Admission): void {
  app.addHook("onRequest", (request, reply, done) => {
    const { url = "" } = request.routeOptions;
    const no = PROBES.has(url) || isScim(url) ? null : admission.address(request.ip, reply);
    if (no === null) done();
    else sendProblem(reply, no);
  });
}

/** Nobody is made to wait for a store that is known not to answer. */
function refuseWhileAway(app: FastifyInstance, { storeAway }: ServerDeps): void {
  app.addHook("onRequest", (request, reply, done) => {
    const away = storeAway?.() ?? null;
    if (away === null || NEEDS_NO_STORE.has(request.routeOptions.url ?? "")) done();
    else sendProblem(reply, refuseStoreAway(away));
  });
}

/** Calls that are meant to take long would hide how long the others take. */
const waits = ({ query, routeOptions: { url } }: FastifyRequest): boolean =>
  url === contract.events.stream["~orpc"].route.path ||
  (typeof query === "object" && query !== null && "wait" in query && query.wait !== "0");

const PROBES: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);
const NEEDS_NO_STORE: ReadonlySet<string> = new Set([...PROBES, "/v1/openapi.json"]);

function logAnswers(app: FastifyInstance, { metrics }: ServerDeps): void {
  app.addHook("onResponse", (request, reply, done) => {
    const { method, routeOptions } = request;
    const line = {
      method,
      route: routeOptions.url ?? null,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    };
    if (!waits(request))
      metrics.answered({
        route: line.route ?? "none",
        method: line.route === null ? "any" : method,
        status: line.status,
        seconds: reply.elapsedTime / 1_000,
      });
    // Those who only ask whether it lives ask often.
    request.log[PROBES.has(line.route ?? "") ? "debug" : "info"](line, "answered");
    done();
  });
}
