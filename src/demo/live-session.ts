/** A person's own session on production, held open across the end of the grant: psql where there is one, else the driver. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import pg from "pg";

export type Way = {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly username: string;
  readonly password: string;
};

/** What a statement answered: its rows as text, or the error's words. */
export type Said = { readonly ok: boolean; readonly text: string };

export type LiveSession = {
  readonly kind: "psql" | "driver";
  ask(sql: string): Promise<Said>;
  close(): Promise<void>;
};

export function openSession(way: Way): Promise<LiveSession> {
  const psql = findPsql();
  return psql === null ? openDriver(way) : openPsql(psql, way);
}

/** The file of psql, or null where it is not on PATH. */
export function findPsql(): string | null {
  for (const dir of (process.env["PATH"] ?? "").split(delimiter)) {
    try {
      accessSync(join(dir, "psql"), constants.X_OK);
      return join(dir, "psql");
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

async function openDriver(way: Way): Promise<LiveSession> {
  const client = new pg.Client({ ...way, user: way.username, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined);
  await client.connect();
  return {
    kind: "driver",
    async ask(sql) {
      try {
        const { rows } = await client.query<Record<string, unknown>>(sql);
        return { ok: true, text: rows.map((row) => Object.values(row).join(" | ")).join("\n") };
      } catch (error) {
        return { ok: false, text: error instanceof Error ? error.message : String(error) };
      }
    },
    close: () => client.end().catch(() => undefined),
  };
}

const MARK = "--tidegate-demo-mark--";

async function openPsql(program: string, way: Way): Promise<LiveSession> {
  const env = {
    ...process.env,
    PGHOST: way.host,
    PGPORT: String(way.port),
    PGDATABASE: way.database,
    PGUSER: way.username,
    PGPASSWORD: way.password,
    PGCONNECT_TIMEOUT: "5",
  };
  // Errors and answers in one pipe, in the order in which psql writes them: with two, the mark could overtake an error.
  const child = spawn("sh", ["-c", 'exec "$0" "$@" 2>&1', program, "-X", "-A", "-t", "-q"], { env });
  let [out, gone] = ["", false];
  let changed: () => void = () => undefined;
  const hear = (chunk: Buffer): void => {
    out += chunk.toString();
    changed();
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  child.stdin.on("error", () => undefined);
  child.on("error", () => undefined);
  child.on("close", () => {
    gone = true;
    changed();
  });

  const session: LiveSession = {
    kind: "psql",
    async ask(sql) {
      out = "";
      child.stdin.write(`${sql};\n\\echo ${MARK}\n`);
      while (!gone && !out.includes(MARK)) {
        const { promise, resolve } = Promise.withResolvers<void>();
        changed = resolve;
        await promise;
      }
      const text = out.replace(MARK, "").trim();
      return { ok: !gone && !/^(psql:.*)?(ERROR|FATAL):/m.test(text), text };
    },
    close: () => end(child, () => gone),
  };
  const first = await session.ask("select 1");
  if (!first.ok) throw new Error(`psql cannot sign in: ${first.text}`);
  return session;
}

async function end(child: ChildProcessWithoutNullStreams, gone: () => boolean): Promise<void> {
  if (gone()) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  child.on("close", () => resolve());
  child.stdin.end();
  await promise;
}
