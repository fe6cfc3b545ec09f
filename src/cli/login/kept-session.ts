/**
 * What `tidegate login` was given, kept for the commands after it: one file for each server, in a folder that its owner
 * alone may enter. A file that others may read is not used.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { CommandFailure } from "../failure.ts";

export type KeptSession = {
  readonly url: string;
  readonly token: string;
  /** By this machine's clock. */
  readonly renewAtMs: number;
  /** Its id, as `tidegate sessions` shows it. */
  readonly session: string;
};

const FILE_BYTES_MAX = 10_000;
const OTHERS = 0o077;

/** `…/tidegate/tidegate.example.com-1a2b3c4d.json`: to be told apart by people, and by what the name leaves out. */
export function sessionFile(url: string, env: NodeJS.ProcessEnv): string {
  const state = env["XDG_STATE_HOME"];
  // The standard says that a relative one is to be ignored.
  const base = state?.startsWith("/") === true ? state : join(homedir(), ".local", "state");
  const where = normal(url);
  const name = new URL(where).host.replaceAll(/[^a-zA-Z0-9.-]/g, "-").slice(0, 100);
  return join(base, "tidegate", `${name}-${createHash("sha256").update(where).digest("hex").slice(0, 8)}.json`);
}

const normal = (url: string): string => new URL(url).href.replace(/\/+$/, "");

export const hasSession = (url: string, env: NodeJS.ProcessEnv): boolean => existsSync(sessionFile(url, env));

/** Null: nobody has signed in to this server here. `evenIfOpen`: only to be ended, so it may be one that others have read. */
export async function readSession(
  url: string,
  env: NodeJS.ProcessEnv,
  { evenIfOpen = false } = {},
): Promise<KeptSession | null> {
  const path = sessionFile(url, env);
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && ["ENOENT", "ENOTDIR"].includes(String(error.code))) return null;
    throw new CommandFailure("token-file", `Cannot read ${path}: ${messageOf(error)}`);
  }
  try {
    const { mode, uid, size } = await file.stat();
    const isOurs = process.platform === "win32" || uid === process.getuid?.() || process.getuid?.() === 0;
    if (!evenIfOpen && (!isOurs || (process.platform !== "win32" && (mode & OTHERS) !== 0)))
      throw new CommandFailure(
        "token-file",
        `${path} holds your token and ${isOurs ? "others may read it" : "is not yours"}, so it is not used. Sign in again, which ends it and makes another: tidegate login. If you are sure that nobody has read it: chmod 600 ${path}`,
      );
    const kept = size > FILE_BYTES_MAX ? null : parse(await file.readFile("utf8"));
    if (kept === null)
      throw new CommandFailure("token-file", `${path} does not hold what tidegate login wrote. Again: tidegate login`);
    // Another server whose name is shortened to the same: not ours to send it to.
    return kept.url === normal(url) ? kept : null;
  } finally {
    await file.close();
  }
}

function parse(written: string): KeptSession | null {
  try {
    const { url, token, renewAtMs, session } = JSON.parse(written) as KeptSession;
    const isWhole = [url, token, session].every((one) => typeof one === "string") && typeof renewAtMs === "number";
    return isWhole ? { url, token, renewAtMs, session } : null;
  } catch {
    return null;
  }
}

/** Whole or not at all, whatever crashes. Answers where. */
export async function keepSession(session: KeptSession, env: NodeJS.ProcessEnv): Promise<string> {
  const path = sessionFile(session.url, env);
  const fresh = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(fresh, "wx", 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ ...session, url: normal(session.url) }, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
    return path;
  } catch (error) {
    await rm(fresh, { force: true }).catch(() => undefined);
    throw new CommandFailure("token-file", `Cannot keep your sign-in in ${path}: ${messageOf(error)}`);
  }
}

export const forgetSession = (url: string, env: NodeJS.ProcessEnv): Promise<void> =>
  rm(sessionFile(url, env), { force: true });

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
