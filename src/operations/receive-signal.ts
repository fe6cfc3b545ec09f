/**
 * A provider says that somebody's session is over, their credential another, or their account no more. Their sessions end,
 * and their access with them where the file, or the event, says so. In one transaction with the note that it came: what was
 * answered is done, and what was not is sent again.
 */
import type { Refusal } from "../base/problem.ts";
import type { EntryActor } from "../domain/audit.ts";
import type { Signal, Transmitter } from "../domain/signal.ts";
import { putSignal } from "../store/signals.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { endSessionsOf } from "./end-session.ts";
import { knownAs } from "./known-as.ts";
import { endAllOf } from "./revoke-grant.ts";
import { revokedEntry } from "./revoke-token.ts";
import { transact } from "./transact.ts";

const IDENTITY: EntryActor = { system: "identity" };
/** Clocks differ: a session that began so long after it was said had begun before. */
const CLOCKS_DIFFER_MS = 30_000;

export type Received = {
  /** False: it had come before, and nothing was done. */
  readonly first: boolean;
  readonly known: boolean;
  readonly sessions: number;
  readonly grants: number;
};
const NOTHING: Received = { first: true, known: false, sessions: 0, grants: 0 };

export function receiveSignal(
  context: Context,
  transmitter: Transmitter,
  signal: Signal,
  keptMs: number,
): Promise<Received | Refusal> {
  return transact<Received, SqlTx>(context, { operation: "receive-signal", actor: IDENTITY }, async (work) => {
    const { tx } = work;
    if (!(await putSignal(tx.sql, transmitter.issuer, signal.id, keptMs))) return { ...NOTHING, first: false };
    const { event, about } = signal;
    const configuration = (await context.catalog.active(tx))?.configuration;
    const provider = configuration?.identity?.providers.find(({ name }) => name === transmitter.provider);
    // It speaks of the people of its own provider: somebody else's are nobody's to it.
    const theirs = about !== null && provider?.issuer === about.issuer;
    const found =
      theirs && configuration !== undefined ? await knownAs(tx, configuration, provider, about.subject) : null;
    const person = found === null ? null : await tx.lockPrincipal(found.id);
    const ends = about === null || person === null ? null : about.account ? "access" : transmitter.ends;
    const nowMs = await tx.nowMs();
    const said = { transmitter: transmitter.name, event, ends };
    await work.apply(
      {
        entries: [
          {
            ...{ kind: "signal.received", actor: IDENTITY, data: said },
            refs: person === null ? {} : { principal: person.id },
            ...(about === null ? {} : { personal: { subject: about.subject } }),
          },
        ],
      },
      nowMs,
    );
    if (person === null || ends === null) return NOTHING;
    const because = `${event}, says ${transmitter.name}`;
    const beganByMs = signal.issuedMs + CLOCKS_DIFFER_MS;
    const sessions = await endSessionsOf(work, person.id, beganByMs, IDENTITY, because, nowMs);
    if (about?.account === true) {
      const tokens = await tx.revokeTokensOf(person.id, nowMs);
      const entries = tokens.map((token) => revokedEntry(token, person.id, IDENTITY, because));
      await work.apply({ entries }, nowMs);
    }
    const ending = { cause: "signalled" as const, by: null, reason: because };
    const grants = ends === "access" ? await endAllOf(work, person.id, ending, IDENTITY) : 0;
    return { first: true, known: true, sessions, grants };
  });
}
