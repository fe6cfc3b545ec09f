/** Security event tokens, as they are pushed (RFC 8935): 202 once it is written down, else what is wrong with it. */
import type { FastifyInstance } from "fastify";
import { isRefusal, refuse } from "../base/problem.ts";
import { isSetError } from "../domain/signal.ts";
import { SIGNALS_KEPT_MS } from "../identity/signals.ts";
import { receiveSignal } from "../operations/receive-signal.ts";
import type { ServerDeps } from "./call.ts";
import { sendProblem } from "./problems.ts";

const NO_TRANSMITTER = refuse("not-found", "Nobody sends signals here by this name: see identity.signals.");

export function signalRoutes(root: FastifyInstance, { context, signals }: ServerDeps): void {
  root.register(async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("application/secevent+jwt", { parseAs: "string" }, (_request, body, done) =>
      done(null, body),
    );
    app.post<{ Params: { transmitter: string } }>("/signals/:transmitter", async (request, reply) => {
      const { transmitter: name } = request.params;
      const identity = (await context.catalog.active(context.ledger))?.configuration.identity;
      const transmitter = identity?.signals?.find((one) => one.name === name);
      if (transmitter === undefined) return sendProblem(reply, NO_TRANSMITTER);
      const signal = await signals.read(transmitter, String(request.body ?? "").trim());
      if (isRefusal(signal)) return sendProblem(reply, signal);
      if (isSetError(signal)) {
        request.log.warn({ transmitter: name, err: signal.err }, "signal refused");
        return reply.code(400).header("content-language", "en").send(signal);
      }
      const received = await receiveSignal(context, transmitter, signal, SIGNALS_KEPT_MS);
      if (isRefusal(received)) return sendProblem(reply, received);
      request.log.info({ transmitter: name, event: signal.event, ...received }, "signal received");
      return reply.code(202).send();
    });
  });
}
