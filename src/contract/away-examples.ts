/** Bob is on holiday, and frank decides in his place. */
import type { AbsenceView } from "./away.ts";
import type { Examples } from "./examples.ts";
import { BOB } from "./request-examples.ts";

const FRANK = { id: "pr_2c4e6g8j1k3m5n7p", handle: "frank", name: "Frank Fischer" };

const absence: AbsenceView = {
  person: BOB,
  since: "2026-01-31T12:00:00.000Z",
  until: "2026-02-14T08:00:00.000Z",
  delegate: FRANK,
  setBy: BOB,
};
const wanted = { until: "2026-02-14T08:00:00Z", delegate: "frank" };

export const AWAY_EXAMPLES: Examples["away"] = {
  list: { answers: [{ status: 200, body: { away: [absence] } }] },
  set: { body: wanted, answers: [{ status: 200, body: absence }] },
  back: { answers: [{ status: 200, body: { person: BOB } }] },
  send: { body: wanted, answers: [{ status: 200, body: absence }] },
  recall: { answers: [{ status: 200, body: { person: BOB } }] },
};
