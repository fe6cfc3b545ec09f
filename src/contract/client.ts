/**
 * A typed client of the API, over fetch: for the command line, the web and third parties. Paths and methods come from the
 * contract. It runs wherever fetch does.
 */

import type { AnyContractProcedure } from "@orpc/contract";
import { defined } from "../base/assert.ts";
import type { CredentialView, GrantView, RequestView } from "./access.ts";
import type { AuditEntry, AuditQuery, CheckpointView, ConsistencyView, InclusionView } from "./audit.ts";
import type { AbsenceView, SetAway } from "./away.ts";
import type { BundleDone, BundleView, ReviewBundle, SubmitBundle } from "./bundles.ts";
import type { ExplainRequest, Explanation, KitView, ResourceQuery, ResourceView } from "./catalog.ts";
import { readAnswer } from "./client-answers.ts";
import { CannotReach, ProblemError, UnexpectedAnswer } from "./client-errors.ts";
import { type EventOptions, followEvents } from "./client-events.ts";
import { baseOf, exported, opener, receiptOf, TIMEOUT_MS } from "./client-streams.ts";
import type { ConfigDiff, ConfigDiffQuery, ConfigVersionQuery, ConfigVersionView, WaitingConfig } from "./config.ts";
import { type Answer, contract, type Sent } from "./contract.ts";
import type { DriftQuery, DriftReport, OtherAccessView, SweepDrift } from "./drift.ts";
import type { AccessOf, AccessQuery, EligiblePeople, EligibleQuery } from "./eligibility.ts";
import type { EmergencyQuery, ReviewEmergency } from "./emergencies.ts";
import type { EventView } from "./events.ts";
import type { EvidenceAnswer, EvidenceQuery } from "./evidence.ts";
import type { AskCredential, ExtendGrant, GrantQuery, RevokeGrant } from "./grants.ts";
import type { HealthView } from "./health.ts";
import type { Me } from "./identity.ts";
import type { BeginLogin, FinishLogin, LoginBegun, LoginDone, TokenRenewed } from "./login.ts";
import type { MessageQuery, MessageView } from "./messages.ts";
import type { PanicQuery, PanicView, StartPanic } from "./panics.ts";
import type { PasskeyView } from "./passkeys.ts";
import type { ErasedPerson } from "./people.ts";
import type { PolicyView, RecordedRequestQuery, RecordedRequestView } from "./policy.ts";
import type { CommentOnRequest, EditRequest, RequestQuery, ReviewRequest, SubmitRequest } from "./requests.ts";
import type { AccessReview, AccessReviewQuery } from "./review.ts";
import type { RouteMeta } from "./route.ts";
import type { Checks } from "./service.ts";
import type { SessionView } from "./sessions.ts";
import type { StepUpView } from "./step-ups.ts";
import type { TargetView } from "./targets.ts";
import type { IssueToken, RotateToken, TokenIssued, TokenQuery, TokenView } from "./tokens.ts";
import type { DroppedView, Person } from "./values.ts";

export type ClientOptions = {
  /** Where the server is: `http://127.0.0.1:7433`, with a path where it lives below one. */
  readonly url: string;
  readonly token: string | null;
  readonly fetch?: typeof fetch;
  /** How long an answer may take, beside what is waited for on purpose. Default: 30 seconds. */
  readonly timeoutMs?: number;
};

export type CallOptions = {
  readonly signal?: AbortSignal;
  /** The same key again is answered with what the first call did. Default: a new one for each call. */
  readonly idempotencyKey?: string;
};

export type Page<Name extends string, Item> = { readonly [K in Name]: Item[] } & { readonly next: string | null };
/** Done at once, or a request that waits for approval while the grant stays as it is. */
export type Extended =
  | { readonly extended: true; readonly grant: GrantView }
  | { readonly extended: false; readonly requestId: string };
/** The credential, or: it is being made, ask again (without rotate) after so long. */
export type Delivered =
  | { readonly delivered: true; readonly credential: CredentialView }
  | { readonly delivered: false; readonly state: "activated" | "rotating"; readonly retryAfterMs: number };
/** Somebody has signed in, or nobody yet: ask again after so long. */
export type LoginFinished =
  | ({ readonly signedIn: true } & LoginDone)
  | { readonly signedIn: false; readonly retryAfterMs: number };
/** `while` is the state that the caller knows: any other is answered at once. */
export type WaitOptions<View extends { state: string } = GrantView> = CallOptions & {
  readonly waitSeconds?: number;
  readonly while?: View["state"];
};

