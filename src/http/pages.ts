/** The few pages that signing in needs. */
import type { FastifyReply } from "fastify";
import { type Html, pageOf, pagePolicy } from "../base/page.ts";

const POLICY = pagePolicy("'self'");

export function sendPage(reply: FastifyReply, status: number, title: string, body: Html): FastifyReply {
  return reply
    .code(status)
    .headers({
      "content-security-policy": POLICY,
      // A form that is sent from here says so; what is linked from here hears nothing.
      "referrer-policy": "same-origin",
    })
    .type("text/html; charset=utf-8")
    .send(pageOf(title, body));
}
