import { type ProblemCode, type Refusal, refuse } from "../../base/problem.ts";

/** RFC 7644, table 9: what exactly is wrong. */
export type ScimType =
  | "invalidFilter"
  | "invalidPath"
  | "invalidSyntax"
  | "invalidValue"
  | "mutability"
  | "noTarget"
  | "uniqueness";

/** A no with the word that SCIM has for it; the edge shows it as an error of SCIM. */
export const refuseScim = (scimType: ScimType, detail: string): Refusal => {
  const code: ProblemCode = scimType === "uniqueness" ? "already-exists" : "invalid-input";
  return refuse(code, detail, { scimType });
};