const held = <View extends { state: string }>({ waitSeconds, while: known }: WaitOptions<View>) => ({
  ...(waitSeconds === undefined ? {} : { wait: waitSeconds }),
  ...(known === undefined ? {} : { while: known }),
});

const matching = (version: string | undefined) => (version === undefined ? {} : { "if-match": `"${version}"` });

export type Client = ReturnType<typeof createClient>;

/** Every method throws ProblemError when the server refuses, CannotReach when it does not answer, UnexpectedAnswer when something else does. */
export function createClient(options: ClientOptions) {
  const send = sender(options);
  return {
    submitRequest: async (body: SubmitRequest, call?: CallOptions): Promise<RequestView> =>
      (await send(contract.requests.submit, { body }, call)).body,
    listRequests: async (query: RequestQuery = {}, call?: CallOptions): Promise<Page<"requests", RequestView>> =>
      (await send(contract.requests.list, { query }, call)).body,
    getRequest: async (id: string, wait: WaitOptions<RequestView> = {}): Promise<RequestView> =>
      (await send(contract.requests.get, { params: { id }, query: held(wait) }, wait, (wait.waitSeconds ?? 0) * 1_000))
        .body,
    /** Changes your own while it waits. `seen`: its version as you saw it, refused where it is another by now. */
    editRequest: async (id: string, body: EditRequest, seen?: string, call?: CallOptions): Promise<RequestView> =>
      (await send(contract.requests.edit, { params: { id }, headers: matching(seen), body }, call)).body,
    /** `seen`: the version that you have read; one that was edited is not approved without. */
    reviewRequest: async (
      id: string,
      body: ReviewRequest,
      { seen, ...call }: CallOptions & { readonly seen?: string | undefined } = {},
    ): Promise<RequestView> =>
      (await send(contract.requests.review, { params: { id }, headers: matching(seen), body }, call)).body,
    /** With `asks` it asks the requester, whose next comment is the answer. */
    commentOnRequest: async (id: string, body: CommentOnRequest, call?: CallOptions): Promise<RequestView> =>
      (await send(contract.requests.comment, { params: { id }, body }, call)).body,
    cancelRequest: async (id: string, call?: CallOptions): Promise<RequestView> =>
      (await send(contract.requests.cancel, { params: { id }, body: {} }, call)).body,

    listEmergencies: async (
      query: EmergencyQuery = {},
      call?: CallOptions,
    ): Promise<Page<"emergencies", RequestView>> => (await send(contract.emergencies.list, { query }, call)).body,
    reviewEmergency: async (id: string, body: ReviewEmergency, call?: CallOptions): Promise<RequestView> =>
      (await send(contract.emergencies.review, { params: { id }, body }, call)).body,

    /** Several entitlements as one: `bundle` of the configuration, or `entitlements`. */
    submitBundle: async (body: SubmitBundle, call?: CallOptions): Promise<BundleView> =>
      (await send(contract.bundles.submit, { body }, call)).body,
    /** `pending`: how many parts wait as far as the caller knows; another number is answered at once. */
    getBundle: async (
      id: string,
      { waitSeconds, pending, ...call }: CallOptions & { waitSeconds?: number; pending?: number } = {},
    ): Promise<BundleView> => {
      const query = {
        ...held({ ...(waitSeconds === undefined ? {} : { waitSeconds }) }),
        ...(pending === undefined ? {} : { pending }),
      };
      return (await send(contract.bundles.get, { params: { id }, query }, call, (waitSeconds ?? 0) * 1_000)).body;
    },
    reviewBundle: async (id: string, body: ReviewBundle, call?: CallOptions): Promise<BundleDone> =>
      (await send(contract.bundles.review, { params: { id }, body }, call)).body,
    cancelBundle: async (id: string, call?: CallOptions): Promise<BundleDone> =>
      (await send(contract.bundles.cancel, { params: { id }, body: {} }, call)).body,

    listGrants: async (query: GrantQuery = {}, call?: CallOptions): Promise<Page<"grants", GrantView>> =>
      (await send(contract.grants.list, { query }, call)).body,
    getGrant: async (id: string, wait: WaitOptions<GrantView> = {}): Promise<GrantView> =>
      (await send(contract.grants.get, { params: { id }, query: held(wait) }, wait, (wait.waitSeconds ?? 0) * 1_000))
        .body,
    /** Of a grant that is proven gone; verify it. */
    receipt: (id: string, personal: "yes" | "no" = "yes", signal?: AbortSignal): Promise<Uint8Array> =>
      receiptOf(options, id, personal, signal ?? new AbortController().signal),
    activateGrant: async (id: string, call?: CallOptions): Promise<GrantView> =>
      (await send(contract.grants.activate, { params: { id }, body: {} }, call)).body,
    extendGrant: async (id: string, body: ExtendGrant, call?: CallOptions): Promise<Extended> => {
      const answer = await send(contract.grants.extend, { params: { id }, body }, call);
      return answer.status === 200
        ? { extended: true, grant: answer.body }
        : { extended: false, requestId: answer.body.requestId };
    },
    revokeGrant: async (id: string, body: RevokeGrant = {}, call?: CallOptions): Promise<GrantView> =>
      (await send(contract.grants.revoke, { params: { id }, body }, call)).body,
    /** Once: what it answers is kept nowhere. */
    credential: async (id: string, body: AskCredential = {}, call?: CallOptions): Promise<Delivered> => {
      const answer = await send(contract.grants.credential, { params: { id }, body }, call);
      return answer.status === 200
        ? { delivered: true, credential: answer.body }
        : { delivered: false, ...answer.body };
    },

    listAway: async (call?: CallOptions): Promise<{ away: AbsenceView[] }> =>
      (await send(contract.away.list, { query: {} }, call)).body,
    /** `person`: for somebody else, as an admin. */
    setAway: async (body: SetAway, person?: string, call?: CallOptions): Promise<AbsenceView> =>
      person === undefined
        ? (await send(contract.away.set, { body }, call)).body
        : (await send(contract.away.send, { params: { id: person }, body }, call)).body,
    setBack: async (person?: string, call?: CallOptions): Promise<{ person: Person }> =>
      person === undefined
        ? (await send(contract.away.back, { query: {} }, call)).body
        : (await send(contract.away.recall, { params: { id: person } }, call)).body,

    /** Also by the handle that they had. It cannot be undone. */
    erasePerson: async (person: string, call?: CallOptions): Promise<ErasedPerson> =>
      (await send(contract.people.erase, { params: { id: person }, body: {} }, call)).body,

    startPanic: async (body: StartPanic, call?: CallOptions): Promise<PanicView> =>
      (await send(contract.panics.start, { body }, call)).body,
    listPanics: async (query: PanicQuery = {}, call?: CallOptions): Promise<Page<"panics", PanicView>> =>
      (await send(contract.panics.list, { query }, call)).body,
    /** `live`: how many live as far as the caller knows; another number is answered at once. */
    getPanic: async (
      id: string,
      { waitSeconds, live, ...call }: CallOptions & { waitSeconds?: number; live?: number } = {},
    ): Promise<PanicView> => {
      const query = {
        ...held({ ...(waitSeconds === undefined ? {} : { waitSeconds }) }),
        ...(live === undefined ? {} : { live }),
      };
      return (await send(contract.panics.get, { params: { id }, query }, call, (waitSeconds ?? 0) * 1_000)).body;
    },
    liftPanic: async (id: string, body: { reason: string }, call?: CallOptions): Promise<PanicView> =>
      (await send(contract.panics.lift, { params: { id }, body }, call)).body,

    listDrift: async (query: DriftQuery = {}, call?: CallOptions): Promise<DriftReport> =>
      (await send(contract.drift.list, { query }, call)).body,
    /** Asks for a sweep and waits for it, a minute at most. */
    sweepDrift: async (body: SweepDrift = {}, call?: CallOptions): Promise<DriftReport> =>
      (await send(contract.drift.sweep, { body }, call, SWEEP_WAIT_MS)).body,
    /** Asks the target itself. */
    listOthers: async (
      resource: string,
      call?: CallOptions,
    ): Promise<{ resource: string; tells: boolean; others: OtherAccessView[] }> =>
      (await send(contract.drift.others, { query: { resource } }, call, SWEEP_WAIT_MS)).body,

    /** Without a limit all of them. */
    listResources: async (
      query: ResourceQuery = {},
      call?: CallOptions,
    ): Promise<Page<"resources", ResourceView> & { bundles: KitView[] }> =>
      (await send(contract.catalog.resources, { query }, call)).body,
    /** Everybody who could get it, and how; a page may hold less than its limit. */
    listEligible: async (entitlement: string, query: EligibleQuery = {}, call?: CallOptions): Promise<EligiblePeople> =>
      (await send(contract.eligibility.people, { params: { id: entitlement }, query }, call)).body,
    /** What somebody (handle, id or `me`) could get, and what they have now. */
    readAccess: async (who: string, query: AccessQuery = {}, call?: CallOptions): Promise<AccessOf> =>
      (await send(contract.eligibility.access, { params: { id: who }, query }, call)).body,
    explain: async (body: ExplainRequest, call?: CallOptions): Promise<Explanation> =>
      (await send(contract.catalog.explain, { body }, call)).body,
    /** The rules of a version of the configuration, and what they may look at. Default: of the active one. */
    readPolicy: async (query: { version?: number } = {}, call?: CallOptions): Promise<PolicyView> =>
      (await send(contract.policy.read, { query }, call)).body,
    listRecordedRequests: async (
      query: RecordedRequestQuery = {},
      call?: CallOptions,
    ): Promise<Page<"requests", RecordedRequestView>> => (await send(contract.policy.requests, { query }, call)).body,
    accessReview: async (query: AccessReviewQuery = {}, call?: CallOptions): Promise<AccessReview> =>
      (await send(contract.review.read, { query }, call)).body,
    /** A page of the answer to one question of an auditor. */
    evidence: async (query: EvidenceQuery, call?: CallOptions): Promise<EvidenceAnswer> =>
      (await send(contract.evidence.ask, { query }, call)).body,
    listConfigVersions: async (
      query: ConfigVersionQuery = {},
      call?: CallOptions,
    ): Promise<Page<"versions", ConfigVersionView>> => (await send(contract.config.versions, { query }, call)).body,
    waitingConfig: async (call?: CallOptions): Promise<WaitingConfig | null> =>
      (await send(contract.config.waiting, { query: {} }, call)).body.waiting,
    confirmConfig: async (version: number, call?: CallOptions): Promise<WaitingConfig> =>
      (await send(contract.config.confirm, { params: { id: String(version) }, body: {} }, call)).body,
    rejectConfig: async (version: number, body: { reason: string }, call?: CallOptions): Promise<WaitingConfig> =>
      (await send(contract.config.reject, { params: { id: String(version) }, body }, call)).body,
    configDiff: async (query: ConfigDiffQuery = {}, call?: CallOptions): Promise<ConfigDiff> =>
      (await send(contract.config.diff, { query }, call)).body,
    listAudit: async (
      query: AuditQuery = {},
      call?: CallOptions,
    ): Promise<{ entries: AuditEntry[]; next: number | null; dropped: DroppedView | null }> =>
      (await send(contract.audit.list, { query }, call)).body,
    auditCheckpoint: async (call?: CallOptions): Promise<CheckpointView> =>
      (await send(contract.audit.checkpoint, { query: {} }, call)).body,
    /** That an entry is in the log of a size; default: as it is now. */
    auditProof: async (query: { seq: number; size?: number }, call?: CallOptions): Promise<InclusionView> =>
      (await send(contract.audit.inclusion, { query }, call)).body,
    auditConsistency: async (query: { from: number; to?: number }, call?: CallOptions): Promise<ConsistencyView> =>
      (await send(contract.audit.consistency, { query }, call)).body,
    /** The whole log in pieces, as it comes. */
    exportAudit: (personal: "yes" | "no" = "yes", signal?: AbortSignal): AsyncIterable<Uint8Array> =>
      exported(options, personal, signal ?? new AbortController().signal),
    /** What happens, each event once, also across lost connections; until the signal says stop or the token ends. */
    events: (follow: EventOptions = {}): AsyncGenerator<EventView, void, undefined> =>
      followEvents(opener(options), follow),
    /** Your own; those who see everything get those to anybody, unless they ask for a person's. */
    listMessages: async (query: MessageQuery = {}, call?: CallOptions): Promise<Page<"messages", MessageView>> =>
      (await send(contract.messages.list, { query }, call)).body,
    getMessage: async (id: string, call?: CallOptions): Promise<MessageView> =>
      (await send(contract.messages.get, { params: { id } }, call)).body,
    me: async (call?: CallOptions): Promise<Me> => (await send(contract.identity.me, { query: {} }, call)).body,
    /** `user`: of somebody else, as an admin. */
    listSessions: async (user?: string, call?: CallOptions): Promise<{ person: Person; sessions: SessionView[] }> =>
      (await send(contract.sessions.list, { query: user === undefined ? {} : { user } }, call)).body,
    listPasskeys: async (
      user?: string,
      call?: CallOptions,
    ): Promise<{ person: Person; passkeys: PasskeyView[]; addAt: string | null }> =>
      (await send(contract.passkeys.list, { query: user === undefined ? {} : { user } }, call)).body,
    removePasskey: async (id: string, call?: CallOptions): Promise<{ id: string; person: Person }> =>
      (await send(contract.passkeys.remove, { params: { id } }, call)).body,
    getStepUp: async (id: string, wait: CallOptions & { readonly waitSeconds?: number } = {}): Promise<StepUpView> =>
      (await send(contract.stepups.get, { params: { id }, query: held(wait) }, wait, (wait.waitSeconds ?? 0) * 1_000))
        .body,
    endSession: async (id: string, call?: CallOptions): Promise<{ id: string; person: Person }> =>
      (await send(contract.sessions.end, { params: { id } }, call)).body,
    /** Without a person your own; of everybody, as an auditor or admin. */
    listTokens: async (query: TokenQuery = {}, call?: CallOptions): Promise<Page<"tokens", TokenView>> =>
      (await send(contract.tokens.list, { query }, call)).body,
    issueToken: async (body: IssueToken, call?: CallOptions): Promise<TokenIssued> =>
      (await send(contract.tokens.issue, { body }, call)).body,
    rotateToken: async (id: string, body: RotateToken = {}, call?: CallOptions): Promise<TokenIssued> =>
      (await send(contract.tokens.rotate, { params: { id }, body }, call)).body,
    revokeToken: async (id: string, call?: CallOptions): Promise<{ id: string; name: string; person: Person }> =>
      (await send(contract.tokens.revoke, { params: { id } }, call)).body,
    beginLogin: async (body: BeginLogin, call?: CallOptions): Promise<LoginBegun> =>
      (await send(contract.login.begin, { body }, call)).body,
    finishLogin: async (body: FinishLogin, call?: CallOptions): Promise<LoginFinished> => {
      const answer = await send(contract.login.finish, { body }, call);
      return answer.status === 200 ? { signedIn: true, ...answer.body } : { signedIn: false, ...answer.body };
    },
    renewToken: async (token: string, call?: CallOptions): Promise<TokenRenewed> =>
      (await send(contract.login.renew, { body: { token } }, call)).body,
    /** Targets by name, and which do not answer: for operators, auditors and admins. */
    health: async (call?: CallOptions): Promise<HealthView> =>
      (await send(contract.health.read, { query: {} }, call)).body,
    listTargets: async (call?: CallOptions): Promise<{ targets: TargetView[] }> =>
      (await send(contract.targets.list, { query: {} }, call)).body,
    /** Throws ProblemError `unavailable`, with the same checks, when the server is not ready. */
    ready: async (call?: CallOptions): Promise<{ ready: true; checks: Checks }> =>
      (await send(contract.service.ready, {}, call)).body,
  };
}

