import type { Generated } from "kysely";
import type { NullableTime, Time } from "./columns.ts";

/** Bearer tokens, by their hashes. */
export type TokenTable = {
  id: string;
  principal_id: string;
  name: string;
  hash: string;
  source: string;
  expires_at: NullableTime;
  created_at: Time;
  revoked_at: NullableTime;
  seq: Generated<number>;
  scopes: string[] | null;
  last_used_at: NullableTime;
  made_by: string | null;
  revoked_by: string | null;
  successor: string | null;
};
