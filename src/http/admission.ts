/**
 * Who is let in how often: by address before anything is looked up, by principal once it is known who calls; and providers
 * that tell of their people by themselves.
 */
import type { FastifyReply } from "fastify";
import type { Clock } from "../base/clock.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { ScimProvider } from "../domain/identity.ts";
import type { Principal } from "../domain/principal.ts";
import type { HttpLimits, Rate } from "./limits.ts";
import { addressKey, TokenBuckets } from "./token-buckets.ts";

type Policy = "address" | "principal" | "provider";

export class Admission {
  readonly #principals: TokenBuckets | null;
  readonly #addresses: TokenBuckets | null;
  readonly #providers: TokenBuckets | null;

  constructor(limits: HttpLimits, clock: Pick<Clock, "monotonicMs">) {
    const buckets = (rate: Rate | null): TokenBuckets | null => (rate === null ? null : new TokenBuckets(rate, clock));
    this.#principals = buckets(limits.perPrincipal);
    this.#addresses = buckets(limits.perAddress);
    this.#providers = buckets(limits.perProvider);
  }

  address(ip: string, reply: FastifyReply): Refusal | null {
    return admit("address", this.#addresses, addressKey(ip), reply);
  }

  principal({ id }: Principal, reply: FastifyReply): Refusal | null {
    return admit("principal", this.#principals, id, reply);
  }

  provider({ name }: ScimProvider, reply: FastifyReply): Refusal | null {
    return admit("provider", this.#providers, name, reply);
  }
}

const WHOSE: Record<Policy, string> = {
  address: "from your address",
  principal: "with your token",
  provider: "from your provider",
};

/** Says in the headers how much is left (draft-ietf-httpapi-ratelimit-headers), and refuses where nothing is. */
function admit(policy: Policy, buckets: TokenBuckets | null, key: string, reply: FastifyReply): Refusal | null {
  if (buckets === null) return null;
  const { perSecond, burst } = buckets.rate;
  const { ok, left, fullInSeconds, waitSeconds } = buckets.take(key);
  // What is said last stands: an answer to somebody known tells of their own limit.
  reply.header("ratelimit-policy", `"${policy}";q=${burst};w=${Math.ceil(burst / perSecond)}`);
  reply.header("ratelimit", `"${policy}";r=${left};t=${fullInSeconds}`);
  if (ok) return null;
  return refuse("too-many-requests", `Too many calls came ${WHOSE[policy]}. Wait, then go on more slowly.`, {
    retryAfterSeconds: waitSeconds,
  });
}
