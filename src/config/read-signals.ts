/** `identity.signals:` — who may say, without being asked, that somebody's session is over. */
import { type Identity, whyNoWebAddress } from "../domain/identity.ts";
import { SIGNAL_ENDS, type Transmitter } from "../domain/signal.ts";
import { FORMAT } from "./format.ts";
import { keysOf, URL_CHARS_MAX } from "./format-words.ts";
import type { Reading, Value } from "./reading.ts";

export function readSignals(
  reading: Reading,
  value: Value,
  { url, providers }: Pick<Identity, "url" | "providers">,
): Transmitter[] {
  return (reading.named(value, "a transmitter") ?? []).flatMap(([name, member]) => {
    const fields = reading.fields(member, keysOf(FORMAT.signal));
    if (fields === null) return [];
    const names = providers.map((one) => one.name);
    const providerValue = fields.required("provider", `whose people it speaks of: one of ${names.join(", ")}`);
    const chosen = providerValue && reading.choice(providerValue, names);
    const address = (key: string): string | null => {
      const given = fields.optional(key);
      const text = given && reading.filled(given, URL_CHARS_MAX);
      const why = text === null ? null : whyNoWebAddress(text);
      if (given !== null && why !== null)
        reading.wrong(given.tree.start, `${given.path} ${why}`, "write https://HOST/PATH");
      return text;
    };
    const audienceValue = fields.optional("audience");
    const endsValue = fields.optional("ends");
    const transmitter = {
      name,
      provider: chosen ?? "",
      issuer: address("issuer") ?? providers.find((one) => one.name === chosen)?.issuer ?? "",
      jwksUri: address("jwks_uri"),
      audience: (audienceValue && reading.filled(audienceValue, URL_CHARS_MAX)) ?? `${url}/signals/${name}`,
      ends: (endsValue && reading.choice(endsValue, SIGNAL_ENDS)) ?? "access",
    };
    return [transmitter];
  });
}
