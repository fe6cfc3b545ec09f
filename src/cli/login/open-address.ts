import { spawn } from "node:child_process";

const OPENERS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/** Opens it in the browser of whoever runs this; null, or why that cannot be. */
export function openAddress(address: string): Promise<string | null> {
  const [program, ...args] = OPENERS[process.platform] ?? ["xdg-open"];
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const child = spawn(program, [...args, address], { stdio: "ignore", detached: true });
  child.once("error", (error) => resolve(`${program}: ${error.message}`));
  child.once("spawn", () => resolve(null));
  child.unref();
  return promise;
}
