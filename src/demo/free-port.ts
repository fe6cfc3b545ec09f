import { type AddressInfo, createServer } from "node:net";

/** The wanted port where it is free, else any that is. 0 wants any. */
export async function freePort(wanted: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.once("error", reject);
  server.listen(wanted, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo;
    server.close(() => resolve(port));
  });
  return promise.catch((error: unknown) => {
    if (wanted === 0) throw error;
    return freePort(0);
  });
}
