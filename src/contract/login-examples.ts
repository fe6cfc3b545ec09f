/** Bob signs in from his terminal. */
import type { Examples } from "./examples.ts";
import { BOB } from "./request-examples.ts";

const LOGIN = "an-example-and-no-secret";
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const held = { token: "tgs_an-example-and-no-secret", renewAfterMs: 1_800_000, expiresAt: "2026-02-01T08:00:00.000Z" };

export const LOGIN_EXAMPLES: Examples["login"] = {
  begin: {
    body: { challenge: CHALLENGE, provider: "okta", agent: "tidegate on bobs-laptop" },
    answers: [
      {
        status: 201,
        body: {
          how: "device",
          provider: "okta",
          login: LOGIN,
          userCode: "WDJB-MJHT",
          address: "https://example.okta.com/activate",
          wholeAddress: "https://example.okta.com/activate?user_code=WDJB-MJHT",
          retryAfterMs: 5_000,
          expiresAt: "2026-01-31T08:10:00.000Z",
        },
      },
    ],
  },
  finish: {
    body: { login: LOGIN, verifier: VERIFIER },
    answers: [
      { status: 200, body: { ...held, session: "se_4h6k8m1n3p5q7r9s", provider: "okta", person: BOB } },
      { status: 202, body: { retryAfterMs: 5_000 } },
    ],
  },
  renew: { body: { token: held.token }, answers: [{ status: 200, body: held }] },
};
