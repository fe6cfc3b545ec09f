/** A token of a job's own platform for one of ours: OAuth 2.0 Token Exchange (RFC 8693), with its answers and errors. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { isRefusal } from "../base/problem.ts";
import { SCOPE_NAMES, type Scope } from "../base/scope.ts";
import { hashToken, newToken } from "../base/token.ts";
import { exchangeToken } from "../operations/exchange-token.ts";
import type { ServerDeps } from "./call.ts";
import { sendProblem } from "./problems.ts";

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const TYPES = ["jwt", "id_token"].map((type) => `urn:ietf:params:oauth:token-type:${type}`);

export function tokenExchangeRoutes(root: FastifyInstance, { context, workloads, clock }: ServerDeps): void {
  root.register(async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) =>
      done(null, new URLSearchParams(String(body))),
    );
    app.post("/auth/token", async (request, reply) => {
      const no = (error: string, error_description: string): FastifyReply => {
        request.log.warn({ error, error_description }, "token not exchanged");
        return reply.code(400).send({ error, error_description });
      };
      const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
      if (form.get("grant_type") !== EXCHANGE) return no("unsupported_grant_type", `Send grant_type=${EXCHANGE}.`);
      const token = form.get("subject_token");
      if (token === null || !TYPES.includes(form.get("subject_token_type") ?? ""))
        return no("invalid_request", `Send subject_token, and subject_token_type=${TYPES[0]}.`);
      const principals = (await context.catalog.active(context.ledger))?.configuration.principals ?? [];
      const proven = await workloads.prove(principals, token, form.get("client_id"));
      if (isRefusal(proven)) return sendProblem(reply, proven);
      if (typeof proven === "string") return no("invalid_request", proven);
      const scopes = narrowed(form.get("scope"), proven.workload.scopes ?? null);
      if (scopes === undefined) return no("invalid_scope", "That service has no such scope here.");
      const ours = newToken();
      const done = await exchangeToken(context, proven, scopes, hashToken(ours));
      if (isRefusal(done)) return no("invalid_request", done.detail);
      request.log.info({ principal: done.principalId, issuer: proven.workload.issuer }, "token exchanged");
      return reply.send({
        access_token: ours,
        issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
        token_type: "Bearer",
        ...(scopes === null ? {} : { scope: scopes.join(" ") }),
        expires_in: Math.floor((done.expiresMs - clock.nowMs()) / 1_000),
      });
    });
  });
}

/** What is asked for of what there is; undefined: it is not there. */
function narrowed(asked: string | null, allowed: readonly Scope[] | null): readonly Scope[] | null | undefined {
  const words = asked?.split(" ").filter((word) => word !== "") ?? [];
  if (words.length === 0) return allowed;
  const scopes = (allowed ?? SCOPE_NAMES).filter((scope) => words.includes(scope));
  return scopes.length === new Set(words).size ? scopes : undefined;
}
