/**
 * The panic button: from one moment on nothing new is given within its scope, and what lives there ends, until somebody
 * lifts it. Pure: whom and what a panic covers, and the words of its refusal.
 */
import { unreachable } from "../base/assert.ts";
import { toTimestamp } from "../base/clock.ts";
import type { PanicId, PrincipalId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";

/** Everything, everything on one resource, or everything of one person. */
export type PanicScope =
  | { readonly on: "all" }
  | { readonly on: "resource"; readonly resource: string }
  | { readonly on: "principal"; readonly principalId: PrincipalId };

export type Panic = {
  readonly id: PanicId;
  readonly scope: PanicScope;
  readonly startedBy: PrincipalId;
  readonly startedMs: number;
  readonly reason: string;
  /** Null: in force. */
  readonly lifted: { readonly by: PrincipalId; readonly atMs: number; readonly reason: string } | null;
};

/** What somebody has or wants, as far as a panic asks. */
export type Covered = { readonly resource: string; readonly principalId: PrincipalId };

export const inForce = (panic: Panic): boolean => panic.lifted === null;

/** Whether that access is among what the panic ends and forbids. */
export function covers({ scope }: Panic, access: Covered): boolean {
  switch (scope.on) {
    case "all":
      return true;
    case "resource":
      return scope.resource === access.resource;
    case "principal":
      return scope.principalId === access.principalId;
    default:
      return unreachable(scope);
  }
}

/**
 * Why nothing may be given now; null when something may. It does not tell the panic's reason: whoever asks may be the one
 * it is about.
 */
export function forbiddenBy(panics: readonly Panic[], access: Covered): Refusal | null {
  const panic = panics.find((one) => inForce(one) && covers(one, access));
  if (panic === undefined) return null;
  const where = { all: "everything", resource: `everything on ${access.resource}`, principal: "this person" };
  return refuse(
    "panic-in-force",
    `A panic over ${where[panic.scope.on]} is in force since ${toTimestamp(panic.startedMs)}: nothing new is given until an admin lifts it (${panic.id}).`,
    { panicId: panic.id },
  );
}
