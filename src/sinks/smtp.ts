/**
 * A mail by SMTP, to all of its recipients or to none: the others of one who is refused would get it anew at each attempt.
 * TLS is verified. Of what the server says nothing is told but its codes: its words may quote what it was given.
 */
import { Readable } from "node:stream";
import type SMTPConnection from "nodemailer/lib/smtp-connection";
import type { Secret } from "../base/secret.ts";
import type { MailServer } from "../domain/sink.ts";
import type { Sent } from "../notify/channel.ts";
import { reasonOf } from "../notify/webhook.ts";

/** Where to, by whom, from whom and for whom. */
export type Submission = {
  readonly at: MailServer;
  readonly login: { readonly user: string; readonly password: Secret } | null;
  /** Null: the authorities that the machine trusts. */
  readonly ca: string | null;
  readonly from: string;
  readonly to: readonly string[];
};

/** A login that is refused again and again is shut, and a server that puts strangers off wants them to wait. */
const REST_MS = 300_000;
/** For its answer to our goodbye. */
const CLOSE_WITHIN_MS = 1_000;

export async function submitMail(submission: Submission, mail: Buffer, signal: AbortSignal): Promise<Sent> {
  const { at, ca } = submission;
  const { scheme, host, port } = at;
  const { default: Connection } = await import("nodemailer/lib/smtp-connection");
  const connection = new Connection({
    ...{ host, port, secure: scheme === "smtps", requireTLS: scheme === "smtp", ignoreTLS: scheme === "smtp+clear" },
    ...{ tls: ca === null ? {} : { ca }, socketCloseTimeout: CLOSE_WITHIN_MS },
  });
  const { promise: broken, reject } = Promise.withResolvers<never>();
  const late = (): void => reject(signal.reason);
  connection.on("error", reject);
  signal.addEventListener("abort", late, { once: true });
  if (signal.aborted) late();
  try {
    await Promise.race([broken, talk(connection, submission, mail)]);
    connection.quit();
    return { sent: true };
  } catch (error) {
    return signal.aborted ? { sent: false, why: "it did not take the mail in time" } : missed(error);
  } finally {
    signal.removeEventListener("abort", late);
    connection.close();
  }
}

async function talk(connection: SMTPConnection, { login, from, to }: Submission, mail: Buffer): Promise<void> {
  await asked((done) => connection.connect(done));
  if (login !== null)
    await asked((done) => connection.login({ user: login.user, pass: login.password.reveal() }, done));
  // The library notes here who was refused.
  const envelope: { from: string; to: string[]; rejectedErrors?: Error[] } = { from, to: [...to] };
  const refused = (): Error | undefined => envelope.rejectedErrors?.[0];
  const body = new Readable({
    // Asked for when all recipients are answered. With one refused it breaks off before its end, and so nobody gets it.
    read() {
      if (refused() !== undefined) this.destroy(new Error("a recipient was refused"));
      else {
        this.push(mail);
        this.push(null);
      }
    },
  });
  await asked((done) => connection.send(envelope, body, done)).catch((error: Failure) => {
    // Where the sender is refused, so is every recipient, for no reason of their own.
    throw error.command === "MAIL FROM" ? error : (refused() ?? error);
  });
}

function asked(ask: (done: (error?: Error | null) => void) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  ask((error) => (error ? reject(error) : resolve()));
  return promise;
}

/** As the library tells it. */
type Failure = {
  readonly code?: string;
  readonly originalCode?: string;
  readonly response?: string;
  readonly command?: string;
  readonly recipient?: string;
};

function missed(error: unknown): Extract<Sent, { sent: false }> {
  const failure = error as Failure;
  const [said, first] = /^([45])\d\d(?:[ -]\d\.\d{1,3}\.\d{1,3}\b)?/.exec(failure.response ?? "") ?? [];
  if (said === undefined) return { sent: false, why: whyNotReached(failure) };
  if (first === "5") return { sent: false, why: `${whyRefused(failure)} (${said})`, afterMs: REST_MS };
  const who = failure.recipient ?? "the mail";
  return { sent: false, why: `it puts ${who} off and is asked again later (${said})`, afterMs: REST_MS };
}

function whyRefused({ command = "", recipient }: Failure): string {
  if (recipient !== undefined)
    return `it refuses ${recipient}, so nobody was sent it: mend to, or ask who runs that mailbox`;
  if (command.startsWith("AUTH")) return "it does not let the user in: mend user or password";
  if (command === "MAIL FROM") return "it refuses the sender: let from be one that this user may be";
  if (command === "STARTTLS") return "it offers no TLS: write smtps:// where it has that, or take another";
  return `it refuses the mail at ${command}: ask who runs it`;
}

function whyNotReached({ code, originalCode = code }: Failure): string {
  if (/CERT|ISSUER|SIGN|ALTNAME/.test(String(originalCode)))
    return `its certificate is not trusted (${originalCode}): name its authority as ca, and the host as it is called there`;
  if (/^(EPROTO|ERR_SSL_|ETLS)/.test(String(originalCode)))
    return `it does not speak TLS so (${originalCode}): smtps:// is from the start, smtp:// by STARTTLS`;
  return reasonOf({ code: originalCode });
}
