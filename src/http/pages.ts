/** The few pages that signing in needs: HTML without scripts, made here, under a policy that allows nothing else. */
import { createHash } from "node:crypto";
import type { FastifyReply } from "fastify";

const STYLE =
  "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1rem;color-scheme:light dark}" +
  "a.go{display:block;padding:.7rem 1rem;margin:.5rem 0;border:1px solid;border-radius:.4rem;text-decoration:none}" +
  "li{margin:.8rem 0}button{font:inherit}form{display:inline}small{opacity:.75}";
const policy = (formAction: string): string =>
  [
    "default-src 'none'",
    `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
    `form-action 'self'${formAction}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");

/** Text that was made for HTML; anything else is escaped when it is put in. */
class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const shown = (value: string | Html | readonly Html[]): string => {
  if (value instanceof Html) return value.text;
  if (typeof value !== "string") return value.map(({ text }) => text).join("\n");
  return value.replaceAll(/[&<>"']/g, (char) => ESCAPES[char] ?? "");
};

export const html = (strings: TemplateStringsArray, ...values: (string | Html | readonly Html[])[]): Html =>
  new Html(strings.map((part, i) => part + (i < values.length ? shown(values[i] ?? "") : "")).join(""));

/** `leadsTo`: the origin to which a form of the page leads in the end, where that is another. */
export function sendPage(
  reply: FastifyReply,
  status: number,
  title: string,
  body: Html,
  leadsTo: string | null = null,
): FastifyReply {
  const page = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title} · Tidegate</title><style>${new Html(STYLE)}</style></head>
<body><main><h1>${title}</h1>
${body}
</main></body>
</html>
`;
  return reply
    .code(status)
    .headers({
      "content-security-policy": policy(leadsTo === null ? "" : ` ${leadsTo}`),
      // A form that is sent from here says so; what is linked from here hears nothing.
      "referrer-policy": "same-origin",
    })
    .type("text/html; charset=utf-8")
    .send(page.text);
}
