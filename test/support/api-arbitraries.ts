/** Calls made up from the OpenAPI document: valid, nearly valid, and hostile. */
import * as fc from "fast-check";
import type { JsonDocument, Operation, Parameter, Schema } from "./openapi.ts";

export type MadeUpCall = {
  readonly operation: string;
  /** Handle of the caller; null: nobody. */
  readonly who: string | null;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
};

/** Things that exist, so that valid calls meet something. */
export type Pools = {
  readonly callers: readonly (string | null)[];
  /** Values to try, by the name of the parameter or member. */
  readonly values: Readonly<Record<string, readonly string[]>>;
};

const NASTY_TEXTS = [
  "",
  " ",
  "null",
  "undefined",
  "../../etc/passwd",
  "'; drop table grants; --",
  "%00",
  "\u0000",
  "\u001b[2J",
  "\u202eevil",
  "a\ud800b",
  "𝕏".repeat(50),
  "__proto__",
  "constructor",
  "toString",
  "$(reboot)",
  "{{7*7}}",
  "-1",
  "1e999",
  "9007199254740993",
  "0x10",
  "2026-02-30T25:61:61Z",
  "0000-01-01T00:00:00Z",
  "9999-12-31T23:59:59-23:59",
  "x".repeat(5_000),
];

const nastyText = fc.oneof(fc.constantFrom(...NASTY_TEXTS), fc.string({ unit: "binary", maxLength: 40 }));
const nastyValue: fc.Arbitrary<unknown> = fc.oneof(
  nastyText,
  fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 1e308, [], {}, [[]], { toString: 1 }, ["a", null]),
  fc.jsonValue({ maxDepth: 3 }),
);

const DURATIONS = ["1s", "90s", "15m", "1h", "2h", "8h", "30d", "366d"];
const TIMES = [
  new Date(Date.now() + 3_600_000).toISOString(),

  "2026-01-31T12:00:00Z",
  "2026-01-31T13:00:00+01:00",
  "1970-01-01T00:00:00Z",
  "2099-01-01T00:00:00.123456789Z",
];

/** Something that the schema allows; where the schema says less than the server wants, mostly something it wants. */
function valid(schema: Schema, name: string, pools: Pools): fc.Arbitrary<unknown> {
  const pool = pools.values[name] ?? [];
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) return fc.oneof(...either.map((one) => valid(one, name, pools)));
  switch (schema.type ?? "string") {
    case "object":
      return object(schema, pools);
    case "array":
      return fc.array(valid(schema.items ?? {}, name, pools), { maxLength: 3 });
    case "integer":
    case "number": {
      const { minimum = -1_000, maximum = 1_000_000 } = schema;
      // Whoever waits on purpose is tested elsewhere; here the time is for many calls.
      return name === "wait" ? fc.constant(0) : fc.integer({ min: minimum, max: Math.min(maximum, 2 ** 31) });
    }
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    default: {
      const known = [...pool, ...(schema.examples ?? []).map(String)];
      const shaped =
        name === "duration" ? DURATIONS : /^(from|until|endsFrom|endsUntil|liveAt|start)$/.test(name) ? TIMES : [];
      const words = [...known, ...shaped];
      return words.length === 0
        ? fc.string({ maxLength: Math.min(schema.maxLength ?? 20, 20) })
        : fc.constantFrom(...words);
    }
  }
}

function object(schema: Schema, pools: Pools): fc.Arbitrary<Record<string, unknown>> {
  const members = Object.entries(schema.properties ?? {}).map(
    ([name, member]) => [name, valid(member, name, pools)] as const,
  );
  return fc.record(Object.fromEntries(members), { requiredKeys: [...(schema.required ?? [])] });
}

/** A valid one with one thing wrong. */
function nearly(schema: Schema, pools: Pools): fc.Arbitrary<unknown> {
  const names = Object.keys(schema.properties ?? {});
  const changes: fc.Arbitrary<(value: Record<string, unknown>) => unknown>[] = [
    nastyText.map((key) => (value) => ({ ...value, [key]: 1 })),
    nastyValue.map((instead) => () => instead),
    ...(names.length === 0
      ? []
      : [
          fc.tuple(fc.constantFrom(...names), nastyValue).map(([name, bad]) => (value: Record<string, unknown>) => ({
            ...value,
            [name]: bad,
          })),
          fc
            .constantFrom(...names)
            .map(
              (name) => (value: Record<string, unknown>) =>
                Object.fromEntries(Object.entries(value).filter(([key]) => key !== name)),
            ),
        ]),
  ];
  return fc.tuple(object(schema, pools), fc.oneof(...changes)).map(([value, change]) => change(value));
}

const deep = (open: string, close: string, depth: number): string => `${open.repeat(depth)}${close.repeat(depth)}`;

