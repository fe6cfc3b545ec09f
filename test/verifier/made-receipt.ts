/** The life of a grant as entries, and a receipt of it, made in memory by the definitions: what the verifier is held against. */
import { canonicalJson } from "../../src/base/canonical.ts";
import { signNote } from "../../src/store/keys/signed-note.ts";
import { receiptText, sealOf } from "../../verifier/verify.mjs";
import { checkpointOf, entry, KEY, LOG, type Made, sha, treeOf } from "./made-export.ts";

export const GRANT = "gr_7dpehabaf8fv0j42";
const REQUEST = "rq_0123456789abcdef";
export const [ALICE, BOB] = ["pr_0a2c4e6g8j1k3m5n", "pr_5d7f9h1k3m5p7r9t"];
const RECONCILER = { system: "reconciler" };

let made = 0;
type Said = { actor?: object; refs?: object; data?: object; personal?: Record<string, string>; at?: string };

/** An entry as the store writes it; `seconds` past noon. */
export function said(kind: string, seconds: number, more: Said = {}): Made {
  made += 1;
  const personal = Object.entries(more.personal ?? {}).map(([field, value]) => {
    const salt: string = sha(Buffer.from(`${kind} ${field}`))
      .toString("hex")
      .slice(0, 32);
    return [field, [salt, value] satisfies [string, string]] as [string, [string, string]];
  });
  const commitments = personal.map(([field, [salt, value]]) => [
    field,
    sha(Buffer.from(`${salt}\n${field}\n${value}`)).toString("hex"),
  ]);
  const leaf = canonicalJson({
    v: 1,
    id: `en_${String(made).padStart(16, "0")}`,
    at: `2026-01-31T12:00:${String(seconds).padStart(2, "0")}.000Z`,
    installation: LOG,
    kind,
    actor: more.actor ?? RECONCILER,
    refs: more.refs ?? { grant: GRANT, request: REQUEST, principal: ALICE },
    data: more.data ?? {},
    ...(personal.length === 0 ? {} : { commitments: Object.fromEntries(commitments) }),
  });
  return personal.length === 0 ? { leaf } : { leaf, personal: Object.fromEntries(personal) };
}

const evidence = (kind: string) => ({
  ...{ kind, coveredBy: kind === "covered" ? ["gr_another000000000"] : [] },
  observations: [{ check: "login at db", saw: 'refused: role "tg" may not log in', code: "28000" }],
  target: { identity: "postgres:77", position: "39531840" },
});
export const closes = (seconds: number, kind = "gone"): Made =>
  said("grant.revoked", seconds, { data: { cause: "expired", evidence: evidence(kind), lateMs: 12 } });
export const reopens = (seconds: number): Made => said("grant.reopened", seconds);

/** Asked, approved by Bob, used, extended, expired: everything but how it closes. */
export function lifeOf({ reason = "INC-42: checkouts fail" } = {}): Made[] {
  made = 0;
  const [alice, bob] = [{ principal: ALICE }, { principal: BOB }];
  const ofRequest = { request: REQUEST, principal: ALICE };
  const decision = { outcome: "needs-approval", rule: "payments-engineers" };
  return [
    said("config.activated", 0, { actor: { system: "config" }, refs: {}, data: { version: 3, hash: "ab".repeat(32) } }),
    said("principal.added", 0, { refs: { principal: ALICE }, personal: { handle: "alice" } }),
    said("principal.added", 0, { refs: { principal: BOB }, personal: { handle: "bob" } }),
    said("request.submitted", 1, {
      ...{ actor: alice, refs: ofRequest, personal: { reason } },
      data: { configVersion: 3, decision, ticket: "INC-42" },
    }),
    said("review.recorded", 2, {
      ...{ actor: bob, refs: ofRequest, personal: { comment: "fine" } },
      data: { verdict: "approve", standsFor: [] },
    }),
    said("request.approved", 2, { actor: bob, refs: { ...ofRequest, grant: GRANT } }),
    said("grant.created", 2, {
      actor: bob,
      data: { entitlement: "orders-db:read", scopeHash: "cd".repeat(32), expiresAt: "2026-01-31T12:30:00.000Z" },
    }),
    said("lease.written", 3, { refs: { grant: GRANT, principal: ALICE }, personal: { names: '{"role":"tg"}' } }),
    said("grant.active", 4),
    said("grant.revoking", 30, { data: { cause: "expired", because: "" } }),
  ];
}

/** PATH(m, D[n]) of RFC 9162. */
function pathOf(tree: ReturnType<typeof treeOf>, index: number, from: number, to: number): Buffer[] {
  if (to - from === 1) return [];
  const k = 2 ** Math.floor(Math.log2(to - from - 1));
  return index < from + k
    ? [...pathOf(tree, index, from, from + k), tree.root(from + k, to)]
    : [...pathOf(tree, index, from + k, to), tree.root(from, from + k)];
}

type Wanted = { log?: readonly Made[]; key?: typeof KEY; installation?: string };

/** The lines for machines but the seal, over these entries of the log. */
export function receiptLinesOf(of: readonly Made[], { log = of, key = KEY, ...more }: Wanted = {}): string[] {
  const tree = treeOf(log);
  const { note, by } = checkpointOf(log, { key, ...more });
  const lines = of.map((one) => {
    const index = log.indexOf(one);
    const proof = Buffer.concat(pathOf(tree, index, 0, log.length)).toString("base64");
    const texts = one.personal === undefined ? "" : `"personal":${JSON.stringify(one.personal)},`;
    return `{"seq":${index + 1},"proof":"${proof}",${texts}"leaf":${one.leaf}}`;
  });
  return [JSON.stringify({ tidegateReceipt: 1, grant: GRANT, checkpoint: note, key: by.text, changes: [] }), ...lines];
}

/** With a seal of that key over what stands before it. */
export function sealed(text: string, size: number, key = KEY): string {
  const name = `tidegate/${LOG}`;
  return `${text}${JSON.stringify({ seal: signNote(sealOf(name, GRANT, size, text), name, key) })}\n`;
}

/** Among as many other entries as are wanted, some before each. */
export function amongOthers(of: readonly Made[], others: number): Made[] {
  const each = Math.ceil(others / of.length);
  return of.flatMap((one, n) => [...Array.from({ length: each }, (_, i) => entry(n * each + i)), one]);
}

export function receiptOf(of: readonly Made[], { log = of, ...more }: Wanted = {}): string {
  return sealed(receiptText(receiptLinesOf(of, { log, ...more })), log.length, more.key);
}
