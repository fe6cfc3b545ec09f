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
  expiresAt: "2026-02-01T08:00:00.000Z",
};

export const SESSION_EXAMPLES: Examples["sessions"] = {
  list: { answers: [{ status: 200, body: { person: BOB, sessions: [session] } }] },
  end: { answers: [{ status: 200, body: { id: session.id, person: BOB } }] },
};
