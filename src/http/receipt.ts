/** The receipt of a grant: one file that shows to whoever has it that access is gone. */
import { grantId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { Grant } from "../domain/grant.ts";
import { NO_SUCH_GRANT } from "../operations/revoke-grant.ts";
import { originOf } from "../store/audit-head.ts";
import { quarantineNow } from "../store/quarantine.ts";
import { receiptLines } from "../store/receipt.ts";
import { droppedOf } from "../store/retention.ts";
import { visibleGrants } from "../store/visible.ts";
import { proven } from "./audit.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { droppedView } from "./dropped.ts";
import { inScene } from "./scene.ts";

export function receiptHandler({ context, receiptSigner }: ServerDeps): Handlers<"grants">["receipt"] {
  const { db, installation } = context;
  return async ({ params, query }, { principal }) => {
    const id = grantId.parse(params.id);
    if (id === null) return NO_SUCH_GRANT;
    const seen = await inScene(context, principal, async ({ viewer }) => {
      const [found] = await visibleGrants(db, viewer, { id, limit: 1 });
      if (found === undefined || !(viewer.seesAll || found.grant.principalId === principal.id)) return NO_SUCH_GRANT;
      return refuseUnproven(found.grant) ?? { withNames: viewer.seesAll };
    });
    if (isRefusal(seen)) return seen;
    const dropped = await droppedOf(db, { grant: id });
    if (dropped !== null)
      return refuse(
        "no-receipt",
        `There is no receipt of this grant any more. ${droppedView(dropped).says} Use the one that was kept: it verifies as before.`,
        { dropped: droppedView(dropped) },
      );
    const signer = await receiptSigner();
    if (signer === null) return (await quarantineNow(db)) === null ? FOLLOWED : QUARANTINED;
    const { checkpoint, seal } = signer;
    const of = { grant: id, checkpoint, withPersonal: query.personal === "yes", ...seen };
    const answer = await proven(async () => {
      const { receiptText, sealOf } = await import("../../verifier/verify.mjs");
      // Made by what verifies it: where the entries do not say what the ledger does, there is none.
      const text = receiptText(await receiptLines(db, of));
      return `${text}${JSON.stringify({ seal: seal(sealOf(originOf(installation), id, checkpoint.size, text)) })}\n`;
    });
    return isRefusal(answer) ? answer : { ...answer, headers: { "content-type": "text/plain; charset=utf-8" } };
  };
}

const QUARANTINED = refuse(
  "quarantine",
  "In quarantine nothing is signed, and so no receipt: tidegate recover says more.",
);
const FOLLOWED = refuse(
  "unavailable",
  "Nothing is signed here, and so no receipt: another replica signs with another key. An admin of the servers gives all of them the same signing key.",
);

/** What is not proven gone has no receipt, nor has what was never made: nobody waves about a paper that only looks like one. */
function refuseUnproven(grant: Grant): Refusal | null {
  const { state, id } = grant;
  if (state === "revoked" || state === "failed") return null;
  const accessGone = state === "revoking" && grant.accessGone;
  const why =
    state === "cancelled"
      ? `It was cancelled before anything was made, so that there is nothing to prove gone: tidegate audit list --grant ${id} tells of it.`
      : `It is ${state}${state !== "revoking" ? "" : accessGone ? ", access is gone, and what is left is being cleaned up" : ", and still live as far as anybody has proven"}. There is a receipt once it has ended and a probe has seen that access is gone.`;
  return refuse("no-receipt", `There is no receipt of this grant. ${why}`, { state, accessGone });
}
