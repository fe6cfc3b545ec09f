import pg from "pg";
import { TargetError, type TargetErrorCode } from "../../connector/connector.ts";

/** The SQLSTATEs that are handled by name (PostgreSQL, appendix A). */
export const SQLSTATE = {
  invalidAuthorization: "28000",
  invalidPassword: "28P01",
  noSuchDatabase: "3D000",
  notPermitted: "42501",
  duplicateObject: "42710",
  uniqueViolation: "23505",
  undefinedObject: "42704",
  lockNotAvailable: "55P03",
  dependentObjects: "2BP01",
} as const;

/** The server's own answer under an error, when it gave one. */
export function serverError(error: unknown): pg.DatabaseError | null {
  if (error instanceof pg.DatabaseError) return error;
  return error instanceof Error && error.cause !== undefined ? serverError(error.cause) : null;
}

export const sqlState = (error: unknown): string | null => serverError(error)?.code ?? null;

const NETWORK = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENOENT",
  "EPIPE",
  "ETIMEDOUT",
]);

/** An error of signing in as the admin, as the host understands it. `where` is host:port; never the URL. */
export function connectError(error: unknown, where: string, database: string): TargetError {
  const server = serverError(error);
  if (server !== null) {
    const code = server.code ?? "";
    if (code === SQLSTATE.noSuchDatabase)
      return new TargetError("no-such-object", `there is no database ${database} on ${where}`, { cause: error });
    if (code.startsWith("28"))
      return new TargetError("cannot-sign-in", `${where} refuses the admin login: ${server.message}`, { cause: error });
    if (code === SQLSTATE.notPermitted)
      return new TargetError(
        "not-permitted",
        `the admin login may not connect to ${database} on ${where}: ${server.message}`,
        {
          cause: error,
        },
      );
    return new TargetError("unreachable", `${where} takes no connection now: ${server.message}`, { cause: error });
  }
  const code = networkCode(error);
  const message = error instanceof Error ? error.message : String(error);
  if (/certificate|CERT|TLS|SSL/.test(`${code} ${message}`))
    return new TargetError(
      "cannot-sign-in",
      `no trusted TLS connection to ${where}: ${message} (give the CA as tls.ca)`,
      {
        cause: error,
      },
    );
  return new TargetError("unreachable", `no answer from ${where}: ${message}`, { cause: error });
}

/** An error of a statement, as the host understands it. */
export function statementError(error: unknown, where: string): TargetError {
  if (error instanceof TargetError) return error;
  const server = serverError(error);
  if (server === null) {
    const message = error instanceof Error ? error.message : String(error);
    return new TargetError("unreachable", `lost ${where}: ${message}`, { cause: error });
  }
  return new TargetError(codeOf(server.code ?? ""), `${where}: ${server.message}${hint(server)}`, {
    cause: error,
    // Every "no such object" of ours is found by looking; one from a statement is a race and may mend itself.
    permanent: false,
  });
}

function codeOf(state: string): TargetErrorCode {
  if (state === SQLSTATE.notPermitted) return "not-permitted";
  if (state === SQLSTATE.duplicateObject || state === SQLSTATE.dependentObjects) return "conflict";
  // 57P..: the session was ended, by a newer claim or by a restart; 08...: the connection broke.
  if (state.startsWith("57P") || state.startsWith("08")) return "unreachable";
  return "failed";
}

const hint = (server: pg.DatabaseError): string => (server.detail === undefined ? "" : ` (${server.detail})`);

function networkCode(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return "";
  return NETWORK.has(error.code) ? "" : error.code;
}
