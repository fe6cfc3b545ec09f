/** The token of a service, and the one that takes its place. */
import type { Examples } from "./examples.ts";
import { ALICE, BOB } from "./request-examples.ts";
import type { TokenView } from "./tokens.ts";

const token: TokenView = {
  id: "tk_5j7m9p1r3t5v7x9z",
  name: "ci",
  person: { id: "pr_6k8n0q2s4v6x8z0b", handle: "deployer", name: "Deployer" },
  source: "issued",
  scopes: ["requests:read", "requests:write"],
  createdAt: "2026-01-31T12:00:00.000Z",
  expiresAt: "2026-05-01T12:00:00.000Z",
  lastUsedAt: null,
  madeBy: BOB,
  successor: null,
  current: false,
};
const issued = { secret: "tgt_an-example-and-no-secret", token };

export const TOKEN_EXAMPLES: Examples["tokens"] = {
  list: { answers: [{ status: 200, body: { tokens: [token], next: null } }] },
  issue: {
    body: { name: "ci", scopes: ["requests:read", "requests:write"], lifetime: "90d", service: "deployer" },
    answers: [{ status: 201, body: issued }],
  },
  rotate: {
    body: { overlap: "1h" },
    answers: [{ status: 201, body: { ...issued, token: { ...token, id: "tk_7m9p1r3t5v7x9z1b" } } }],
  },
  revoke: { answers: [{ status: 200, body: { id: token.id, name: "laptop", person: ALICE } }] },
};
