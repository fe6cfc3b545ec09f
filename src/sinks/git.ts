/** Checkpoints as commits: the file `checkpoint` of a repository that is there, pushed where that is asked for. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { OpenAnchor } from "./anchor.ts";

const FILE = "checkpoint";
const OUTPUT_CHARS_MAX = 65_536;
const AS = ["-c", "user.name=tidegate", "-c", "user.email=tidegate@localhost", "-c", "commit.gpgSign=false"];
const run = promisify(execFile);

export const openGit: OpenAnchor = ({ path, push }) => ({
  put: async ({ note, size, at }, _before, signal) => {
    const git = async (...args: string[]): Promise<string> => {
      // Never through a shell; a git that wants to ask somebody fails instead.
      const env = { ...process.env, GIT_TERMINAL_PROMPT: "0", GIT_SSH_COMMAND: "ssh -oBatchMode=yes" };
      const { stdout } = await run("git", ["-C", String(path), ...args], { env, signal, maxBuffer: OUTPUT_CHARS_MAX });
      return stdout;
    };
    try {
      await writeFile(join(String(path), FILE), note);
      await git("add", "--", FILE);
      // What an attempt before left is committed already, and only to be pushed.
      if ((await git("status", "--porcelain", "--", FILE)) !== "")
        await git(...AS, "commit", "--quiet", "--no-verify", "-m", `${size} entries at ${at}`, "--", FILE);
      if (typeof push === "string") await git("push", "--quiet", "--", push, "HEAD");
      return { sent: true };
    } catch (error) {
      return { sent: false, why: signal.aborted ? "git took too long" : whyOf(error) };
    }
  },
});

/** What git says may quote an address with a password in it. */
function whyOf(error: unknown): string {
  const { code, cmd, syscall } = error as { code?: unknown; cmd?: unknown; syscall?: string };
  if (syscall !== undefined) return `it cannot be written, or git be run: ${String(code)}`;
  const verb = /\b(add|status|commit|push)\b/.exec(String(cmd))?.[1] ?? "command";
  return `git ${verb} ended with ${String(code)}: run it there by hand to see why`;
}
