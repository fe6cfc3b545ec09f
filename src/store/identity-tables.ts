/** Tables of who people are at providers, and where they are signed in. */
import type { Generated } from "kysely";
import type { JsonObject } from "../base/canonical.ts";
import type { Demand } from "../domain/authentication.ts";
import type { JsonColumn, NullableTime, Time } from "./columns.ts";

export type IdentityTables = {
  scim_users: {
    id: string;
    issuer: string;
    external_id: string;
    user_name: string;
    active: boolean;
    said: JsonColumn<JsonObject>;
    version: number;
    created_at: Time;
    changed_at: Time;
    seq: Generated<number>;
  };
  scim_groups: {
    id: string;
    issuer: string;
    external_id: string | null;
    display_name: string;
    version: number;
    created_at: Time;
    changed_at: Time;
    seq: Generated<number>;
  };
  scim_group_names: { issuer: string; hash: string };
  scim_members: { group_id: string; user_id: string };
  sign_in_sessions: {
    id: string;
    principal_id: string;
    hash: string;
    provider: string;
    issuer: string;
    subject: string;
    provider_session: string | null;
    user_agent: string;
    idle_ms: number;
    created_at: Time;
    seen_at: Time;
    expires_at: Time;
    ended_at: NullableTime;
    kind: string;
    token_expires_at: NullableTime;
    former_hash: string | null;
    former_until: NullableTime;
    salt: string | null;
    authenticated_at: NullableTime;
    acr: string | null;
    amr: JsonColumn<string[]>;
    passkey_at: NullableTime;
  };
  passkeys: {
    id: string;
    principal_id: string;
    name: string;
    credential_id: string;
    public_key: Buffer;
    counter: number;
    transports: JsonColumn<string[]>;
    created_at: Time;
    used_at: NullableTime;
    removed_at: NullableTime;
  };
  passkey_challenges: { hash: string; session: string; step_up: string | null; expires_at: Time };
  step_ups: {
    id: string;
    session: string;
    act: string;
    what: string;
    demand: JsonColumn<Demand>;
    created_at: Time;
    expires_at: Time;
    passkey_at: NullableTime;
  };
  cli_logins: {
    hash: string;
    challenge: string;
    provider: string;
    agent: string;
    device_code: Buffer | null;
    interval_ms: number | null;
    next_poll_at: NullableTime;
    browser_session: string | null;
    expires_at: Time;
    used_at: NullableTime;
    session: string | null;
  };
  sign_in_states: { hash: string; expires_at: Time };
  signals: { issuer: string; jti: string; forget_at: Time };
};
