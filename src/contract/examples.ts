/** One story, told in examples: alice asks, bob approves, she works, it is taken away and proven gone. */
import type { AnyContractProcedure } from "@orpc/contract";
import type { CredentialView, GrantView } from "./access.ts";
import type { AuditEntry, CheckpointView } from "./audit.ts";
import { AWAY_EXAMPLES } from "./away-examples.ts";
import type { KitView, ResourceView } from "./catalog.ts";
import { WAITING_CONFIG_EXAMPLES } from "./config-examples.ts";
import type { Answer, Contract, Sent } from "./contract.ts";
import { DRIFT_EXAMPLES } from "./drift-examples.ts";
import { ELIGIBILITY_EXAMPLES } from "./eligibility-examples.ts";
import { EMERGENCY_EXAMPLES } from "./emergency-examples.ts";
import type { EventView } from "./events.ts";
import { EVIDENCE_EXAMPLES } from "./evidence-examples.ts";
import { HEALTH_EXAMPLES } from "./health-examples.ts";
import { LOGIN_EXAMPLES } from "./login-examples.ts";
import { MESSAGE_EXAMPLES } from "./message-examples.ts";
import { PANIC_EXAMPLES } from "./panic-examples.ts";
import { PEOPLE_EXAMPLES } from "./people-examples.ts";
import { POLICY_EXAMPLES } from "./policy-examples.ts";
import {
  ALICE,
  BOB,
  BUNDLE_EXAMPLES,
  DESCRIBE,
  ENTITLEMENT,
  GRANT,
  LESS,
  REQUEST,
  REQUEST_EXAMPLES,
  STEPS,
  TRACE,
} from "./request-examples.ts";
import { REVIEW_EXAMPLES } from "./review-examples.ts";
import { PASSKEY_EXAMPLES, SESSION_EXAMPLES, STEP_UP_EXAMPLES } from "./session-examples.ts";
import { TOKEN_EXAMPLES } from "./token-examples.ts";

type ExampleOf<P extends AnyContractProcedure> = {
  /** What is sent, where something is. */
  readonly body?: Sent<P> extends { body?: infer Body } ? Body : never;
  /** One for each status with which it is answered when all is well. */
  readonly answers: readonly Answer<P>[];
};
export type Examples = {
  readonly [G in keyof Contract]: {
    readonly [R in keyof Contract[G]]: Contract[G][R] extends AnyContractProcedure ? ExampleOf<Contract[G][R]> : never;
  };
};

const HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

const active: GrantView = {
  id: GRANT,
  requestId: REQUEST,
  resource: "orders-db",
  ...ENTITLEMENT,
  describe: DESCRIBE,
  principal: ALICE,
  state: "active",
  accessGone: false,
  duration: "30m",
  activation: "on-approval",
  createdAt: "2026-01-31T12:04:00.000Z",
  startsAt: "2026-01-31T12:04:00.000Z",
  activateBy: null,
  expiresAt: "2026-01-31T12:34:00.000Z",
  extensions: 0,
  less: LESS,
  credential: "ready",
  ended: null,
  revokedAt: null,
  lateMs: null,
  receipt: null,
  trouble: null,
  canRevoke: true,
};

const scheduled: GrantView = { ...active, state: "scheduled", activation: "on-use", credential: null };

const revoking: GrantView = {
  ...active,
  state: "revoking",
  credential: null,
  ended: { cause: "withdrawn", by: ALICE, reason: "done" },
  canRevoke: false,
};

const revoked: GrantView = {
  ...revoking,
  state: "revoked",
  accessGone: true,
  revokedAt: "2026-01-31T12:20:01.120Z",
  receipt: {
    verifiedAt: "2026-01-31T12:20:01.120Z",
    evidence: {
      kind: "gone",
      target: { identity: "postgres:7421890123456789012", position: "23512184" },
      observations: [
        { check: "login", saw: "refused: role is not permitted to log in", code: "28000" },
        { check: "sessions", saw: "none" },
        { check: "role", saw: "absent" },
      ],
      coveredBy: [],
    },
    auditSeq: 1204,
  },
};

const credential: CredentialView = {
  kind: "password",
  host: "db.example.com",
  port: 5432,
  database: "orders",
  username: "tg_k3v9_0123456789abcdef",
  password: "an-example-and-no-secret",
  uri: "postgres://tg_k3v9_0123456789abcdef:an-example-and-no-secret@db.example.com:5432/orders?sslmode=verify-full",
  expiresAt: "2026-01-31T12:34:00.000Z",
};

