/** Which service a job elsewhere is, by the token that its platform gave it. */
import { createLocalJWKSet, decodeJwt, jwtVerify } from "jose";
import type { JsonObject } from "../base/canonical.ts";
import { systemClock } from "../base/clock.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { DeclaredPrincipal } from "../domain/configuration.ts";
import { fits, type Workload } from "../domain/workload.ts";
import { ALGORITHMS, CLOCK_TOLERANCE_SECONDS, codeOf } from "./oidc.ts";
import { keysOfIssuer } from "./published-keys.ts";

export type Proven = { readonly handle: string; readonly workload: Workload; readonly subject: string };
export type Workloads = {
  /** A text is what is wrong with it, for whoever sent it. */
  prove(
    principals: readonly DeclaredPrincipal[],
    token: string,
    handle: string | null,
  ): Promise<Proven | string | Refusal>;
};

export function createWorkloads(log: (facts: Readonly<Record<string, string>>, what: string) => void): Workloads {
  return {
    async prove(principals, token, handle) {
      const issuer = issuerOf(token);
      const all = principals.flatMap(({ workloads = [], active, ...one }) =>
        workloads.filter(() => active).map((workload) => ({ handle: one.handle, workload })),
      );
      // Of whoever else issues tokens, no keys are asked for.
      const known = all.filter(({ workload }) => workload.issuer === issuer);
      if (issuer === null || known.length === 0) return "It is no token of an issuer whose jobs are services here.";
      const keys = await keysOfIssuer(issuer, `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`).catch(
        codeOf,
      );
      if (typeof keys === "string") {
        log({ issuer, code: keys }, "keys of an issuer cannot be read");
        return refuse("provider-unavailable", `The keys of ${issuer} cannot be read (${keys}). Try again soon.`);
      }
      const claims = await jwtVerify(token, createLocalJWKSet(keys), {
        issuer,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ["exp", "aud", "sub"],
        currentDate: new Date(systemClock.nowMs()),
      }).then(
        ({ payload }) => payload as JsonObject,
        (error: unknown) => codeOf(error),
      );
      if (typeof claims === "string") return `The token does not hold (${claims}).`;
      const fitting = known.filter(({ workload }) => fits(workload, claims));
      const [one, ...more] = fitting.filter((each) => handle === null || each.handle === handle);
      if (one === undefined)
        return "It holds, and no service here takes it: compare its aud and claims with workloads.";
      if (more.some((other) => other.handle !== one.handle))
        return "It is of several services: name one, as client_id.";
      return { ...one, subject: String(claims["sub"]).slice(0, SUBJECT_CHARS_MAX) };
    },
  };
}
const SUBJECT_CHARS_MAX = 255;

function issuerOf(token: string): string | null {
  try {
    return decodeJwt(token).iss ?? null;
  } catch {
    return null;
  }
}
