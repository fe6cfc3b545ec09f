/** What people do in a history: through the operations, at whatever replica answers, again when they hear nothing. */
import type { DurationMs } from "../../../src/base/duration.ts";
import type { GrantId, PrincipalId } from "../../../src/base/ids.ts";
import { isRefusal } from "../../../src/base/problem.ts";
import type { Facts } from "../../../src/domain/facts.ts";
import type { Principal } from "../../../src/domain/principal.ts";
import { activateConfiguration } from "../../../src/operations/activate-config.ts";
import { activateGrant } from "../../../src/operations/activate-grant.ts";
import { cancelRequest } from "../../../src/operations/cancel-request.ts";
import type { LedgerContext } from "../../../src/operations/context.ts";
import { deactivatePrincipal } from "../../../src/operations/deactivate-principal.ts";
import { deliverCredential } from "../../../src/operations/deliver-credential.ts";
import { extendGrant } from "../../../src/operations/extend-grant.ts";
import { reviewRequest } from "../../../src/operations/review-request.ts";
import { revokeGrant } from "../../../src/operations/revoke-grant.ts";
import { type Asked, submitRequest } from "../../../src/operations/submit-request.ts";
import type { IdempotencyKey } from "../../../src/operations/transact.ts";
import type { Oracle } from "./oracle.ts";
import type { Deed } from "./plan.ts";
import { CONFIGURATIONS } from "./setting.ts";
import type { Site } from "./site.ts";

const FACTS: Facts = { oncall: { tier: 0, source: "file", ageMs: 0 } };
/** Who hears nothing for so long asks again, elsewhere. */
const PATIENCE_MS = 4_000;
const TRIES = 3;
const NOBODY = "pr_0000000000000000" as PrincipalId;

type Call = (context: LedgerContext, key: (by: PrincipalId) => IdempotencyKey) => Promise<unknown>;

/** For what policy grants at once. */
const asking = (number: number, entitlement: string, forMs: number): Asked => ({
  entitlement,
  durationMs: forMs as DurationMs,
  reason: `call ${number}`,
  ticket: "NOW",
  startMs: null,
  activation: "on-approval",
  emergency: false,
});

export class People {
  readonly #site: Site;
  readonly #oracle: Oracle;

  constructor(site: Site, oracle: Oracle) {
    this.#site = site;
    this.#oracle = oracle;
  }

  /** `about`: the grant whose moment it is; null: by the numbers of the plan. */
  act(number: number, what: Deed, about: GrantId | null): void {
    const grant = "grant" in what ? (about ?? this.#grant(what.grant)) : this.#grant(0);
    if (what.do === "sign-in") this.#signIn(grant);
    else if (what.do === "credential")
      for (let i = 0; i < what.times; i += 1) void this.#persist(number + i, this.#callFor(what, number, grant), 1);
    else if (what.do === "renew") {
      void this.#persist(number, this.#callFor({ ...what, do: "ask-again" }, number, grant), TRIES);
      const giveBack: Deed = { do: "revoke", grant: 0, who: null };
      this.#site.timeline.after(
        what.gapMs,
        () => void this.#persist(number + 1, this.#callFor(giveBack, number, grant), TRIES),
      );
    } else void this.#persist(number, this.#callFor(what, number, grant), TRIES);
  }

