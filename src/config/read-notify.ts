/** `notify:` — the channels through which messages go out. What a secret holds is never repeated. */
import type { JsonObject } from "../base/canonical.ts";
import {
  CHANNEL_KINDS,
  type DeclaredChannel,
  NO_WEBHOOK_KEY,
  webhookKeys,
  whyNoWebhookUrl,
} from "../domain/channel.ts";
import { MESSAGES, type MessageKind } from "../domain/message.ts";
import { FORMAT } from "./format.ts";
import { keysOf, URL_CHARS_MAX } from "./format-words.ts";
import { checkTexts } from "./read-connection.ts";
import type { Reading, Value } from "./reading.ts";
import { REFERENCE_FORMS, type ReferenceSources, rebased, resolveReferences } from "./references.ts";

const KINDS = Object.keys(MESSAGES) as MessageKind[];

export function readNotify(
  reading: Reading,
  value: Value,
  sources: ReferenceSources,
): Readonly<Record<string, DeclaredChannel>> {
  const channels = (reading.named(value, "a channel") ?? []).flatMap(
    ([name, member]) => readChannel(reading, name, member, sources) ?? [],
  );
  return Object.fromEntries(channels.map((channel) => [channel.name, channel]));
}

function readChannel(reading: Reading, name: string, value: Value, sources: ReferenceSources): DeclaredChannel | null {
  const fields = reading.fields(value, keysOf(FORMAT.channel));
  if (fields === null) return null;
  const kindValue = fields.required("channel", `there is ${CHANNEL_KINDS.join(", ")}`);
  const channel = kindValue && reading.choice(kindValue, CHANNEL_KINDS);
  const urlValue = fields.required("url", "the address that messages are sent to");
  const secretValue = fields.required("secret", `write ${REFERENCE_FORMS}`);
  const kindsValue = fields.optional("kinds");
  const kinds = kindsValue && readKinds(reading, kindsValue);
  const url = urlValue && readUrl(reading, urlValue, sources);
  const secret = secretValue && readSecret(reading, secretValue, sources);
  if (channel === null || url === null || secret === null) return null;
  return { name, channel, settings: { ...url, ...secret }, kinds };
}

function readKinds(reading: Reading, value: Value): MessageKind[] {
  const items = reading.items(value) ?? [];
  if (items.length === 0 && value.tree.kind === "list")
    reading.wrong(value.tree.start, `${value.path} names no message`, "leave it out for all of them");
  return items.flatMap((item) => reading.choice(item, KINDS) ?? []);
}

export const readUrl = (reading: Reading, value: Value, sources: ReferenceSources): JsonObject | null =>
  readSetting(reading, value, "url", sources, {
    whyNot: whyNoWebhookUrl,
    hint: "write https://HOST/PATH",
  });

export const readSecret = (reading: Reading, value: Value, sources: ReferenceSources): JsonObject | null =>
  readSetting(reading, value, "secret", sources, {
    whyNot: (text) => (webhookKeys(text) === null ? NO_WEBHOOK_KEY : null),
    hint: 'make one: echo "whsec_$(openssl rand -base64 32)"',
  });

/** The setting as it is written, references and all. It is looked at where they can be resolved here. */
export function readSetting(
  reading: Reading,
  value: Value,
  key: string,
  sources: ReferenceSources,
  { whyNot, hint }: { whyNot: (text: string) => string | null; hint: string },
): JsonObject | null {
  const text = reading.filled(value, URL_CHARS_MAX);
  if (text === null || !checkTexts(reading, value.tree, value.path, key)) return null;
  const written = rebased({ [key]: text }, reading.dirOf(value));
  const resolved = resolveReferences(written, sources);
  if (!resolved.ok) {
    const what = `${value.path} was not checked: ${resolved.missing.join(", ")}`;
    reading.warn(value.at, what, "set it where Tidegate runs; check there to be sure");
    return written;
  }
  const why = whyNot(String(resolved.connection[key]));
  return why === null ? written : reading.wrong(value.tree.start, `${value.path} ${why}`, hint);
}
