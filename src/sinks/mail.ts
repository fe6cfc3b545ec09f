/**
 * Checkpoints by e-mail: the checkpoint as a file to save, and what verifies it. It has arrived when the mail server has taken
 * it for every recipient; whether a mailbox has it nobody says.
 */
import type { JsonObject } from "../base/canonical.ts";
import { sha256Hex } from "../base/hash.ts";
import { Secret } from "../base/secret.ts";
import { isMailbox, mailServer, RECIPIENTS_MAX } from "../domain/sink.ts";
import type { Checkpoint } from "../store/audit-head.ts";
import type { OpenAnchor } from "./anchor.ts";
import { type Submission, submitMail } from "./smtp.ts";

const ID_CHARS = 16;

export const openMail: OpenAnchor = (settings) => {
  const to = submissionOf(settings);
  return { put: async (checkpoint, _before, signal) => submitMail(to, await mailOf(checkpoint, to), signal) };
};

function submissionOf({ server, user, password, from, to, ca }: JsonObject): Submission {
  const at = mailServer(String(server));
  if (at === null) throw new Error("its server is not smtps://HOST:PORT or smtp://HOST:PORT");
  const [sender = "", ...recipients] = [from, ...(Array.isArray(to) ? to : [])].map(String);
  if (!isMailbox(sender)) throw new Error("its from is no address of a mailbox");
  if (recipients.length < 1 || recipients.length > RECIPIENTS_MAX || !recipients.every(isMailbox))
    throw new Error(`its to is not 1 to ${RECIPIENTS_MAX} addresses of mailboxes`);
  const login = typeof user === "string" ? { user, password: new Secret(String(password)) } : null;
  return { at, login, ca: typeof ca === "string" ? ca : null, from: sender, to: recipients };
}

/** Of one checkpoint it is the same mail each time: whoever gets it twice can tell by its id. */
async function mailOf(checkpoint: Checkpoint, { from, to }: Submission): Promise<Buffer> {
  const { installation, size, at, note } = checkpoint;
  const filename = `checkpoint-${installation}-${size}.txt`;
  // Loaded where a mail is made, and not by everybody who starts.
  const { default: MailComposer } = await import("nodemailer/lib/mail-composer");
  const mail = new MailComposer({
    ...{ from, to: [...to], date: new Date(at), disableFileAccess: true, disableUrlAccess: true },
    subject: `Tidegate ${installation}: checkpoint of the audit log, ${size} entries`,
    messageId: `<checkpoint-${size}-${sha256Hex(note).slice(0, ID_CHARS)}@${from.split("@")[1]}>`,
    headers: { "Auto-Submitted": "auto-generated" },
    text: bodyOf(checkpoint, filename),
    // In base64 no line of it is ended in another way, which would undo the signature.
    attachments: [
      { filename, content: note, contentType: "text/plain; charset=utf-8", contentTransferEncoding: "base64" },
    ],
  });
  return mail.compile().build();
}

/** In lines that no server has to fold. */
const bodyOf = ({ installation, size, at }: Checkpoint, filename: string): string => `\
The attached checkpoint is the audit log of Tidegate ${installation} as it was at
${at}, with ${size} entries, in a few signed lines: keep it
where nobody who runs Tidegate can change it.

Whether the log that you are given later goes on from it, unchanged:

  node verify.mjs audit.jsonl --key "$KEY" \\
    --checkpoint ${filename}

audit.jsonl is an export of the log, KEY its public key as you were told it.
`;