  /** Asks until somebody answers. A refusal is an answer. */
  async #persist(number: number, call: Call, tries: number): Promise<void> {
    const { timeline } = this.#site;
    for (let i = 0; i < tries; i += 1) {
      const replica = this.#site.replica(number + i);
      const silence = timeline.sleep(PATIENCE_MS).then(() => "silence" as const);
      if (replica !== null) {
        const key = (by: PrincipalId): IdempotencyKey => ({ principal: by, key: `call-${number}`, call: number });
        const answer = await Promise.race([call(replica.context, key).catch(() => "silence" as const), silence]);
        if (answer !== "silence") return;
      }
      await silence;
    }
  }

  #callFor(what: Deed, number: number, grant: GrantId): Call {
    switch (what.do) {
      case "ask":
        return (context, key) => {
          const { id } = this.#person(what.who);
          const { nowMs } = this.#site.timeline;
          const asked = {
            ...asking(number, what.entitlement, what.forMs),
            ticket: what.atOnce ? "NOW" : "",
            startMs: what.startsInMs === null ? null : nowMs + what.startsInMs,
            activation: what.onUse ? ("on-use" as const) : ("on-approval" as const),
          };
          return submitRequest(context, id, asked, FACTS, key(id));
        };
      case "ask-again":
        return async (context, key) => {
          const same = this.#site.told.grants.get(grant);
          if (same === undefined) return null;
          const asked = asking(number, same.entitlement, what.forMs);
          return submitRequest(context, same.principalId, asked, FACTS, key(same.principalId));
        };
      case "review":
        return (context, key) => {
          const { id } = this.#person(what.who);
          const given = { verdict: what.verdict, comment: "", durationMs: null, entitlement: null, seen: null };
          return reviewRequest(context, id, this.#request(what.request), given, key(id));
        };
      case "cancel":
        return (context) => {
          const request = this.#site.ledger.rows.requests.rows.get(this.#request(what.request));
          const by = this.#byId(request?.requesterId ?? NOBODY);
          return cancelRequest(context, by, this.#request(what.request));
        };
      case "extend":
        return (context, key) => {
          const by = this.#holder(grant);
          const asked = { durationMs: what.byMs as DurationMs, reason: `call ${number}` };
          return extendGrant(context, by, grant, asked, FACTS, key(by.id));
        };
      case "revoke":
        return (context) => {
          const by = what.who === null ? this.#holder(grant) : this.#person(what.who);
          return revokeGrant(context, by, grant, "enough");
        };
      case "activate":
        return (context) => activateGrant(context, this.#holder(grant), grant);
      case "credential":
        return (context) => this.#credential(context, grant, what.rotate);
      case "configure":
        return (context) => activateConfiguration(context, CONFIGURATIONS[what.variant] as never, `variant ${number}`);
      case "deactivate":
        return (context) => deactivatePrincipal(context, this.#person(what.who).id, { system: "config" }, "they left");
      case "renew":
      case "sign-in":
        return async () => null;
    }
  }

  async #credential(context: LedgerContext, id: GrantId, rotate: boolean): Promise<unknown> {
    const holder = this.#byId(this.#site.told.grants.get(id)?.principalId ?? NOBODY);
    const answer = await deliverCredential(context, holder, id, { rotate });
    if (!isRefusal(answer) && "secret" in answer && answer.secret !== null) {
      this.#oracle.handed.push({ grant: id, to: holder.id, secret: answer.secret.reveal() });
      this.#signIn(id);
    }
    return answer;
  }

  /** With every secret that was handed over for it, the old ones too. */
  #signIn(id: GrantId): void {
    const grant = this.#site.told.grants.get(id);
    const database = this.#oracle.database(grant?.lease?.identity ?? "");
    if (database === null || grant === undefined) return;
    for (const { grant: of, secret } of this.#oracle.handed)
      for (const [name, login] of database.logins)
        if (of === grant.id && login.grant === of && database.signIn(name, secret))
          this.#site.timeline.note(`somebody is in as ${name}`);
  }

  /** By number, going round; an id that nobody has while there is none. */
  #grant(number: number): GrantId {
    const ids = [...this.#site.told.grants.keys()];
    return ids[number % Math.max(1, ids.length)] ?? ("gr_0000000000000000" as GrantId);
  }

  #request(number: number) {
    const requests = [...this.#site.ledger.rows.requests.rows.values()];
    const pending = requests.filter(({ state }) => state === "pending");
    const ids = (pending.length > 0 ? pending : requests).map(({ id }) => id);
    return ids[number % Math.max(1, ids.length)] ?? ("rq_0000000000000000" as (typeof ids)[number]);
  }

  #holder(grant: GrantId): Principal {
    return this.#byId(this.#site.told.grants.get(grant)?.principalId ?? NOBODY);
  }

  #person(handle: string): Principal {
    const people = [...this.#site.ledger.rows.principals.rows.values()];
    return people.find((it) => it.handle === handle) ?? this.#byId(NOBODY);
  }

  #byId(id: PrincipalId): Principal {
    const known = this.#site.ledger.rows.principals.rows.get(id);
    if (known !== undefined) return known;
    const [somebody] = this.#site.ledger.rows.principals.rows.values();
    return { ...(somebody as Principal), id, roles: [], groups: [] };
  }
}
