/** Binds the contract to Fastify: one route for each, its input parsed, its answer or refusal sent. */
import type { AnyContractProcedure } from "@orpc/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import { defined } from "../base/assert.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { allows, type NeededScope } from "../base/scope.ts";
import { inServerSpan } from "../base/trace.ts";
import { tidegateVersion, VERSION_HEADER } from "../base/version.ts";
import type { RouteMeta } from "../contract/route.ts";
import { KEY_CHARS_MAX } from "../contract/values.ts";
import type { Principal } from "../domain/principal.ts";
import type { Caller } from "../identity/authenticate.ts";
import type { IdempotencyKey } from "../operations/transact.ts";
import type { Call, OpenCall } from "./call.ts";
import { refuseInput, sendProblem } from "./problems.ts";

const VERSION = tidegateVersion();

/** Any handler, its types forgotten: they were checked where it was written. */
export type AnyHandler = (
  input: never,
  call: never,
) => Promise<{ status: number; body: unknown; headers?: Readonly<Record<string, string>> } | Refusal>;

export type Binding = {
  /** What a token that has scopes needs for it. */
  readonly scope: NeededScope;
  /** Who calls, or why not. Asked before the body is read. */
  readonly authenticate: (request: FastifyRequest) => Promise<Caller | Refusal>;
  /** Whether they may call so often, or why not; says in the headers of the answer how often that is. */
  readonly admit: (principal: Principal, reply: FastifyReply) => Refusal | null;
  /** Tells with a refusal what it takes to be let through, where that is known. */
  readonly offer: (refusal: Refusal, call: Call) => Promise<Refusal>;
  /** Aborted when the client goes away or the server stops. */
  readonly signalOf: (reply: FastifyReply) => AbortSignal;
};

/** Adds the route of one procedure; answers its method and path. */
export function bindRoute(
  app: FastifyInstance,
  procedure: AnyContractProcedure,
  handler: AnyHandler,
  binding: Binding,
): { method: string; url: string; streams: boolean } {
  const { route, inputSchema } = procedure["~orpc"];
  const meta: RouteMeta = procedure["~orpc"].meta;
  const schema = defined(inputSchema, "input of a route") as z.ZodType;
  const method = route.method ?? "GET";
  const url = defined(route.path, "path of a route").replaceAll(/\{(\w+)\}/g, ":$1");
  const streams = meta.answers === "text/event-stream" || meta.answers === "application/jsonl";
  const callers = new WeakMap<FastifyRequest, Caller>();

  app.route({
    method,
    url,
    exposeHeadRoute: method === "GET" && !streams,
    onRequest: async (request, reply) => {
      if (meta.open) return;
      const caller = await authenticate(request);
      if (isRefusal(caller)) return sendProblem(reply, caller);
      const no = binding.admit(caller.principal, reply);
      if (no !== null) return sendProblem(reply, no);
      callers.set(request, caller);
      reply.header(VERSION_HEADER, VERSION);
    },
    handler: (request, reply) =>
      inServerSpan(
        request.headers,
        `${method} ${url}`,
        { "http.request.method": method, "http.route": url, "tidegate.call": request.id },
        async (note) => {
          await answer(request, reply);
          note({ "http.response.status_code": reply.statusCode });
          return reply;
        },
      ),
  });

  async function authenticate(request: FastifyRequest): Promise<Caller | Refusal> {
    const caller = await binding.authenticate(request);
    if (isRefusal(caller) || allows(caller.token?.scopes ?? null, binding.scope)) return caller;
    return outOfScope(`${method} ${url}`, caller.token?.scopes ?? [], binding.scope);
  }

  async function answer(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const parsed = schema.safeParse(partsOf(request), { reportInput: true });
    if (!parsed.success) return void sendProblem(reply, refuseInput(parsed.error.issues));
    const body = Object.hasOwn(parsed.data as object, "body") ? request.body : null;
    const call: OpenCall | Call | Refusal = meta.open
      ? { address: request.ip, log: request.log }
      : callOf(request, reply, defined(callers.get(request), "caller"), body);
    if (isRefusal(call)) return void sendProblem(reply, call);
    const answered = await handler(parsed.data as never, call as never);
    if (isRefusal(answered))
      return void sendProblem(reply, "principal" in call ? await binding.offer(answered, call) : answered);
    reply
      .code(answered.status)
      .headers({ ...answered.headers })
      .send(answered.body);
  }

  function callOf(request: FastifyRequest, reply: FastifyReply, caller: Caller, body: unknown): Call | Refusal {
    const act = actOf(request, body);
    const idempotency = meta.idempotent ? idempotencyOf(request, caller.principal, act) : null;
    if (isRefusal(idempotency)) return idempotency;
    const again = async () => {
      const now = await authenticate(request);
      return isRefusal(now) ? now : now.principal;
    };
    return { ...caller, act, idempotency, signal: binding.signalOf(reply), again };
  }
  return { method, url, streams };
}

function outOfScope(route: string, scopes: readonly string[], needed: NeededScope): Refusal {
  const why =
    needed === "none"
      ? "no token that has scopes may do this: sign in with tidegate login"
      : `${route} needs ${needed}`;
  const extra = needed === "none" ? {} : { scope: needed };
  return refuse("out-of-scope", `This token is good for ${scopes.join(", ")}; ${why}.`, extra);
}

/** A body that was left out is left to the schema: some calls need none. */
const partsOf = (request: FastifyRequest) => ({
  params: request.params,
  query: request.query,
  headers: request.headers,
  ...(request.body === undefined ? {} : { body: request.body }),
});

/** `body` is what the route reads: it has been looked at. What is sent beside it is no part of the call. */
function actOf(request: FastifyRequest, body: unknown): unknown {
  const path = request.url.split("?")[0] ?? "";
  const seen = request.headers["if-match"];
  return { method: request.method, path, body: body ?? null, ...(seen === undefined ? {} : { seen }) };
}

function idempotencyOf(request: FastifyRequest, principal: Principal, call: unknown): IdempotencyKey | Refusal | null {
  const key = request.headers["idempotency-key"];
  if (key === undefined) return null;
  if (typeof key !== "string" || key.length === 0 || key.length > KEY_CHARS_MAX)
    return refuse("invalid-input", `An Idempotency-Key has 1 to ${KEY_CHARS_MAX} characters.`);
  return { principal: principal.id, key, call };
}
