/** Small pages: HTML without scripts, under a policy that allows nothing else, readable in the dark and without a mouse. */
import { createHash } from "node:crypto";

const STYLE = [
  ":root{color-scheme:light dark;--back:#fff;--ink:#1c2024;--dim:#5b6470;--line:#c9cfd6;--go:#0b5fad;--on:#fff}",
  "@media(prefers-color-scheme:dark){:root{--back:#14171a;--ink:#e8eaed;--dim:#a3abb5;--line:#3b434c;--go:#8ec5ff;--on:#0c1014}}",
  "body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:10vh auto;padding:0 1rem;background:var(--back);color:var(--ink)}",
  "h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.1rem;margin-top:2rem}small{color:var(--dim);overflow-wrap:anywhere}a{color:var(--go)}",
  "a.go,button{font:inherit;padding:.55rem 1rem;border:1px solid var(--line);border-radius:.4rem;background:none;color:inherit;cursor:pointer;white-space:nowrap}",
  "a.go,button.go{display:block;box-sizing:border-box;width:100%;margin:.6rem 0;text-align:start;text-decoration:none;white-space:normal}",
  "a.go{background:var(--go);border-color:var(--go);color:var(--on)}a.go:hover,button:hover{border-color:var(--ink)}",
  ":focus-visible{outline:3px solid var(--go);outline-offset:2px}button.go small{display:block}",
  "input{font:inherit;padding:.5rem;border:1px solid var(--dim);border-radius:.4rem;background:none;color:inherit}",
  "ul{list-style:none;padding:0}li{display:flex;gap:1rem;align-items:center;justify-content:space-between;padding:.7rem 0;border-top:1px solid var(--line)}",
  ".said{padding:.6rem .8rem;border-inline-start:4px solid var(--go)}",
].join("");

/** Text that was made for HTML; anything else is escaped when it is put in. */
export class Html {
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

/** `of`: whose page it is, behind the title. */
export const pageOf = (title: string, body: Html, of = "Tidegate"): string =>
  html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title} · ${of}</title><style>${new Html(STYLE)}</style></head>
<body><main><h1>${title}</h1>
${body}
</main></body>
</html>
`.text;

/** `formsTo`: where forms may lead, also by what answers them; null: anywhere. `scripted`: a script of the same origin, from a file, runs. */
export const pagePolicy = (formsTo: string | null, scripted = false): string =>
  [
    "default-src 'none'",
    `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
    ...(scripted ? ["script-src 'self'"] : []),
    ...(formsTo === null ? [] : [`form-action ${formsTo}`]),
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
