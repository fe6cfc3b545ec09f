/**
 * A witness signs that it has seen this checkpoint, and that the log went on from every one that it has seen before
 * (c2sp.org/tlog-witness). Its signature (c2sp.org/tlog-cosignature) is verified, and kept with the checkpoint.
 */
import type { JsonObject } from "../base/canonical.ts";
import { tidegateVersion } from "../base/version.ts";
import { whyNoWebhookUrl } from "../domain/channel.ts";
import { reasonOf } from "../notify/webhook.ts";
import type { Checkpoint } from "../store/audit-head.ts";
import { cosignatureBy, parseWitness, type Verifier } from "../store/keys/signed-note.ts";
import type { Anchored, OpenAnchor, Prove } from "./anchor.ts";

const ANSWER_BYTES_MAX = 65_536;
const CONFLICT = 409;

export const openWitness: OpenAnchor = ({ url, vkey }: JsonObject, prove) => {
  const whyNot = whyNoWebhookUrl(String(url));
  if (whyNot !== null) throw new Error(`its url ${whyNot}`);
  const witness = parseWitness(String(vkey));
  if (witness === null) throw new Error("its vkey is no key of a witness, or a letter of it is wrong");
  const address = `${String(url).replace(/\/$/, "")}/add-checkpoint`;
  return { put: (checkpoint, before, signal) => ask({ address, witness, prove }, checkpoint, before, signal) };
};

type Asked = { readonly address: string; readonly witness: Verifier; readonly prove: Prove };
type Answer = { readonly status: number; readonly text: string };

async function ask(of: Asked, checkpoint: Checkpoint, before: number, signal: AbortSignal): Promise<Anchored> {
  try {
    let old = Math.min(before, checkpoint.size);
    let answer = await post(of, checkpoint, old, signal);
    const known = answer.status === CONFLICT && /^(0|[1-9]\d{0,15})\n$/.test(answer.text) ? Number(answer.text) : null;
    if (known !== null && known > checkpoint.size)
      return {
        sent: false,
        why: `it has signed ${known} entries, and this log has ${checkpoint.size}: it was cut back`,
      };
    if (known !== null && known !== old) {
      old = known;
      answer = await post(of, checkpoint, old, signal);
    }
    return judge(of.witness, checkpoint, answer);
  } catch (error) {
    return { sent: false, why: signal.aborted ? "it did not answer in time" : reasonOf(error) };
  }
}

async function post({ address, prove }: Asked, checkpoint: Checkpoint, old: number, signal: AbortSignal) {
  const proof = old === 0 ? [] : await prove(old, checkpoint.size);
  const lines = [`old ${old}`, ...proof.map((hash) => Buffer.from(hash).toString("base64")), ""];
  const response = await fetch(address, {
    method: "POST",
    headers: { "content-type": "text/plain; charset=utf-8", "user-agent": `tidegate/${tidegateVersion()}` },
    body: `${lines.join("\n")}\n${checkpoint.note}`,
    redirect: "manual",
    signal,
  });
  return { status: response.status, text: await bounded(response) };
}

async function bounded(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX) break;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

const WHY: Readonly<Record<number, string>> = {
  403: "it does not know the key of this log: give it the one that tidegate keys list shows",
  404: "it does not know this log: ask whoever runs it to add it",
  [CONFLICT]: "it has signed another log of this size: two logs are shown under one name",
  422: "it does not see that the log goes on from what it has signed: the log was changed",
};

function judge(witness: Verifier, checkpoint: Checkpoint, { status, text }: Answer): Anchored {
  if (status !== 200) return { sent: false, why: WHY[status] ?? `it answered ${status}` };
  const line = cosignatureBy(witness, checkpoint.note, text);
  if (line === null) return { sent: false, why: "what it answered holds no signature with its key" };
  return { sent: true, note: `${checkpoint.note}${line}\n` };
}
