import { type Refusal, toProblem } from "../base/problem.ts";
import { ERROR_URN } from "../domain/scim/schema.ts";

export const SCIM_ROOT = "/scim/v2";
export const SCIM_TYPE = "application/scim+json; charset=utf-8";

export const isScim = (url: string): boolean => url === SCIM_ROOT || url.startsWith(`${SCIM_ROOT}/`);

/** RFC 7644, 3.12. */
export function toScimError(refusal: Refusal): Record<string, string | string[]> {
  const { status, detail } = toProblem(refusal);
  const { scimType } = refusal.extra;
  const type =
    typeof scimType === "string" ? scimType : refusal.refused === "malformed-request" ? "invalidSyntax" : null;
  return { schemas: [ERROR_URN], status: String(status), ...(type === null ? {} : { scimType: type }), detail };
}
