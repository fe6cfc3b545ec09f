import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { HEALTH_PAGE_HEADERS, healthPage } from "./health-page.ts";
import type { Metrics } from "./metrics.ts";

const LOOPBACK = "127.0.0.1";
/** What a browser on this machine calls us. Under any other name it was led here by somebody else's page. */
const OUR_NAMES = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i;

export type MetricsListener = { readonly url: string; close(): Promise<void> };

/**
 * The same figures, and the health page, without a token, on the loopback address and nowhere else: for a scraper and for
 * people on this machine, also while the store is away.
 */
export async function listenForMetrics(metrics: Metrics, port: number): Promise<MetricsListener> {
  const server = createServer((request, response) => {
    respond(metrics, request, response).catch(() => response.writeHead(500).end());
  });
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, LOOPBACK, resolve);
  await listening;
  const address = server.address();
  const at = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://${LOOPBACK}:${at}/metrics`,
    async close() {
      const { promise: closed, resolve: done } = Promise.withResolvers<void>();
      server.close(() => done());
      server.closeAllConnections();
      await closed;
    },
  };
}

async function respond(metrics: Metrics, { method, url, headers }: IncomingMessage, response: ServerResponse) {
  const path = method === "GET" ? url?.split("?")[0] : undefined;
  if (path === "/metrics") {
    const text = await metrics.text();
    response.writeHead(200, { "content-type": metrics.registry.contentType }).end(text);
  } else if (path === "/health" && OUR_NAMES.test(headers.host ?? "")) {
    const health = await metrics.health();
    // So that whoever only looks at the status is told, too.
    response.writeHead(health.level === "red" ? 503 : 200, HEALTH_PAGE_HEADERS).end(healthPage(health));
  } else
    response
      .writeHead(404, { "content-type": "text/plain" })
      .end("There are only GET /metrics and GET /health here.\n");
}