const entry: AuditEntry = {
  seq: 1198,
  leafHash: HASH,
  v: 1,
  id: "en_2b4d6f8h0k2m4n6p",
  at: "2026-01-31T12:04:00.000Z",
  installation: "k3v9x2q7",
  kind: "grant.created",
  actor: { principal: BOB.id },
  refs: { grant: GRANT, request: REQUEST, principal: ALICE.id },
  data: { state: "scheduled", entitlement: "orders-db:read", duration: "30m" },
  who: "bob",
  personal: {},
};

const ORIGIN = "tidegate/k3v9x2q7";
const ROOT = "+sVCA+fMaWzw38tCySodnbr3CtniIfS9jZhmLwDjwSU=";
const AT = "2026-01-31T12:04:02.000Z";
const checkpoint: CheckpointView = {
  checkpoint: `${ORIGIN}\n1204\n${ROOT}\n${AT}\n\n— ${ORIGIN} …\n`,
  origin: ORIGIN,
  size: 1204,
  root: ROOT,
  at: AT,
  key: `${ORIGIN}+0a1b2c3d+AQ…`,
  witnessed: [],
};

const resource: ResourceView = {
  name: "orders-db",
  title: "Orders database",
  connector: "postgres",
  labels: { env: "prod", team: "payments" },
  owners: ["group:payments-leads"],
  entitlements: [
    {
      ref: "orders-db:read",
      name: "read",
      title: ENTITLEMENT.title,
      risk: ENTITLEMENT.risk,
      maxDuration: "8h",
      describe: DESCRIBE,
      narrower: [],
      forMe: {
        outcome: "needs-approval",
        rule: "payments-engineers",
        needs: ["a ticket", "a reason of at least 15 characters", "approval by 1 of owners (group:payments-leads)"],
        maxDuration: "8h",
        why: null,
      },
    },
  ],
};

const KITS: KitView = {
  name: "incident-kit",
  title: "What an incident takes",
  entitlements: ["orders-db:read", "logs:read"],
};

/** An event as it stands on the stream. */
export const eventExample: EventView = {
  seq: 1204,
  at: "2026-01-31T12:20:01.120Z",
  about: "grant",
  kind: "grant.revoked",
  requestId: REQUEST,
  grantId: GRANT,
  entitlement: "orders-db:read",
  messageId: null,
  state: "revoked",
};

const check = (detail: string) => ({ ok: true, detail });

