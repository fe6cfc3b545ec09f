/** What stands before Tidegate in production: a proxy that speaks TLS. Its certificate is its own. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as ask } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export type TlsFront = { readonly url: string /** The server behind it. */; behind: string };

export async function tlsFront(t: Pick<TestContext, "after">): Promise<TlsFront> {
  const front: { url: string; behind: string } = { url: "", behind: "" };
  const server = createServer(certificate(), (request, response) => {
    const { method = "GET", headers, url = "/" } = request;
    const passed = ask(new URL(url, front.behind), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passed.on("error", () => response.destroy());
    request.pipe(passed);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  front.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(async () => {
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    server.closeAllConnections();
    await closed.promise;
  });
  return front;
}

/** For 127.0.0.1, signed by itself. */
export function certificate(): { key: Buffer; cert: Buffer } {
  const dir = mkdtempSync(join(tmpdir(), "tidegate-tls-"));
  try {
    const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
    const made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1";
    const names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert];
    const { status, stderr } = spawnSync("openssl", [...made.split(" "), ...names], { encoding: "utf8" });
    if (status !== 0) throw new Error(`openssl made no certificate: ${stderr}`);
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
