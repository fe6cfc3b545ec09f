/** What is said while our own store is away: nothing can be asked or decided, and what ends is shut from the journal. */
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import { type Refusal, refuse } from "../base/problem.ts";
import { sendProblem } from "./problems.ts";

/** How much the journal knows, and of how many grants it has shut the access. */
export type Away = { readonly lines: number; readonly shut: number };

const RETRY_AFTER_SECONDS = 5;

export const refuseStoreAway = ({ lines, shut }: Away): Refusal =>
  refuse(
    "store-away",
    `Tidegate's own store does not answer. No access is given meanwhile; access that ends is shut from the journal, which knows of ${lines} grants that end soon and has shut ${shut}. Try again later.`,
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );

/** Instead of the API, for a process that was started while the store is away: it lives, and says why it is not ready. */
export function createAwayServer(away: () => Away, logger: FastifyBaseLogger): FastifyInstance {
  const app = fastify({ loggerInstance: logger, logController: new LogController({ disableRequestLogging: true }) });
  app.get("/healthz", async () => ({ status: "ok" }));
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, refuseStoreAway(away())));
  return app;
}
