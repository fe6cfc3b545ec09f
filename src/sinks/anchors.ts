import type { AnchorKind } from "../domain/sink.ts";
import { postWebhook, webhookOf } from "../notify/webhook.ts";
import { type Checkpoint, originOf } from "../store/audit-head.ts";
import type { OpenAnchor } from "./anchor.ts";
import { append } from "./file.ts";
import { openGit } from "./git.ts";
import { openMail } from "./mail.ts";
import { frame, receiverOf, sendFrames, syslogMessage } from "./syslog.ts";
import { openWitness } from "./witness.ts";

/** All kinds of anchors there are. */
export const ANCHORS: Readonly<Record<AnchorKind, OpenAnchor>> = {
  file: ({ path }) => ({ put: (checkpoint) => append(String(path), `${lineOf(checkpoint)}\n`) }),
  webhook: (settings) => {
    const webhook = webhookOf(settings);
    return { put: (checkpoint, _before, signal) => postWebhook(webhook, payloadOf(checkpoint), signal) };
  },
  syslog: (settings) => {
    const receiver = receiverOf(settings);
    return { put: (checkpoint, _before, signal) => sendFrames(receiver, frame(messageOf(checkpoint)), signal) };
  },
  git: openGit,
  mail: openMail,
  witness: openWitness,
};

const lineOf = ({ size, at, note }: Checkpoint): string => JSON.stringify({ size, at, checkpoint: note });

const payloadOf = (checkpoint: Checkpoint): { id: string; body: string } => ({
  id: `${checkpoint.installation}-${checkpoint.size}-${Date.parse(checkpoint.at)}`,
  body: `{"type":"audit.checkpoint","timestamp":"${checkpoint.at}","data":${lineOf(checkpoint)}}`,
});

const messageOf = (checkpoint: Checkpoint): string =>
  syslogMessage({
    at: checkpoint.at,
    kind: "checkpoint",
    about: { size: String(checkpoint.size), origin: originOf(checkpoint.installation) },
    text: lineOf(checkpoint),
  });
