/** What the log need not keep any more goes, where the configuration says for how long it is kept. */
import type { Context } from "../operations/context.ts";
import { announceDrop, dropAnnounced } from "../operations/drop-entries.ts";
import { dropTexts } from "../operations/drop-texts.ts";
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
  if (outlets?.retention === undefined) return;
  const { entriesMs, personalMs } = outlets.retention;
  const signed = (await heads.signWhenDue())?.size;
  if (signed === undefined) return;
  if (personalMs !== undefined) while (await dropTexts(context, personalMs, { signed, outlets }));
  if (entriesMs === undefined) return;
  const keeping = { entriesMs, signed, outlets };
  while (await dropAnnounced(context, keeping));
  await announceDrop(context, keeping);
}
