/** A mail server that keeps what it is sent. It is other people's program (smtp-server), and speaks the protocol in full. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

export type Mailed = { readonly from: string; readonly to: readonly string[]; readonly raw: string };

/** What it answers where it does not take something: a status and the words after it. */
export type Answer = { readonly status: number; readonly words: string };

export type MailServer = {
  readonly port: number;
  readonly mails: Mailed[];
  /** Who signed in, mail by mail. */
  readonly users: string[];
  /** What it answers to a sender, to a recipient, to the whole mail; null: it takes it. */
  sender: (address: string) => Answer | null;
  recipient: (address: string) => Answer | null;
  mail: () => Answer | null;
  /** Who is let in. */
  login: { readonly user: string; readonly password: string } | undefined;
  /** Says nothing from here on. */
  hangs: "greeting" | "mail" | null;
  close(): Promise<void>;
};

export type MailServerOptions = {
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer };
  /** TLS from the start, by STARTTLS or not at all. */
  readonly scheme: "smtps" | "smtp" | "smtp+clear";
  readonly login?: { readonly user: string; readonly password: string };
};

export async function mailServer({ tls, scheme, login }: MailServerOptions): Promise<MailServer> {
  const state = {
    port: 0,
    mails: [] as Mailed[],
    users: [] as string[],
    sender: (() => null) as MailServer["sender"],
    recipient: (() => null) as MailServer["recipient"],
    mail: (() => null) as MailServer["mail"],
    hangs: null as MailServer["hangs"],
    login,
    close: async () => {},
  };
  const disabled = ["STARTTLS", "AUTH"].filter((it) =>
    it === "AUTH" ? login === undefined : scheme === "smtp+clear" || scheme === "smtps",
  );
  const options: SMTPServerOptions = {
    ...(tls ?? {}),
    ...{ secure: scheme === "smtps", disabledCommands: disabled, authOptional: login === undefined },
    ...{ logger: false, closeTimeout: 1, disableReverseLookup: true },
    onConnect: (_session, done) => {
      if (state.hangs !== "greeting") done();
    },
    onAuth: ({ username = "", password }, _session, done) => {
      if (username !== state.login?.user || password !== state.login.password)
        return done(answered({ status: 535, words: `5.7.8 no ${username} ${password}` }));
      state.users.push(username);
      done(null, { user: username });
    },
    onMailFrom: ({ address }, _session, done) => done(answered(state.sender(address))),
    onRcptTo: ({ address }, _session, done) => done(answered(state.recipient(address))),
    onData: (stream, { envelope }, done) => {
      // One that breaks off before its end is none.
      text(stream).then(
        (raw) => {
          if (state.hangs === "mail") return;
          const refused = answered(state.mail());
          const from = envelope.mailFrom === false ? "" : envelope.mailFrom.address;
          if (refused === null) state.mails.push({ from, to: envelope.rcptTo.map((one) => one.address), raw });
          done(refused);
        },
        () => undefined,
      );
    },
  };
  const server = new SMTPServer(options);
  server.on("error", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  state.port = (server.server.address() as AddressInfo).port;
  state.close = async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    await promise;
  };
  return state;
}

const answered = (answer: Answer | null): Error | null =>
  answer === null ? null : Object.assign(new Error(answer.words), { responseCode: answer.status });

/** The headers of a mail, by their names in small letters, and the parts below them, each decoded. */
export function opened(raw: string): { headers: Record<string, string>; parts: Part[] } {
  const { headers, body } = split(raw);
  const boundary = /boundary="([^"]+)"/.exec(headers["content-type"] ?? "")?.[1] ?? "";
  const parts = body.split(`--${boundary}`).slice(1, -1);
  return {
    headers,
    parts: parts.map((part) => {
      const { headers: of, body: written } = split(part.replace(/^\r\n/, ""));
      const base64 = of["content-transfer-encoding"] === "base64";
      return {
        headers: of,
        text: base64 ? Buffer.from(written, "base64").toString() : written.replaceAll("\r\n", "\n"),
      };
    }),
  };
}

export type Part = { readonly headers: Readonly<Record<string, string>>; readonly text: string };

function split(text: string): { headers: Record<string, string>; body: string } {
  const end = text.indexOf("\r\n\r\n");
  const lines = text
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, " ")
    .split("\r\n");
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { headers: Object.fromEntries(headers), body: text.slice(end + 4) };
}
