import type { ProblemCode } from "../base/problem.ts";

/** The server said no, and why. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  /** Stable: switch on this. A newer server may know codes that this client does not. */
  readonly code: ProblemCode | (string & {});
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Every other member: `trace`, `requestId`, `errors`, `there` … */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(status: number, problem: Readonly<Record<string, unknown>>) {
    const { type: _type, status: _status, title, detail, code, ...extra } = problem;
    super(String(detail ?? title ?? code));
    this.code = String(code);
    this.status = status;
    this.title = String(title ?? code);
    this.detail = this.message;
    this.extra = extra;
  }
}

/** Nobody answered, or not in time. The message is a sentence that says where and what may help. */
export class CannotReach extends Error {
  override readonly name = "CannotReach";
  readonly url: string;

  /** `afterMs`: how long was waited, when that is why. */
  constructor(url: string, cause: unknown, afterMs: number | null) {
    const where = withoutSlash(url);
    super(
      afterMs === null
        ? `cannot reach ${where}: ${inWords(cause)}; is the server running?`
        : `no answer from ${where} within ${Math.round(afterMs / 1_000)} seconds`,
      { cause },
    );
    this.url = where;
  }
}

/** Something answered that is not Tidegate, or not a Tidegate that this client understands. */
export class UnexpectedAnswer extends Error {
  override readonly name = "UnexpectedAnswer";
  readonly status: number;

  constructor(url: string, status: number, body: string) {
    const start = body
      .replaceAll(/[^\P{C}]+|\s+/gu, " ")
      .trim()
      .slice(0, 100);
    super(
      `${withoutSlash(url)} answered ${status} with something that is not Tidegate's: ${start === "" ? "nothing" : start}`,
    );
    this.status = status;
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name cannot be looked up now",
  EHOSTUNREACH: "no way to the host",
  ENETUNREACH: "no way to the network",
  ETIMEDOUT: "connecting took too long",
  UND_ERR_CONNECT_TIMEOUT: "connecting took too long",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed; trust it with NODE_EXTRA_CA_CERTS",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate comes from an unknown authority; trust it with NODE_EXTRA_CA_CERTS",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate comes from an unknown authority; trust it with NODE_EXTRA_CA_CERTS",
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
  // A name: this one comes without a code.
  HTTPParserError: "what answers there does not speak HTTP",
  ERR_SSL_WRONG_VERSION_NUMBER: "what answers there does not speak TLS; is it http:// rather than https://",
};

/** What fetch means by "fetch failed": the cause whose code or name is known, however deep. */
function inWords(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const code = "code" in at ? String(at.code) : "";
    const words = WORDS[code] ?? WORDS[at.name];
    if (words !== undefined) return words;
    if (at.cause === undefined) return at.message === "" ? code || "no answer" : at.message;
  }
  return "no answer";
}

const withoutSlash = (url: string): string => url.replace(/\/$/, "");
