/** `authentication:` of a rule, and what a test expects of it. */
import { given } from "../base/given.ts";
import { type Demand, type Demands, demandsOf } from "../domain/authentication.ts";
import { FORMAT } from "./format.ts";
import { ACR_PATTERN, keysOf, WORD_CHARS_MAX } from "./format-words.ts";
import type { Reading, Value } from "./reading.ts";

const MAX_AGE_MS_MIN = 60_000;
const ACR = new RegExp(ACR_PATTERN);

export function readAuthentication(reading: Reading, value: Value): Demands | null {
  const fields = reading.fields(value, keysOf(FORMAT.authentication));
  if (fields === null) return null;
  const side = (key: "request" | "review"): Demand | null => {
    const member = fields.optional(key);
    return member && readDemand(reading, member);
  };
  return demandsOf(side("request"), side("review"));
}

function readDemand(reading: Reading, value: Value): Demand | null {
  const fields = reading.fields(value, keysOf(FORMAT.demand));
  if (fields === null) return null;
  const ageValue = fields.optional("max_age");
  const acrValue = fields.optional("acr");
  const maxAgeMs = ageValue && reading.duration(ageValue);
  if (ageValue !== null && maxAgeMs !== null && maxAgeMs < MAX_AGE_MS_MIN)
    reading.wrong(ageValue.tree.start, `${ageValue.path} is over before anybody can act`, "write 1m or more");
  const acr = acrValue && readAcr(reading, acrValue);
  const passkeyValue = fields.optional("passkey");
  const passkey = passkeyValue && reading.choice(passkeyValue, ["required"]) && (true as const);
  if (ageValue === null && acrValue === null && passkeyValue === null)
    return reading.wrong(value.at, `${value.path} demands nothing`, "say max_age, acr or passkey, or remove it");
  return given({ maxAgeMs, acr, passkey });
}

function readAcr(reading: Reading, value: Value): string[] {
  const items = reading.items(value) ?? [];
  if (value.tree.kind === "list" && items.length === 0)
    reading.wrong(value.tree.start, `${value.path} is empty: nobody could meet it`, "name a value of the provider");
  return items.flatMap((item) => {
    const text = reading.filled(item, WORD_CHARS_MAX);
    if (text === null || ACR.test(text)) return text ?? [];
    return reading.wrong(item.tree.start, `${item.path} is no value of acr`, "one word, as in phr") ?? [];
  });
}
