/** The few pages that signing in needs. */
import type { FastifyReply } from "fastify";
import { type Html, pageOf, pagePolicy } from "../base/page.ts";

/** `leadsTo`: the origin to which a form of the page leads in the end, where that is another. */
export function sendPage(
  reply: FastifyReply,
  status: number,
  title: string,
  body: Html,
  leadsTo: string | null = null,
): FastifyReply {
  return reply
    .code(status)
    .headers({
      "content-security-policy": pagePolicy(leadsTo === null ? "'self'" : `'self' ${leadsTo}`),
      // A form that is sent from here says so; what is linked from here hears nothing.
      "referrer-policy": "same-origin",
    })
    .type("text/html; charset=utf-8")
    .send(pageOf(title, body));
}
