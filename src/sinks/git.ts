/** Checkpoints as commits: the file `checkpoint` of a repository that is there, pushed where that is asked for. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { OpenAnchor } from "./anchor.ts";

const FILE = "checkpoint";
const OUTPUT_CHARS_MAX = 65_536;
const AS = ["-c", "user.name=tidegate", "-c", "user.email=tidegate@localhost", "-c", "commit.gpgSign=false"];
/** What git and ssh need of ours. A hook of the repository sees it as well, and must not see the keys of this server. */
const PASSED =
  /^(PATH|HOME|TMPDIR|LANG|XDG_CONFIG_HOME|GIT_(SSH|SSL|CONFIG)\w*|SSH_\w+|SSL_CERT_\w+|(https?|all|no)_proxy)$/i;
const run = promisify(execFile);

type Git = (...args: string[]) => Promise<string>;

export const openGit: OpenAnchor = ({ path, push }) => ({
  put: async ({ note, size, at }, _before, signal) => {
    const git: Git = async (...args) => {
      // Never through a shell; a git that wants to ask somebody fails instead.
      const passed = Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED.test(name)));
      const env = { ...passed, GIT_TERMINAL_PROMPT: "0", GIT_SSH_COMMAND: "ssh -oBatchMode=yes" };
      const { stdout } = await run("git", ["-C", String(path), ...args], { env, signal, maxBuffer: OUTPUT_CHARS_MAX });
      return stdout;
    };
    try {
      if (typeof push === "string") await catchUp(git, push);
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

/**
 * Another replica may have pushed from a clone of its own: this one goes on from there. What was committed here and never
 * got there is older than what is to be committed now. The files of the clone stay as they are.
 */
async function catchUp(git: Git, remote: string): Promise<void> {
  const branch = (await git("symbolic-ref", "--short", "HEAD")).trim();
  // A pattern, because the remote may have no branch yet.
  await git(
    "fetch",
    "--quiet",
    "--no-tags",
    "--prune",
    "--",
    remote,
    `+refs/heads/${branch}*:refs/tidegate/${branch}*`,
  );
  const tipOf = async (ref: string): Promise<string> =>
    (await git("for-each-ref", "--format=%(objectname)", ref)).trim();
  const [theirs, ours] = [await tipOf(`refs/tidegate/${branch}`), await tipOf(`refs/heads/${branch}`)];
  if (theirs === "") return;
  if (ours === "" || (await git("rev-list", "--count", `${ours}..${theirs}`)).trim() !== "0")
    await git("reset", "--quiet", theirs);
}

/** What git says may quote an address with a password in it. */
function whyOf(error: unknown): string {
  const { code, cmd, syscall } = error as { code?: unknown; cmd?: unknown; syscall?: string };
  if (syscall !== undefined) return `it cannot be written, or git be run: ${String(code)}`;
  const verb = /\b(add|status|commit|push|fetch|reset)\b/.exec(String(cmd))?.[1] ?? "command";
  return `git ${verb} ended with ${String(code)}: run it there by hand to see why`;
}
