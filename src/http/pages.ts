/** The few pages that signing in needs. */
import type { FastifyReply } from "fastify";
import { toTimestamp } from "../base/clock.ts";
import { type Html, html, pageOf, pagePolicy } from "../base/page.ts";

/** `leadsTo`: the origin to which a form of the page leads in the end, where that is another. `scripted`: it has a script of ours, from a file. */
export function sendPage(
  reply: FastifyReply,
  status: number,
  title: string,
  body: Html,
  { leadsTo = null, scripted = false }: { readonly leadsTo?: string | null; readonly scripted?: boolean } = {},
): FastifyReply {
  return reply
    .code(status)
    .headers({
      "content-security-policy": pagePolicy(leadsTo === null ? "'self'" : `'self' ${leadsTo}`, scripted),
      // A form that is sent from here says so; what is linked from here hears nothing.
      "referrer-policy": "same-origin",
    })
    .type("text/html; charset=utf-8")
    .send(pageOf(title, body));
}

export const timeOf = (ms: number): Html => {
  const at = toTimestamp(ms);
  return html`<time datetime="${at}">${at.slice(0, 10)} ${at.slice(11, 16)} UTC</time>`;
};
