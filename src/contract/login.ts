/** Signing in from a command line. Whoever asks has no token yet, so these answer without one. */
import { z } from "zod";
import { problems } from "./problem.ts";
import { answer, open } from "./route.ts";
import { NAME_CHARS_MAX, person, text, timeOut } from "./values.ts";

const AGENT_CHARS_MAX = 100;
const SECRET_CHARS_MAX = 200;

const asks = open.errors(
  problems("invalid-input", "body-too-large", "unsupported-media-type", "request-timeout", "store-away", "not-found"),
);
/** 32 random bytes, or a hash of as many, in base64url. */
const short = z.string().regex(/^[\w-]{43}$/, "is not 43 characters of base64url");
const secret = z.string().min(1).max(SECRET_CHARS_MAX);

export const loginBegun = z.discriminatedUnion("how", [
  z.object({
    how: z.literal("device"),
    provider: z.string(),
    login: z.string().meta({ description: "A secret: what is shown to ask how it goes" }),
    userCode: z.string().meta({ description: "What the person types in at the provider" }),
    address: z.string().meta({ description: "Where they type it in" }),
    wholeAddress: z.string().nullable().meta({ description: "The same with the code in it" }),
    retryAfterMs: z.int().meta({ description: "Ask so often" }),
    expiresAt: timeOut,
  }),
  z.object({
    how: z.literal("browser"),
    address: z.string().meta({
      description:
        "A page of Tidegate; add `redirect_uri` (`http://127.0.0.1:PORT/callback`), `state`, `code_challenge` and `agent`. The `code` that comes back is the `login`",
    }),
  }),
]);
export type LoginBegun = z.infer<typeof loginBegun>;

const held = {
  token: z.string().meta({ description: "A secret: shown as Authorization: Bearer" }),
  renewAfterMs: z.int().meta({ description: "Exchange it after so long, and before an hour has passed" }),
  expiresAt: timeOut.meta({ description: "The session ends then at the latest; earlier when it is not used" }),
};
export const loginDone = z.object({ ...held, session: z.string(), provider: z.string(), person });
export type LoginDone = z.infer<typeof loginDone>;
export const tokenRenewed = z.object(held);
export type TokenRenewed = z.infer<typeof tokenRenewed>;

const tags = ["identity"];

export const beginLogin = z.strictObject({
  challenge: short.meta({ description: "RFC 7636, S256: base64url of the SHA-256 of the verifier" }),
  provider: text(NAME_CHARS_MAX).min(1).optional().meta({ description: "Needed where there are several" }),
  how: z.literal("browser").optional(),
  agent: text(AGENT_CHARS_MAX).default("").meta({ description: "What the session is called in lists" }),
});
export type BeginLogin = z.input<typeof beginLogin>;

export const finishLogin = z.strictObject({
  login: secret,
  verifier: short,
  former: secret.optional().meta({ description: "A token held until now: its session ends" }),
});
export type FinishLogin = z.input<typeof finishLogin>;

export const login = {
  begin: asks
    .route({
      method: "POST",
      path: "/v1/login",
      ...{ tags, summary: "Begin to sign in from a command line" },
      description:
        "At the provider's device authorization (RFC 8628), where it has one; else, or with `how: browser`, through a browser on the same machine.",
    })
    .input(z.object({ body: beginLogin }))
    .output(answer(201, "Begun", loginBegun))
    .errors(problems("provider-unavailable")),
  finish: asks
    .route({
      method: "POST",
      path: "/v1/login/token",
      ...{ tags, summary: "Ask whether somebody has signed in, and take the token, once" },
      description:
        "Who asks sooner than `retryAfterMs` is refused with `too-many-requests` and waits five seconds more from then on.",
    })
    .input(z.object({ body: finishLogin }))
    .output(
      z.union([
        answer(200, "Signed in", loginDone),
        answer(202, "Nobody has signed in yet", z.object({ retryAfterMs: z.int() })),
      ]),
    )
    .errors(problems("sign-in-refused", "sign-in-expired", "principal-deactivated", "provider-unavailable")),
  renew: asks
    .route({
      method: "POST",
      path: "/v1/login/renew",
      ...{ tags, summary: "Exchange the token of a command line for the next" },
      description:
        "The same next one for who asks again. The one before is taken until a minute after the next was used first.",
    })
    .input(z.object({ body: z.strictObject({ token: secret }) }))
    .output(answer(200, "The next", tokenRenewed))
    .errors(problems("unauthenticated")),
};