export const EXAMPLES: Examples = {
  requests: REQUEST_EXAMPLES,
  bundles: BUNDLE_EXAMPLES,
  grants: {
    list: { answers: [{ status: 200, body: { grants: [active], next: null } }] },
    get: { answers: [{ status: 200, body: revoked }] },
    receipt: { answers: [{ status: 200, body: "Tidegate receipt, form 1: REVOKED, AND PROVEN GONE\n…" }] },
    activate: { body: {}, answers: [{ status: 200, body: { ...scheduled, activation: "on-use" } }] },
    extend: {
      body: { duration: "30m", reason: "not done yet" },
      answers: [
        {
          status: 200,
          body: { ...active, less: null, duration: "1h", expiresAt: "2026-01-31T13:04:00.000Z", extensions: 1 },
        },
        { status: 202, body: { requestId: "rq_fedcba9876543210", state: "pending" } },
      ],
    },
    revoke: { body: { reason: "done" }, answers: [{ status: 200, body: revoking }] },
    credential: {
      body: { rotate: false },
      answers: [
        { status: 200, body: credential },
        { status: 202, body: { state: "rotating", retryAfterMs: 500 } },
      ],
    },
  },
  emergencies: EMERGENCY_EXAMPLES,
  away: AWAY_EXAMPLES,
  people: PEOPLE_EXAMPLES,
  stepups: STEP_UP_EXAMPLES,
  passkeys: PASSKEY_EXAMPLES,
  sessions: SESSION_EXAMPLES,
  tokens: TOKEN_EXAMPLES,
  login: LOGIN_EXAMPLES,
  panics: PANIC_EXAMPLES,
  messages: MESSAGE_EXAMPLES,
  drift: DRIFT_EXAMPLES,
  catalog: {
    resources: { answers: [{ status: 200, body: { resources: [resource], next: null, bundles: [KITS] } }] },
    explain: {
      body: { entitlement: "orders-db:read", duration: "1h", reason: "checking slow checkouts", ticket: "INC-42" },
      answers: [
        {
          status: 200,
          body: {
            user: ALICE,
            entitlement: "orders-db:read",
            title: ENTITLEMENT.title,
            duration: "1h",
            maxDuration: "8h",
            outcome: "needs-approval",
            rule: "payments-engineers",
            steps: STEPS.map((one) => ({ ...one, people: [BOB], also: [] })),
            limits: [{ rule: "on-call-reads-in-an-incident", per: "user", count: 5, within: "7d", used: 2, left: 3 }],
            hours: [],
            ...{ emergency: false, start: null, extends: null },
            trace: TRACE,
            why: null,
            onCallTier: 0,
            configVersion: 12,
          },
        },
      ],
    },
  },
  eligibility: ELIGIBILITY_EXAMPLES,
  policy: POLICY_EXAMPLES,
  review: REVIEW_EXAMPLES,
  evidence: EVIDENCE_EXAMPLES,
  config: {
    versions: {
      answers: [
        {
          status: 200,
          body: {
            versions: [
              {
                version: 12,
                hash: HASH,
                createdAt: "2026-01-30T09:00:00.000Z",
                source: "/etc/tidegate/tidegate.yaml",
                active: true,
                activatedAt: "2026-01-30T09:00:00.000Z",
              },
            ],
            next: null,
          },
        },
      ],
    },
    diff: {
      answers: [
        {
          status: 200,
          body: {
            from: 11,
            to: 12,
            changes: [
              {
                about: "access",
                kind: "gained",
                name: "orders-db:fix",
                what: "payments gains orders-db:fix through rule payments-engineers, approved by 1 of owners",
                details: [],
              },
            ],
          },
        },
      ],
    },
    ...WAITING_CONFIG_EXAMPLES,
  },
  audit: {
    list: { answers: [{ status: 200, body: { entries: [entry], next: 1198, dropped: null } }] },
    checkpoint: { answers: [{ status: 200, body: checkpoint }] },
    keys: { answers: [{ status: 200, body: { key: checkpoint.key, changes: [] } }] },
    inclusion: {
      answers: [{ status: 200, body: { seq: 2, leafHash: checkpoint.root, size: 2, proof: [checkpoint.root] } }],
    },
    consistency: { answers: [{ status: 200, body: { from: 1, to: 2, proof: [checkpoint.root] } }] },
    export: { answers: [{ status: 200, body: `{"tidegateAuditExport":1,…}\n{"hashes":"…"}\n{"seq":1,"leaf":{…}}\n` }] },
  },
  events: {
    stream: {
      answers: [
        {
          status: 200,
          body: `retry: 2000\nid: 1203\n: still here\n\nid: ${eventExample.seq}\nevent: grant\ndata: ${JSON.stringify(eventExample)}\n\n`,
        },
      ],
    },
  },
  identity: {
    me: {
      answers: [
        {
          status: 200,
          body: {
            ...ALICE,
            email: "alice@example.com",
            kind: "user",
            type: "employee",
            groups: ["payments"],
            roles: ["member"],
            onCallTier: 0,
            session: null,
          },
        },
      ],
    },
  },
  service: {
    health: { answers: [{ status: 200, body: { status: "ok" } }] },
    ready: {
      answers: [
        {
          status: 200,
          body: {
            ready: true,
            checks: {
              store: check("answers"),
              reconciler: check("runs"),
              configuration: check("version 12 is active"),
              targets: { ok: false, detail: "1 does not answer; work on 2 grants waits", unreachable: 1 },
              quarantine: check("in none"),
            },
          },
        },
      ],
    },
    openapi: { answers: [{ status: 200, body: { openapi: "3.1.1" } }] },
  },
  health: HEALTH_EXAMPLES,
  targets: {
    list: {
      answers: [
        {
          status: 200,
          body: {
            targets: [
              { resource: "orders-db", unreachable: { since: "2026-01-31T12:00:00.000Z", grants: 2 } },
              { resource: "stock-db", unreachable: null },
            ],
          },
        },
      ],
    },
  },
  metrics: {
    read: {
      answers: [
        {
          status: 200,
          body: '# HELP tidegate_grants Grants by state.\n# TYPE tidegate_grants gauge\ntidegate_grants{state="active"} 3\n',
        },
      ],
    },
  },
};
