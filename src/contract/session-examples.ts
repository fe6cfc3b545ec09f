/** Bob is signed in with one browser. */
import type { Examples } from "./examples.ts";
import { BOB } from "./request-examples.ts";
import type { SessionView } from "./sessions.ts";

const session: SessionView = {
  id: "se_4h6k8m1n3p5q7r9s",
  kind: "browser",
  provider: "okta",
  agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  current: true,
  signedInAt: "2026-01-31T08:00:00.000Z",
  lastSeenAt: "2026-01-31T12:00:00.000Z",
  authenticatedAt: "2026-01-31T08:00:00.000Z",
  acr: null,
  passkeyAt: null,
  expiresAt: "2026-02-01T08:00:00.000Z",
};

export const STEP_UP_EXAMPLES: Examples["stepups"] = {
  get: {
    answers: [
      {
        status: 200,
        body: {
          id: "up_4h6k8m1n3p5q7r9s",
          state: "waiting",
          what: "ask for orders-db:fix for 1h",
          demand: { maxAge: "15m", acr: [], passkey: false, words: "a sign-in no older than 15m" },
          url: "https://tidegate.example.com/auth/step-up/up_4h6k8m1n3p5q7r9s",
          expiresAt: "2026-01-31T12:10:00.000Z",
        },
      },
    ],
  },
};

const laptop = {
  ...{ id: "pk_4h6k8m1n3p5q7r9s", name: "laptop" },
  ...{ addedAt: "2026-01-20T09:00:00.000Z", lastUsedAt: "2026-01-31T11:00:00.000Z" },
};
export const PASSKEY_EXAMPLES: Examples["passkeys"] = {
  list: {
    answers: [
      {
        status: 200,
        body: { person: BOB, passkeys: [laptop], addAt: "https://tidegate.example.com/auth/passkeys" },
      },
    ],
  },
  remove: { answers: [{ status: 200, body: { id: laptop.id, person: BOB } }] },
};

export const SESSION_EXAMPLES: Examples["sessions"] = {
  list: { answers: [{ status: 200, body: { person: BOB, sessions: [session] } }] },
  end: { answers: [{ status: 200, body: { id: session.id, person: BOB } }] },
};
