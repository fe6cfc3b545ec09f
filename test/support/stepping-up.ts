/** Somebody who is signed in, acts, and shows anew who they are where a rule demands it. */
import assert from "node:assert/strict";
import type { Demands } from "../../src/domain/authentication.ts";
import type { ApproveRule } from "../../src/domain/policy.ts";
import { automatically } from "./configuration.ts";
import { type Browser, type Company, type Page, TIDEGATE } from "./signing-in.ts";

export const MINUTE_MS = 60_000;
export const FRESH = { maxAgeMs: 15 * MINUTE_MS };

/** What it approves at once it demands this for. */
export const demanding = (authentication: Demands, more: Partial<ApproveRule> = {}): ApproveRule =>
  automatically("demanding", { authentication, ...more });

/** The rules, and no others, from now on. */
export const ruledBy = (it: Company, ...policies: readonly ApproveRule[]): Promise<unknown> =>
  it.configure((before) => ({ ...before, policies }));

/** So much time passes since the provider saw anybody. */
export const timePasses = (it: Company, minutes: number): Promise<unknown> =>
  it.world.store.pool.query(
    "update sign_in_sessions set authenticated_at = clock_timestamp() - $1 * interval '1 minute'",
    [minutes],
  );

/** As a page of ours sends it. */
export const send = (browser: Browser, url: string, body: unknown, key?: string, method = "POST"): Promise<Page> =>
  browser.ask(url, {
    method,
    headers: {
      ...{ "content-type": "application/json", origin: TIDEGATE, "x-requested-with": "tidegate" },
      ...(key === undefined ? {} : { "idempotency-key": key }),
    },
    body: JSON.stringify(body),
  });

export const ASKED = { entitlement: "orders:fix", duration: "1h", reason: "totals are wrong since noon" };

type Refused = {
  readonly code: string;
  readonly detail: string;
  readonly demand: Record<string, unknown>;
  readonly stepUp: { readonly id: string; readonly url: string; readonly expiresAt: string };
};

/** It was refused, and where to go is said. */
export function refusedFor(page: Page): Refused {
  assert.equal(page.status, 401, page.text);
  const problem = JSON.parse(page.text) as Refused;
  assert.equal(problem.code, "step-up-required", page.text);
  return problem;
}

/** The link of its page, as a browser follows it. */
export async function toProvider(browser: Browser, url: string): Promise<Page> {
  const page = await browser.ask(url, { headers: { accept: "text/html" } });
  assert.equal(page.status, 200, page.text);
  const link = /href="(\/auth\/step-up\/[^"]+\/sign-in)"/.exec(page.text)?.[1];
  if (link === undefined) throw new Error(`there is no link to the provider: ${page.text}`);
  return browser.ask(link, { headers: { "sec-fetch-site": "same-origin" } });
}

/** Signs in once more; answers what Tidegate says to that. */
export const signInAgain = async (browser: Browser, url: string): Promise<Page> =>
  browser.ask(await browser.followed(await toProvider(browser, url)));
