import type { AnyContractProcedure, InferSchemaInput, InferSchemaOutput } from "@orpc/contract";
import { audit } from "./audit.ts";
import { away } from "./away.ts";
import { bundles } from "./bundles.ts";
import { catalog } from "./catalog.ts";
import { config } from "./config.ts";
import { drift } from "./drift.ts";
import { eligibility } from "./eligibility.ts";
import { emergencies } from "./emergencies.ts";
import { events } from "./events.ts";
import { evidence } from "./evidence.ts";
import { grants } from "./grants.ts";
import { health } from "./health.ts";
import { identity } from "./identity.ts";
import { login } from "./login.ts";
import { messages } from "./messages.ts";
import { metrics } from "./metrics.ts";
import { panics } from "./panics.ts";
import { passkeys } from "./passkeys.ts";
import { people } from "./people.ts";
import { policy } from "./policy.ts";
import { requests } from "./requests.ts";
import { review } from "./review.ts";
import { service } from "./service.ts";
import { sessions } from "./sessions.ts";
import { stepups } from "./step-ups.ts";
import { targets } from "./targets.ts";
import { tokens } from "./tokens.ts";

/** The whole API, group by group. Written out, since a declaration that infers it would hold every schema a second time. */
export type Contract = {
  readonly requests: typeof requests;
  readonly emergencies: typeof emergencies;
  readonly bundles: typeof bundles;
  readonly grants: typeof grants;
  readonly away: typeof away;
  readonly people: typeof people;
  readonly panics: typeof panics;
  readonly drift: typeof drift;
  readonly catalog: typeof catalog;
  readonly eligibility: typeof eligibility;
  readonly policy: typeof policy;
  readonly review: typeof review;
  readonly evidence: typeof evidence;
  readonly config: typeof config;
  readonly audit: typeof audit;
  readonly events: typeof events;
  readonly messages: typeof messages;
  readonly identity: typeof identity;
  readonly sessions: typeof sessions;
  readonly stepups: typeof stepups;
  readonly passkeys: typeof passkeys;
  readonly tokens: typeof tokens;
  readonly login: typeof login;
  readonly metrics: typeof metrics;
  readonly health: typeof health;
  readonly targets: typeof targets;
  readonly service: typeof service;
};

/** The whole API as data: the server, the document and the client are made from this. */
export const contract: Contract = {
  requests,
  emergencies,
  bundles,
  grants,
  away,
  people,
  panics,
  drift,
  catalog,
  eligibility,
  policy,
  review,
  evidence,
  config,
  audit,
  events,
  messages,
  identity,
  sessions,
  stepups,
  passkeys,
  tokens,
  login,
  metrics,
  health,
  targets,
  service,
};

type SchemaOf<P extends AnyContractProcedure, Side extends "inputSchema" | "outputSchema"> = NonNullable<
  P["~orpc"][Side]
>;

/** What a client sends. */
export type Sent<P extends AnyContractProcedure> = InferSchemaInput<SchemaOf<P, "inputSchema">>;
/** What the server gets of it, parsed. */
export type Parsed<P extends AnyContractProcedure> = InferSchemaOutput<SchemaOf<P, "inputSchema">>;
/** What comes back: a status with its body. */
export type Answer<P extends AnyContractProcedure> = InferSchemaOutput<SchemaOf<P, "outputSchema">>;