type Parts = {
  params?: { id: string };
  headers?: Record<string, unknown>;
  query?: Record<string, string | number | undefined>;
  body?: unknown;
};
type Send = <P extends AnyContractProcedure>(
  procedure: P,
  input: Sent<P> & Parts,
  call?: CallOptions,
  holdMs?: number,
) => Promise<Answer<P>>;

const SWEEP_WAIT_MS = 60_000;

function sender({ url, token, timeoutMs = TIMEOUT_MS, fetch: given = fetch }: ClientOptions): Send {
  const base = baseOf(url);
  return async (procedure, input, call = {}, holdMs = 0) => {
    const { route, meta } = procedure["~orpc"] as { route: { method?: string; path?: string }; meta: RouteMeta };
    const path = defined(route.path, "path of a route").replace("{id}", encodeURIComponent(input.params?.id ?? ""));
    const address = new URL(path.slice(1), base);
    for (const [name, value] of Object.entries(input.query ?? {}))
      if (value !== undefined) address.searchParams.set(name, String(value));
    const headers = new Headers({ accept: "application/json" });
    if (token !== null) headers.set("authorization", `Bearer ${token}`);
    for (const [name, value] of Object.entries(input.headers ?? {}))
      if (typeof value === "string") headers.set(name, value);
    if (input.body !== undefined) headers.set("content-type", "application/json");
    if (meta.idempotent) headers.set("idempotency-key", call.idempotencyKey ?? crypto.randomUUID());
    const patience = AbortSignal.timeout(timeoutMs + holdMs);
    const signal = call.signal === undefined ? patience : AbortSignal.any([call.signal, patience]);
    try {
      const response = await given(address, {
        method: route.method ?? "GET",
        headers,
        signal,
        // The API never redirects; a token must not follow one. What redirects is told as what it is: not Tidegate.
        redirect: "manual",
        ...(input.body === undefined ? {} : { body: JSON.stringify(input.body) }),
      });
      return { status: response.status, body: await readAnswer(response, base) } as Answer<typeof procedure>;
    } catch (error) {
      if (error instanceof ProblemError || error instanceof UnexpectedAnswer) throw error;
      call.signal?.throwIfAborted();
      throw new CannotReach(base.href, error, patience.aborted ? timeoutMs + holdMs : null);
    }
  };
}
