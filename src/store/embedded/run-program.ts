import { execFile } from "node:child_process";

/** The OS account that runs the server where we are root, which PostgreSQL refuses to run as. Null: we run it ourselves. */
export type Account = ServiceAccount | null;

export type ServiceAccount = { readonly name: string; readonly uid: number; readonly gid: number };

const COMMAND_TIMEOUT_MS = 120_000;
const COMMAND_OUTPUT_MAX_BYTES = 1024 * 1024;

/** The programs see none of our environment: it holds secrets, and PG* variables would change what they do. */
const PROGRAM_ENVIRONMENT = { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", LC_ALL: "C", TZ: "UTC" };

/** What spawn() needs to run a program as the account. The folder is one that every account can enter. */
export function asAccount(account: Account) {
  const who = account === null ? {} : { uid: account.uid, gid: account.gid };
  return { ...who, cwd: "/", env: PROGRAM_ENVIRONMENT };
}

export type ProgramResult = { readonly ok: boolean; readonly output: string };

/** Runs a program to its end as the account. A failure is a result: `output` holds what it said, or why it did not run. */
export function runProgram(account: Account, file: string, args: readonly string[]): Promise<ProgramResult> {
  const options = { ...asAccount(account), timeout: COMMAND_TIMEOUT_MS, maxBuffer: COMMAND_OUTPUT_MAX_BYTES };
  return new Promise((done) => {
    try {
      execFile(file, args, options, (error, stdout, stderr) => {
        const said = `${stdout}${stderr}`.trim();
        done({ ok: error === null, output: said === "" && error !== null ? error.message : said });
      });
    } catch (error) {
      // Some refusals, such as not being allowed to change to the account, are thrown rather than reported.
      done({ ok: false, output: (error as Error).message });
    }
  });
}

/** Tries it rather than computes it from modes, so that access control lists and network file systems count too. */
export async function accountCan(account: Account, what: "enter" | "read", path: string): Promise<boolean> {
  const flag = what === "enter" ? "-x" : "-r";
  return (await runProgram(account, "/bin/sh", ["-c", `test ${flag} "$1"`, "sh", path])).ok;
}
