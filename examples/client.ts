/**
 * A program that needs production for a moment: it asks, waits until it is let in, does its work, and gives the access
 * back without waiting for the end. As an agent would: nothing here is a person's.
 *
 *   TIDEGATE_URL=https://tidegate.example.com TIDEGATE_TOKEN=tgt_… node client.ts orders-db:read INC-42
 */
import { type Client, type CredentialView, createClient, type GrantView, ProblemError } from "tidegate/client";

const WAIT_SECONDS = 20;
/** How long to wait for people. */
const PATIENCE_MS = 10 * 60_000;

const [entitlement = "orders-db:read", ticket = ""] = process.argv.slice(2);
const tidegate = createClient({
  url: process.env["TIDEGATE_URL"] ?? "http://127.0.0.1:7788",
  token: process.env["TIDEGATE_TOKEN"] ?? null,
});

try {
  const grant = await obtain(tidegate);
  try {
    const credential = await credentialOf(tidegate, grant.id);
    await work(credential);
  } finally {
    await giveBack(tidegate, grant.id);
  }
} catch (error) {
  // Codes are stable; `detail` is a sentence for people, and `trace` says which rules were looked at.
  if (!(error instanceof ProblemError)) throw error;
  console.error(`${error.code}: ${error.detail}`);
  process.exitCode = error.code === "policy-denied" ? 3 : 1;
}

/** Asks, and waits for approval where policy wants it, then for the access to be made. */
async function obtain(client: Client): Promise<GrantView> {
  const deadline = performance.now() + PATIENCE_MS;
  let request = await client.submitRequest({ entitlement, duration: "10m", reason: "counting what is stuck", ticket });
  console.log(`${request.id}: ${request.decision.outcome} by ${request.decision.rule}`);
  for (const line of request.describe) console.log(`  ${line}`);
  while (request.state === "pending" && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    request = await client.getRequest(request.id);
  }
  if (request.grantId === null)
    throw new Error(`${request.id} is ${request.state}: ${request.endedBecause ?? "nobody decided in time"}`);
  let grant = await client.getGrant(request.grantId);
  while (grant.state === "scheduled" || grant.state === "provisioning") {
    // Held by the server until the state is another one than we know.
    grant = await client.getGrant(grant.id, { waitSeconds: WAIT_SECONDS, while: grant.state });
  }
  if (grant.state !== "active") throw new Error(`${grant.id} is ${grant.state}: ${grant.ended?.reason ?? ""}`);
  return grant;
}

/** Delivered once: keep it in memory only. */
async function credentialOf(client: Client, grantId: string): Promise<CredentialView> {
  for (;;) {
    const answer = await client.credential(grantId);
    if (answer.delivered) return answer.credential;
    await new Promise((resolve) => setTimeout(resolve, answer.retryAfterMs));
  }
}

/** What the access is for. Your database driver takes `credential.uri`; never print it. */
async function work(credential: CredentialView): Promise<void> {
  console.log(credential.kind === "password" ? `signed in as ${credential.username}` : credential.note);
}

/** Ends the access now, and waits for the proof that it is gone. */
async function giveBack(client: Client, grantId: string): Promise<void> {
  let grant = await client.revokeGrant(grantId, { reason: "done" });
  while (grant.state === "revoking")
    grant = await client.getGrant(grantId, { waitSeconds: WAIT_SECONDS, while: "revoking" });
  console.log(`${grant.id} is ${grant.state}; audit entry ${grant.receipt?.auditSeq ?? "none"}:`);
  for (const seen of grant.receipt?.evidence.observations ?? []) console.log(`  ${seen.check}: ${seen.saw}`);
}
