/** Whether a security event token is what it says: signed by a key of its transmitter, for us, and of these days. */
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from "jose";
import type { JsonObject } from "../base/canonical.ts";
import { systemClock } from "../base/clock.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import {
  isSetError,
  type SetError,
  type SetErrorCode,
  type Signal,
  signalOf,
  type Transmitter,
} from "../domain/signal.ts";
import { ALGORITHMS, CLOCK_TOLERANCE_SECONDS, codeOf } from "./oidc.ts";
import { keysAt, keysOfIssuer } from "./published-keys.ts";

/** A transmitter that could not reach us tries again for days. */
const AGE_DAYS_MAX = 7;
/** For so long a token that comes again is known again: longer than it is taken at all. */
export const SIGNALS_KEPT_MS = (AGE_DAYS_MAX + 1) * 86_400_000;

export type Signals = {
  /** An error is the sender's to mend; a refusal is that its keys could not be read: it may send the same again. */
  read(transmitter: Transmitter, token: string): Promise<Signal | SetError | Refusal>;
};

export function createSignals(log: (facts: Readonly<Record<string, string>>, what: string) => void): Signals {
  return {
    async read(transmitter, token) {
      // Of whoever else sends, no keys are asked for.
      const unsafe = readUnverified(token);
      if (isSetError(unsafe)) return unsafe;
      if (unsafe["iss"] !== transmitter.issuer) return SET_ERRORS.invalid_issuer;
      const keys = await keysOf(transmitter).catch((error: unknown) => codeOf(error));
      if (typeof keys === "string") {
        log({ transmitter: transmitter.name, code: keys }, "keys of a transmitter cannot be read");
        return refuse(
          "provider-unavailable",
          `The keys of ${transmitter.name} cannot be read (${keys}). Send it again later.`,
        );
      }
      try {
        const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
          issuer: transmitter.issuer,
          audience: transmitter.audience,
          typ: "secevent+jwt",
          algorithms: ALGORITHMS,
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          maxTokenAge: `${AGE_DAYS_MAX}d`,
          requiredClaims: ["jti", "events"],
          currentDate: new Date(systemClock.nowMs()),
        });
        return signalOf(payload as JsonObject);
      } catch (error) {
        return errorOf(error);
      }
    },
  };
}

function readUnverified(token: string): JsonObject | SetError {
  try {
    return decodeJwt(token) as JsonObject;
  } catch {
    return SET_ERRORS.invalid_request;
  }
}

function keysOf({ issuer, jwksUri }: Transmitter): Promise<JSONWebKeySet> {
  if (jwksUri !== null) return keysAt(jwksUri);
  // The path of an issuer comes after the well-known part.
  const { origin, pathname } = new URL(issuer);
  return keysOfIssuer(issuer, `${origin}/.well-known/ssf-configuration${pathname.replace(/\/$/, "")}`);
}

const SET_ERRORS: Readonly<Record<SetErrorCode, SetError>> = {
  invalid_request: { err: "invalid_request", description: "this is no security event token of these days" },
  invalid_key: { err: "invalid_key", description: "it is signed by no key that the transmitter publishes" },
  invalid_issuer: { err: "invalid_issuer", description: "its issuer is another than is configured here" },
  invalid_audience: { err: "invalid_audience", description: "its audience is another than is configured here" },
  authentication_failed: { err: "authentication_failed", description: "its signature does not hold" },
};

function errorOf(error: unknown): SetError {
  const { code, claim } = (error ?? {}) as { code?: unknown; claim?: unknown };
  if (code === "ERR_JWS_SIGNATURE_VERIFICATION_FAILED") return SET_ERRORS.authentication_failed;
  if (code === "ERR_JWT_CLAIM_VALIDATION_FAILED" && claim === "iss") return SET_ERRORS.invalid_issuer;
  if (code === "ERR_JWT_CLAIM_VALIDATION_FAILED" && claim === "aud") return SET_ERRORS.invalid_audience;
  const isKey = /^ERR_(JWKS?_|JOSE_ALG_NOT_ALLOWED|JOSE_NOT_SUPPORTED)/.test(String(code));
  return isKey ? SET_ERRORS.invalid_key : SET_ERRORS.invalid_request;
}
