/**
 * What stands between the reconciler and a connector: deadlines, redaction, and the errors of all connectors made alike.
 * A connector stays plain because everything here is done once.
 */
import type { JsonObject } from "../base/canonical.ts";
import type { Timers } from "../base/clock.ts";
import { Secret } from "../base/secret.ts";
import { type Actor, type Connector, type Target, TargetError } from "../connector/connector.ts";

/** Any call to a target may take this long; then its sockets are closed and it is tried again later. */
export const CALL_DEADLINE_MS = 15_000;

/** How connectors are found, and how the references of a connection become values. Given by the composition root. */
export type Connectors = {
  readonly byKind: ReadonlyMap<string, Connector>;
  /** Replaces `${env:…}` and `${file:…}`; throws naming what is missing, never a value. */
  readonly resolve: (connection: JsonObject) => JsonObject;
};

/** A message that may be stored and shown: every secret that went into the call is taken out of it. */
export function redact(message: string, secrets: readonly string[]): string {
  let text = message;
  for (const secret of secrets) if (secret.length >= 4) text = text.replaceAll(secret, "[redacted]");
  // A URL's password, whoever wrote it.
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@]+@/gi, "$1:[redacted]@").slice(0, 1_000);
}

/** Every text in a resolved connection that came from a reference: none of them may be shown. */
export function secretsIn(connection: JsonObject): string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value === "string") {
      if (value.includes("://")) {
        try {
          const { password } = new URL(value);
          if (password !== "") found.push(password, decodeURIComponent(password));
        } catch {
          found.push(value);
        }
      } else if (value.length >= 8) found.push(value);
    } else if (typeof value === "object" && value !== null) Object.values(value).forEach(visit);
  };
  visit(connection);
  return found;
}

/**
 * Opens a target and runs `work` on it; closes it whatever happens. Everything together has one deadline. Errors leave as
 * `TargetError` without secrets.
 */
export async function withTarget<T>(
  clock: Timers,
  connector: Connector,
  resolved: JsonObject,
  actor: Actor,
  signal: AbortSignal,
  work: (target: Target<unknown>) => Promise<T>,
  deadlineMs = CALL_DEADLINE_MS,
): Promise<T> {
  const secrets = secretsIn(resolved);
  const late = new AbortController();
  const inTime = clock.after(deadlineMs, () => late.abort());
  const deadline = AbortSignal.any([signal, late.signal]);
  let target: Target<unknown> | null = null;
  try {
    const parsed = connector.connection.safeParse(resolved);
    if (!parsed.success)
      throw new TargetError(
        "cannot-sign-in",
        `the connection is not valid: ${parsed.error.issues.map((i) => `${i.path.join(".")}: ${i.message}`).join("; ")}`,
      );
    target = await orDeadline(connector.open(parsed.data, { signal: deadline, actor }), deadline, (opened) =>
      opened.close(),
    );
    return await orDeadline(work(target), deadline);
  } catch (error) {
    throw asTargetError(error, deadline, secrets);
  } finally {
    inTime();
    if (target !== null) await closeQuietly(clock, target);
  }
}

const CLOSE_DEADLINE_MS = 2_000;

/** A target that will not say goodbye is left alone. */
async function closeQuietly(clock: Timers, target: Target<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const stop = clock.after(CLOSE_DEADLINE_MS, resolve);
  await Promise.race([target.close().catch(() => undefined), late]);
  stop();
}

/** The promise, or an error as soon as the deadline has passed: a connector that ignores its signal holds nobody. */
async function orDeadline<T>(
  promise: Promise<T>,
  deadline: AbortSignal,
  tooLate?: (value: T) => Promise<void>,
): Promise<T> {
  let passed = false;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const onAbort = () => {
    passed = true;
    reject(new TargetError("unreachable", "the target did not answer in time"));
  };
  if (deadline.aborted) onAbort();
  else deadline.addEventListener("abort", onAbort, { once: true });
  promise.then(
    (value) => (passed ? tooLate?.(value).catch(() => undefined) : undefined),
    () => undefined,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    deadline.removeEventListener("abort", onAbort);
  }
}

function asTargetError(error: unknown, deadline: AbortSignal, secrets: readonly string[]): unknown {
  if (error instanceof TargetError) {
    const message = redact(error.message, secrets);
    return new TargetError(deadline.aborted && !error.permanent ? "unreachable" : error.code, message, {
      permanent: error.permanent,
    });
  }
  // What is not the target's doing passes as it is.
  if (error instanceof Error && ["Busy", "ClaimLost", "AssertionError"].includes(error.name)) return error;
  if (deadline.aborted) return new TargetError("unreachable", "the target did not answer in time");
  return new TargetError("failed", redact(error instanceof Error ? error.message : String(error), secrets));
}

export const connectionSecret = (resolved: JsonObject): Secret => new Secret(JSON.stringify(resolved));
