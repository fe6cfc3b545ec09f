/** Spans, seen by the smallest provider that the API of OpenTelemetry takes: it keeps them, and follows the work by async hooks. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { after, before, test } from "node:test";
import {
  type Attributes,
  type Context,
  type ContextManager,
  context,
  INVALID_SPAN_CONTEXT,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import { createApi, tokenOf } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { assertUntold } from "../support/issued-secrets.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

type Kept = { name: string; attributes: Attributes; parent: string | null; traceId: string; ended: boolean };
const kept: Kept[] = [];
const bySpan = new WeakMap<Span, Kept>();
const storage = new AsyncLocalStorage<Context>();

const manager: ContextManager = {
  active: () => storage.getStore() ?? ROOT_CONTEXT,
  with: (active, work, self, ...input) => storage.run(active, () => work.call(self as never, ...input)),
  bind: (_active, target) => target,
  enable: () => manager,
  disable: () => manager,
};

function startSpan(name: string, options: SpanOptions, within: Context): Span {
  const parent = trace.getSpan(within);
  const traceId = parent?.spanContext().traceId ?? "0".repeat(31).concat("1");
  const spanContext = { ...INVALID_SPAN_CONTEXT, traceId, spanId: String(kept.length + 1).padStart(16, "0") };
  const one: Kept = {
    name,
    attributes: { ...options.attributes },
    parent: parent === undefined ? null : (bySpan.get(parent)?.name ?? parent.spanContext().spanId),
    traceId,
    ended: false,
  };
  const span = {
    spanContext: () => spanContext,
    setAttributes: (more: Attributes) => Object.assign(one.attributes, more),
    setStatus: () => span,
    end: () => {
      one.ended = true;
    },
  } as unknown as Span;
  bySpan.set(span, one);
  kept.push(one);
  return span;
}

let world: World;
before(async () => {
  context.setGlobalContextManager(manager);
  trace.setGlobalTracerProvider({
    getTracer: () => ({
      startSpan: (name: string, options: SpanOptions = {}, within: Context = context.active()) =>
        startSpan(name, options, within),
      startActiveSpan: (name: string, options: SpanOptions, work: (span: Span) => never) => {
        const span = startSpan(name, options, context.active());
        return context.with(trace.setSpan(context.active(), span), () => work(span));
      },
    }),
  } as unknown as TracerProvider);
  propagation.setGlobalPropagator({
    inject: () => undefined,
    fields: () => ["traceparent"],
    extract(within, carrier: Record<string, string>) {
      const [, traceId = "", spanId = ""] = carrier["traceparent"]?.split("-") ?? [];
      return traceId === "" ? within : trace.setSpanContext(within, { traceId, spanId, traceFlags: 1 });
    },
  });
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
});
after(async () => {
  assertUntold(JSON.stringify(kept), "a trace");
  trace.disable();
  context.disable();
  propagation.disable();
  await world.stop();
});

test("a call, its operation and what the reconciler does are spans, joined to the caller's trace, without texts of people", async () => {
  const api = createApi(world);
  world.directory.members.set("readers", new Set());
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const asked = await api.post(
    "erin",
    "/v1/requests",
    { entitlement: "orders:read", duration: "1h", reason: "a private matter" },
    { headers: { traceparent } },
  );
  await api.post("dave", "/v1/requests", { entitlement: "orders:read", duration: "1h" });
  world.reconciler();
  await world.grantWhen(asked.body.grantId, ({ state }) => state === "active", "active");
  const call = kept.find(({ name }) => name === "POST /v1/requests");
  assert.equal(call?.traceId, "a".repeat(32));
  assert.equal(call?.parent, "b".repeat(16));
  assert.equal(call?.attributes["http.response.status_code"], 201);
  assert.equal(call?.attributes["tidegate.call"], asked.headers["x-request-id"]);
  const submits = kept.filter(({ name }) => name === "operation submit-request");
  assert.equal(submits[0]?.parent, "POST /v1/requests");
  assert.equal(submits[0]?.traceId, "a".repeat(32));
  assert.equal(submits[1]?.attributes["tidegate.refused"], "policy-denied");
  const made = kept.find(({ name }) => name === "reconcile provision");
  assert.equal(made?.attributes["tidegate.grant"], asked.body.grantId);
  await until(() => kept.every(({ name, ended }) => ended || name.startsWith("reconcile")), {
    what: "every span but the reconciler's to be ended",
  });
  for (const text of ["private", tokenOf("erin"), "erin"]) assert.ok(!JSON.stringify(kept).includes(text), text);
  await api.close();
});
