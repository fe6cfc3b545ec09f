/** The keys of channels. */
import { CHANNEL_KINDS } from "../domain/channel.ts";
import { MESSAGES } from "../domain/message.ts";
import { filled, list, type Section, URL_CHARS_MAX } from "./format-words.ts";

export const channel: Section = {
  title: "notify.NAME",
  about: "A channel through which messages go out (`docs/messages.md` in the repository).",
  keys: {
    channel: { schema: { enum: [...CHANNEL_KINDS] }, about: "what kind it is", required: true, examples: ["webhook"] },
    url: {
      schema: filled(URL_CHARS_MAX),
      about: "where to: `https://`, or `http://` on this very machine; as a reference where it holds a secret",
      required: true,
      examples: ["https://hooks.example.com/tidegate"],
    },
    secret: {
      schema: filled(URL_CHARS_MAX),
      about:
        "what messages are signed with, as a reference: `whsec_` and the base64 of 24 to 64 random bytes; two with a blank between them while one is changed for the other",
      required: true,
      examples: [`\${env:WEBHOOK_SECRET}`],
    },
    kinds: {
      schema: list({ enum: Object.keys(MESSAGES) }, { minItems: 1, uniqueItems: true }),
      about: "only these kinds of messages",
      otherwise: "all",
      examples: [["request.needs-approval", "panic.started"]],
    },
  },
};
