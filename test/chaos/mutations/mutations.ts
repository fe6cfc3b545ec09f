/**
 * Bugs that are planted on purpose, one at a time, to see that the simulation finds them. Each is a few words of the source
 * replaced by others; `from` must stand there exactly once, so that a change of the source is noticed here.
 */

export type Edit = { readonly file: string; readonly from: string; readonly to: string };

export type Mutation = {
  readonly name: string;
  /** What the bug is, for people. */
  readonly bug: string;
  readonly edits: readonly Edit[];
  /** It must be caught within so many histories, from seed 1. */
  readonly within: number;
};

const edit = (file: string, from: string, to: string): Edit => ({ file, from, to });

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "closed-on-a-word",
    bug: "the grant is closed on what revoke said, without a probe",
    edits: [
      edit(
        "src/reconciler/revoke.ts",
        "const proof = proofOf(probe, keeps(sharing), sharing, on.identity);",
        'const proof = proofOf({ ...probe, own: "gone", right: "gone", remains: [] }, keeps(sharing), sharing, on.identity);',
      ),
    ],
    within: 100,
  },
  {
    name: "not-knowing-is-gone",
    bug: "a probe that could not look is taken for proof",
    edits: [
      edit(
        "src/reconciler/revoke.ts",
        'accessGone: probe.own === "gone" && (heldElsewhere || probe.right === "gone"),',
        'accessGone: probe.own !== "live" && (heldElsewhere || probe.right !== "live"),',
      ),
    ],
    within: 400,
  },
  {
    name: "no-second-probe",
    bug: "nobody looks again after the grant was closed",
    edits: [edit("src/domain/grant.ts", "confirmMs: nowMs + confirmAfterMs,", "confirmMs: null,")],
    within: 20,
  },
  {
    name: "lease-after-effect",
    bug: "the target is called before the lease is written",
    edits: [
      edit(
        "src/reconciler/provision.ts",
        "const written = await writeLease(",
        "await target.provision(orderOf(worker, grant, { account, names, details: {} }), { secret: null, remainingMs: 1_000 });\n    const written = await writeLease(",
      ),
    ],
    within: 20,
  },
  {
    name: "any-server-will-do",
    bug: "another server, or an older copy, is taken for the one that the lease names",
    edits: [edit("src/reconciler/on-target.ts", "refuseOther(lease.target, identity);", "")],
    within: 400,
  },
  {
    name: "expiry-by-the-process",
    bug: "whether a grant has expired is decided by the clock of the process",
    edits: [edit("src/reconciler/execute.ts", "actionFor(grant, nowMs)", "actionFor(grant, worker.clock.nowMs())")],
    within: 200,
  },
  {
    name: "takes-what-others-need",
    bug: "a shared right is removed while another live grant needs it",
    edits: [edit("src/domain/plan.ts", 'coveredBy: idsOf("active", "provisioning"),', "coveredBy: [],")],
    within: 200,
  },
  {
    name: "takes-what-stood-before",
    bug: "a membership that stood there before us is removed",
    edits: [edit("src/domain/plan.ts", 'standing: lease.origin === "found",', "standing: false,")],
    within: 200,
  },
  {
    name: "rights-not-serialised",
    bug: "two workers add and remove the same right at the same time",
    edits: [
      edit(
        "src/operations/provision-grant.ts",
        "return context.ledger.claimRight(rightKey, claim, lifetimeMs);",
        "return context.ledger.claimRight(rightKey + claim.fence, claim, lifetimeMs);",
      ),
    ],
    within: 2_000,
  },
  {
    name: "unfenced-record",
    bug: "who lost the claim can still record what it has made",
    edits: [
      edit(
        "src/operations/provision-grant.ts",
        'acting("record-provisioned", claim), async ({ tx, apply }) => {\n    const locked = await tx.lockGrant(claim.grant, claim);',
        'acting("record-provisioned", claim), async ({ tx, apply }) => {\n    const locked = await tx.lockGrant(claim.grant, null);',
      ),
    ],
    within: 2_000,
  },
  {
    name: "cancelled-with-access",
    bug: "a grant that was being made is cancelled although something may be on the target",
    edits: [
      edit(
        "src/operations/revoke-grant.ts",
        "const leaseWritten = (await work.tx.leaseOf(grant.id)) !== null;",
        "const leaseWritten = false;",
      ),
    ],
    within: 300,
  },
  {
    name: "extension-not-locked",
    bug: "an extension reads the grant without holding it, and the table has no guard",
    edits: [
      edit(
        "src/operations/extend-grant.ts",
        "const locked = await work.tx.lockGrant(id, null);",
        "const read = await work.tx.findGrant(id);\n    const locked = read === null ? null : { grant: read, nowMs: await work.tx.nowMs() };",
      ),
      edit(
        "test/chaos/simulation/memory-rows.ts",
        'else if (["revoking", "revoked", "failed", "cancelled"].includes(old.grant.state))',
        "else if (old.fence < 0)",
      ),
    ],
    within: 2_000,
  },
  {
    name: "extended-twice-as-much",
    bug: "an extension gives more time than was approved",
    edits: [
      edit(
        "src/domain/grant.ts",
        "const expiresMs = grant.expiresMs + addMs;",
        "const expiresMs = grant.expiresMs + 2 * addMs;",
      ),
    ],
    within: 50,
  },
  {
    name: "secret-twice",
    bug: "a secret is handed over again to whoever asks again",
    edits: [
      edit("src/domain/grant.ts", 'if (grant.credential === "delivered")', "if (Number.isNaN(nowMs))"),
      edit(
        "src/operations/deliver-credential.ts",
        "if (lease.secretId !== null) await tx.discard(lease.secretId);",
        "",
      ),
    ],
    within: 100,
  },
  {
    name: "call-done-twice",
    bug: "a call that is sent again is done again",
    edits: [
      edit(
        "src/operations/transact.ts",
        "if (known === null) return null;",
        "if (known === null || known.hash === hash) return null;",
      ),
    ],
    within: 500,
  },
  {
    name: "extension-cuts",
    bug: "an extension ends the live session",
    edits: [
      edit(
        "test/chaos/simulation/connectors.ts",
        'alter(order, "later", (login) => {',
        'step("end sessions", () => server.endSessions(nameOf(order))).then(() => alter(order, "later", (login) => {',
      ),
      edit(
        "test/chaos/simulation/connectors.ts",
        "login.validUntilMs = until(remainingMs);\n      }),\n    revoke",
        "login.validUntilMs = until(remainingMs);\n      })),\n    revoke",
      ),
    ],
    within: 500,
  },
  {
    name: "gives-up",
    bug: "after a few failures nobody tries again for hours",
    edits: [
      edit(
        "src/reconciler/execute.ts",
        "const full = Math.min(BACKOFF_MAX_MS,",
        "if (attempts >= 3) return 7_200_000;\n  const full = Math.min(BACKOFF_MAX_MS,",
      ),
    ],
    within: 100,
  },
  {
    name: "entry-not-written",
    bug: "an extension changes the grant and leaves no entry in the log",
    edits: [
      edit(
        "src/operations/transact.ts",
        "const entries = [...others, ...(changes.grants ?? []).map(({ entry }) => entry)];",
        'const entries = [...others, ...(changes.grants ?? []).map(({ entry }) => entry)].filter(({ kind }) => kind !== "grant.extended");',
      ),
    ],
    within: 50,
  },
  {
    name: "leavers-keep-access",
    bug: "who is deactivated keeps what they have",
    edits: [
      edit(
        "src/operations/revoke-grant.ts",
        "const live = await tx.lockLive(id);",
        "const live = (await tx.lockLive(id)).slice(1);",
      ),
    ],
    within: 200,
  },
  {
    name: "one-approval-is-enough",
    bug: "one approval grants what needs two",
    edits: [
      edit(
        "src/domain/decide-request.ts",
        "if (!complete || approvals.length === 0)",
        "if (!(complete || approvals.length > 0))",
      ),
    ],
    within: 2_000,
  },
  {
    name: "sessions-forgotten",
    bug: "a connector shuts the login and leaves its sessions",
    edits: [
      edit(
        "test/chaos/simulation/connectors.ts",
        'await step("end sessions", () => server.endSessions(nameOf(order)));',
        "",
      ),
    ],
    within: 300,
  },
];
