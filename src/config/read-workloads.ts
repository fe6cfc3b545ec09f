/** `workloads:` of a service — jobs elsewhere that are it, by what their platform says of them. */
import { given } from "../base/given.ts";
import { whyNoWebAddress } from "../domain/identity.ts";
import type { Workload } from "../domain/workload.ts";
import { FORMAT } from "./format.ts";
import { keysOf, URL_CHARS_MAX, WORD_CHARS_MAX } from "./format-words.ts";
import { readScopes } from "./read-scopes.ts";
import type { Reading, Value } from "./reading.ts";

const MINUTE_MS = 60_000;
const LIFETIME_MS = { otherwise: 15 * MINUTE_MS, min: MINUTE_MS, max: 60 * MINUTE_MS };

export function readWorkloads(reading: Reading, value: Value): Workload[] {
  return (reading.items(value) ?? []).flatMap((item) => {
    const fields = reading.fields(item, keysOf(FORMAT.workload));
    if (fields === null) return [];
    const issuerValue = fields.required("issuer", "as the platform names itself");
    const issuer = issuerValue && reading.filled(issuerValue, URL_CHARS_MAX);
    const why = issuer === null ? null : whyNoWebAddress(issuer);
    if (issuerValue !== null && why !== null)
      reading.wrong(issuerValue.tree.start, `${issuerValue.path} ${why}`, "write https://HOST/PATH");
    const audienceValue = fields.required("audience", "what the job asks its platform to write into aud");
    const audience = audienceValue && reading.filled(audienceValue, URL_CHARS_MAX);
    const claimsValue = fields.required("claims", "which jobs: without it everybody's at that platform would be meant");
    const claims = claimsValue && readClaims(reading, claimsValue);
    const lifetimeValue = fields.optional("lifetime");
    const lifetimeMs = (lifetimeValue && reading.duration(lifetimeValue)) ?? LIFETIME_MS.otherwise;
    if (lifetimeValue !== null && (lifetimeMs < LIFETIME_MS.min || lifetimeMs > LIFETIME_MS.max))
      reading.wrong(lifetimeValue.tree.start, `${lifetimeValue.path} must be from 1m to 1h`, "");
    const scopesValue = fields.optional("scopes");
    const scopes = scopesValue && readScopes(reading, scopesValue);
    if (issuer === null || audience === null || claims === null) return [];
    return [{ issuer, audience, claims, lifetimeMs, ...given({ scopes }) }];
  });
}

function readClaims(reading: Reading, value: Value): Workload["claims"] | null {
  const members = reading.members(value);
  if (members?.length === 0)
    return reading.wrong(value.at, `${value.path} names none`, "everybody's jobs at that platform would be meant");
  const pairs = (members ?? []).map(([name, member]) => {
    const items = member.tree.kind === "list" ? (reading.items(member) ?? []) : [member];
    if (items.length === 0)
      reading.wrong(member.at, `${member.path} takes no value`, "write the values that it may have");
    return [name, items.flatMap((item) => reading.filled(item, WORD_CHARS_MAX) ?? [])] as const;
  });
  return members === null ? null : Object.fromEntries(pairs);
}
