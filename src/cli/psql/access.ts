/** How `tidegate psql` comes by access, and how it leaves nothing half done when that is broken off. */
import { systemClock } from "../../base/clock.ts";
import type { GrantView, RequestView } from "../../contract/access.ts";
import type { Context } from "../connect.ts";
import { EXIT } from "../exit-code.ts";
import { CommandFailure } from "../failure.ts";
import { patiently } from "../patience.ts";
import { untilDecided, untilGrant, type Waiting } from "../waiting.ts";
import { cleanText } from "../words/clean.ts";
import { emergencyNotice } from "../words/emergency-words.ts";
import { grantSentence } from "../words/grant-words.ts";
import { endOf, grantedHow } from "../words/request-words.ts";
import { giveBack } from "./give-back.ts";

export type Access = {
  readonly grant: GrantView;
  /** Made by this command, and so its to give back; else found. */
  readonly made: boolean;
};

/** What has been begun so far: whatever breaks off, this tells what must be put in order. */
export type Begun = { request: RequestView | null; grantId: string | null };

export type Wanted = {
  readonly entitlement: string;
  readonly duration: string;
  readonly reason: string;
  readonly ticket: string | null;
  readonly emergency: boolean;
};

/** A lost reply to the request is asked for again for so long; the key makes sure that nothing is asked for twice. */
const SUBMIT_WITHIN_MS = 15_000;

/**
 * A grant to this entitlement that the person holds and can use now, the one that ends last; where there is none, one that
 * they asked for as this and were approved for less.
 */
export async function heldGrant({ client }: Context, entitlement: string): Promise<GrantView | null> {
  const [resource = ""] = entitlement.split(":");
  const { grants } = await client.listGrants({ person: "me", resource, state: "active,provisioning,scheduled" });
  const nowMs = systemClock.nowMs();
  const usable = grants
    .filter((grant) => Date.parse(grant.expiresAt) > nowMs && Date.parse(grant.startsAt) <= nowMs)
    .sort((a, b) => Date.parse(b.expiresAt) - Date.parse(a.expiresAt));
  const exactly = usable.find((grant) => grant.entitlement === entitlement);
  return exactly ?? usable.find(({ less }) => less?.asked.entitlement === entitlement) ?? null;
}

/** Asks for access and waits until it is there. `begun` is kept up to date for whoever must undo it. */
export async function askForAccess(context: Context, wanted: Wanted, begun: Begun, waiting: Waiting): Promise<Access> {
  const { client, output } = context;
  const idempotencyKey = crypto.randomUUID();
  const submit = (): Promise<RequestView> =>
    client.submitRequest({ ...wanted, activation: "on-approval" }, { idempotencyKey });
  // Not broken off by a signal: only its answer tells what would have to be taken back.
  const request = await patiently(submit, { withinMs: SUBMIT_WITHIN_MS });
  begun.request = request;
  begun.grantId = request.grantId;
  const loud = (seen: RequestView): void => {
    waiting.live.end();
    output.note(...emergencyNotice(seen, output.notePage));
  };
  loud(request);
  waiting.signal.throwIfAborted();
  const decided = await untilDecided(context, request, waiting);
  begun.request = decided;
  begun.grantId = decided.grantId;
  if (decided.grantId === null) throw notGiven(decided);
  if (request.emergencyReview === null) loud(decided);
  waiting.live.say("Making the access");
  const grant = await untilGrant(
    context,
    await client.getGrant(decided.grantId),
    (seen) => !COMING.includes(seen.state),
    waiting,
  );
  if (grant.state !== "active") {
    begun.grantId = null;
    throw isOver(grant, context);
  }
  waiting.live.end();
  output.note(cleanText(`Granted ${grantedHow(decided, grant)}: ${grant.entitlement}, grant ${grant.id}.`));
  return { grant, made: true };
}

const COMING: readonly string[] = ["scheduled", "provisioning"];

function notGiven(request: RequestView): CommandFailure {
  const denied = request.state === "denied";
  return new CommandFailure(`request-${request.state}`, endOf(request), denied ? EXIT.denied : EXIT.failed, {
    requestId: request.id,
  });
}

/** Access that ended before it was there: refused when policy was asked again, or it could not be made. */
function isOver(grant: GrantView, { output }: Context): CommandFailure {
  const refused = grant.ended?.cause === "refused-at-start";
  const detail = grantSentence(grant, { ...output.notePage, paint: (_style, text) => text });
  return new CommandFailure(refused ? "request-denied" : "grant-ended", detail, refused ? EXIT.denied : EXIT.failed, {
    grantId: grant.id,
  });
}

const UNDO_WITHIN_MS = 15_000;

/** Takes back what was begun: the request, or the grant that came of it meanwhile. Answers what happened, for people. */
export async function undo(context: Context, begun: Begun): Promise<string> {
  if (begun.grantId !== null) return giveBack(context, begun.grantId, "broken off while waiting");
  const { request } = begun;
  if (request === null) return "Nothing was asked for.";
  if (request.state !== "pending") return `Request ${request.id} is ${request.state}; nothing is left to take back.`;
  try {
    await patiently(() => context.client.cancelRequest(request.id), { withinMs: UNDO_WITHIN_MS });
    return `Request ${request.id} is taken back; nobody is asked any more.`;
  } catch (error) {
    const after = await patiently(() => context.client.getRequest(request.id), { withinMs: UNDO_WITHIN_MS }).catch(
      () => null,
    );
    if (after === null)
      return `Request ${request.id} could not be taken back (${messageOf(error)}); do it with: tidegate cancel ${request.id}`;
    if (after.grantId !== null)
      return `It was approved meanwhile. ${await giveBack(context, after.grantId, "broken off while waiting")}`;
    if (after.state !== "pending")
      return `Request ${request.id} was ${after.state} meanwhile; nothing is left to take back.`;
    return `Request ${request.id} could not be taken back (${messageOf(error)}); do it with: tidegate cancel ${request.id}`;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