const HOSTILE_BODIES: readonly (string | Buffer)[] = [
  "",
  "{",
  "nul",
  "NaN",
  '{"a":1}{"b":2}',
  '{"__proto__":{"admin":true},"entitlement":"orders:read","duration":"1h"}',
  '{"constructor":{"prototype":{"admin":true}}}',
  '{"entitlement":"orders:read","duration":"1h","duration":"2h"}',
  deep("[", "]", 30_000),
  deep('{"a":', "}", 10_000),
  `{"reason":${deep("[", "]", 5_000)}}`,
  `{"reason":"${"x".repeat(70_000)}"}`,
  `{${Array.from({ length: 3_000 }, (_, i) => `"k${i}":1`).join(",")}}`,
  `{"reason":"\\ud800","entitlement":"\\u0000"}`,
  Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  Buffer.from('{"entitlement":"orders:read"}', "utf16le"),
  Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from("{}")]),
  Buffer.alloc(2_000, 0),
];

const TYPES = [
  "application/json",
  "application/json; charset=utf-8",
  "application/json; charset=utf-16",
  "text/plain",
  "application/xml",
  "multipart/form-data; boundary=x",
  "application/x-www-form-urlencoded",
  "",
  ";;;",
];

const hostileHeaders: fc.Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.constantFrom(...TYPES).map((type) => ({ "content-type": type })) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("", "k", "k".repeat(201), "\u00ff\u00fe", "a,b")
      .map((key) => ({ "idempotency-key": key })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("abc", "-1", "999999999", "1e3", "0").map((id) => ({ "last-event-id": id })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("Bearer", "Bearer x y", "Basic YTpi", "bearer \u00e9", `Bearer ${"t".repeat(9_000)}`)
      .map((authorization) => ({ authorization })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { "x-forwarded-for": "10.0.0.1, ::1, nonsense" },
      { "x-http-method-override": "DELETE" },
      { accept: "text/html;q=2" },
      { expect: "100-continue" },
      { "content-encoding": "gzip" },
      { "x-big": "b".repeat(9_000) },
      { "x-request-id": "'\"><script>" },
      { range: "bytes=0-1" },
      { traceparent: "00-zz-yy-xx" },
    ),
  },
);

const encode = (text: string): string => encodeURIComponent(text.toWellFormed());

function query(parameters: readonly Parameter[], pools: Pools): fc.Arbitrary<string> {
  const inQuery = parameters.filter((parameter) => parameter.in === "query");
  const one = inQuery.map(({ name, schema = {} }) =>
    fc
      .oneof({ weight: 4, arbitrary: valid(schema, name, pools).map(String) }, { weight: 1, arbitrary: nastyText })
      .map((value) => `${name}=${encode(value)}`),
  );
  const raw = fc.constantFrom(
    "limit=1&limit=2",
    "a[b]=c",
    "%zz=1",
    "=&=&",
    "__proto__=1",
    "limit=%00",
    "state=,,,",
    "cursor=999999999999999",
  );
  return fc
    .array(
      fc.oneof(
        { weight: 6, arbitrary: one.length === 0 ? fc.constant("") : fc.oneof(...one) },
        { weight: 1, arbitrary: raw },
      ),
      { maxLength: 4 },
    )
    .map((parts) => parts.filter((part) => part !== "").join("&"));
}

function pathOf(path: string, pools: Pools): fc.Arbitrary<string> {
  if (!path.includes("{id}")) return fc.constant(path);
  const ids = pools.values[path.startsWith("/v1/grants") ? "grant" : "request"] ?? [];
  const raw = fc.constantFrom(
    "%00",
    "%2e%2e%2f",
    "%ff",
    "..",
    "gr_0000000000000000",
    "rq_0000000000000000",
    "a".repeat(600),
    "%F0%9F%92%A9",
  );
  return fc
    .oneof(
      { weight: 5, arbitrary: fc.constantFrom(...ids) },
      { weight: 1, arbitrary: nastyText.map(encode) },
      { weight: 1, arbitrary: raw },
    )
    .map((id) => path.replace("{id}", id));
}

function bodyOf({ requestBody }: Operation, pools: Pools): fc.Arbitrary<Buffer | null> {
  const hostile = fc.constantFrom(...HOSTILE_BODIES).map((body) => Buffer.from(body));
  const schema = requestBody?.content["application/json"]?.schema;
  if (schema === undefined)
    return fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: hostile });
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  return fc.oneof(
    { weight: 5, arbitrary: object(schema, pools).map(json) },
    { weight: 4, arbitrary: nearly(schema, pools).map(json) },
    { weight: 2, arbitrary: hostile },
    { weight: 1, arbitrary: fc.constant(null) },
  );
}

/** A call of any operation, by anybody. */
export function callsOf(document: JsonDocument, pools: Pools): fc.Arbitrary<MadeUpCall> {
  const all = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      // Most of what can go well begins with it.
      weight: operation.operationId === "requests.submit" ? 6 : 1,
      arbitrary: fc
        .record({
          who: fc.constantFrom(...pools.callers),
          path: pathOf(path, pools),
          query: query(operation.parameters ?? [], pools),
          body: bodyOf(operation, pools),
          more: hostileHeaders,
        })
        .map(
          ({ who, path: at, query: asked, body, more }): MadeUpCall => ({
            operation: operation.operationId ?? "",
            who,
            method: method.toUpperCase(),
            path: asked === "" ? at : `${at}?${asked}`,
            headers: { ...(body === null ? {} : { "content-type": "application/json" }), ...more },
            body,
          }),
        ),
    })),
  );
  return fc.oneof(...all);
}
