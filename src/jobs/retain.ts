/** What the log need not keep any more goes, where the configuration says for how long it is kept. */
import type { Context } from "../operations/context.ts";
import { announceDrop, dropAnnounced } from "../operations/drop-entries.ts";
import type { Job } from "./runner.ts";
import type { HeadSigner } from "./sign-heads.ts";

const LOOK_EVERY_MS = 600_000;

export const retentionJob = (heads: Pick<HeadSigner, "signWhenDue">): Job => ({
  name: "retain-audit",
  everyMs: LOOK_EVERY_MS,
  run: (context) => retain(context, heads),
});

export async function retain(context: Context, heads: Pick<HeadSigner, "signWhenDue">): Promise<void> {
  const outlets = (await context.catalog.active(context.ledger))?.configuration.audit;
  const entriesMs = outlets?.retention?.entriesMs;
  if (outlets === undefined || entriesMs === undefined) return;
  const signed = await heads.signWhenDue();
  if (signed === null) return;
  const keeping = { entriesMs, signed: signed.size, outlets };
  while (await dropAnnounced(context, keeping));
  await announceDrop(context, keeping);
}
