import assert from "node:assert/strict";
import { test } from "node:test";
import { BOB, grantedView, grantView, NOW, requestView, revokedView } from "../../../test/e2e/cli-views.ts";
import { plain, type Style } from "../output.ts";
import { grantLines, grantSentence, grantState, receiptLines } from "./grant-words.ts";

const page = { paint: plain, width: 80, nowMs: Date.parse(NOW) };
const coloured = { ...page, paint: (style: Style, text: string) => `<${style}>${text}</${style}>` };

const TROUBLE = {
  since: "2026-11-23T13:53:00.000Z",
  attempts: 12,
  lastError: { code: "ECONNREFUSED", message: "connection refused" },
  retryAt: "2026-11-23T14:05:30.000Z",
};

test("access that should be gone and may not be is told in red: still live, since when, how often tried, why not", () => {
  const told = grantSentence(grantView({ state: "revoking", trouble: TROUBLE }), coloured);
  assert.match(
    told,
    /^<red>Revoking, STILL LIVE since .*12m ago: 12 attempts, last error ECONNREFUSED: connection refused\. Tried again .*, and until it is proven gone\.<\/red>$/,
  );
  assert.match(grantState(grantView({ state: "revoking" }), coloured), /<red>.*STILL LIVE/);
});

test("access that is proven gone with clean-up pending is another thing, and not red", () => {
  const grant = grantView({ state: "revoking", accessGone: true, trouble: TROUBLE });
  assert.match(grantSentence(grant, page), /^The access is gone, clean-up pending\. In trouble: 12 attempts/);
  assert.ok(!grantSentence(grant, coloured).includes("<red>"));
  assert.ok(!grantSentence(grant, page).includes("LIVE"));
});

test("a receipt tells what was checked, what was seen, and where it stands in the log", () => {
  const told = receiptLines(revokedView({ lateMs: 2_400 }), page).join("\n");
  assert.match(told, /verified .*, 2s after its end; audit entry 42/);
  assert.match(told, /proven gone, on postgres:7/);
  assert.match(told, /✓ login: refused \(28000\)/);
});

test("proven is said only of what the evidence proves", () => {
  const { receipt } = revokedView();
  assert.ok(receipt);
  const covered = { ...receipt, evidence: { ...receipt.evidence, kind: "covered" as const, coveredBy: ["gr_2"] } };
  assert.match(grantSentence(revokedView({ receipt: covered }), page), /the right itself is still held by gr_2/);
  const standing = { ...receipt, evidence: { ...receipt.evidence, kind: "standing" as const } };
  assert.match(grantSentence(revokedView({ receipt: standing }), page), /was there before Tidegate and stays/);
  assert.match(grantSentence(revokedView(), page), /because it was given back by alice \(“psql ended”\): proven gone/);
  assert.ok(!grantSentence(revokedView({ receipt: null }), page).includes("proven gone"));
});

test("an on-use grant says by when it must be used, a scheduled one when it starts", () => {
  const scheduled = grantView({ state: "scheduled", credential: null });
  const onUse = { ...scheduled, activateBy: "2026-11-23T16:05:00.000Z" };
  assert.match(grantSentence(onUse, page), /its time \(1h\) starts with the first use, which must be before .*in 2h/);
  assert.match(grantSentence({ ...scheduled, startsAt: "2026-11-23T16:05:00.000Z" }, page), /^Starts .*, in 2h\.$/);
});

test("with its request, a grant tells why it was asked for and who agreed", () => {
  const approved = requestView({
    state: "approved",
    ticket: "OPS-7",
    reviews: [
      {
        id: "rv_0000000000000001",
        reviewer: BOB,
        verdict: "approve",
        entitlement: "orders-db:read",
        duration: null,
        comment: "go ahead",
        at: NOW,
        counts: true,
      },
    ],
  });
  const told = grantLines(revokedView(), page, approved).join("\n");
  assert.match(told, /Why: OPS-7 “slow checkouts”/);
  assert.match(told, /Agreed by bob \(Bob\), .*: “go ahead” \(rule payments-engineers\)/);
  assert.match(grantLines(grantView(), page, grantedView()).join("\n"), /Agreed by policy itself \(rule on-call\)/);
  assert.ok(!grantLines(grantView(), page).join("\n").includes("Agreed"));
});

test("a grant that ended early says until when it was held, and until when it was given", () => {
  const early = revokedView({ revokedAt: "2026-11-23T14:05:00.000Z", expiresAt: "2026-11-23T15:05:00.000Z" });
  assert.match(grantLines(early, page).join("\n"), /From .* to [\d:]+, now; given until \d\d:05\n/);
  const onTime = revokedView({ revokedAt: "2026-11-23T14:05:00.100Z", expiresAt: "2026-11-23T14:05:00.000Z" });
  assert.ok(!grantLines(onTime, page).join("\n").includes("given until"));
});

test("an active grant says how to get more time and how to end it", () => {
  const told = grantLines(grantView(), page).join("\n");
  assert.match(told, /tidegate extend gr_0000000000000001 --for/);
  assert.match(told, /tidegate revoke gr_0000000000000001/);
  assert.match(told, /- SELECT on public\.orders/);
});
