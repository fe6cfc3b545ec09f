/**
 * Calls made up from the OpenAPI document, on a real server: whatever comes, nothing fails inside, nobody learns what is
 * not theirs, and what is refused changes nothing. The seed is printed; TIDEGATE_SEED repeats a run.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type IncomingMessage, request as send } from "node:http";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import * as fc from "fast-check";
import { sql } from "kysely";
import { openApiDocument } from "../../src/contract/openapi.ts";
import { type Api, createApi, tokenOf } from "../support/api.ts";
import { callsOf, type MadeUpCall } from "../support/api-arbitraries.ts";
import { organisation } from "../support/api-people.ts";
import { makeActive } from "../support/drive.ts";
import { type JsonDocument, pointer, RFC_3339 } from "../support/openapi.ts";
import { createWorld, type World } from "../support/world.ts";

const SEED = Number(process.env["TIDEGATE_SEED"] ?? Date.now() % 2 ** 31);
const TIME_MS = 25_000;
const RUNS_MAX = 4_000;
/** What such calls must have been answered with, or they were all alike. */
const MET = [200, 201, 400, 401, 403, 404];

/** Stand in alice's request and in erin's lease, and must never be told to those who may not see these. */
const REASON = "MARKER-reason-of-alice";
const SECRET = "MARKER-secret-of-erin";
const OUTSIDERS: ReadonlySet<string | null> = new Set([null, "stranger", "dave", "robot", "carol", "dana", "erin"]);

let world: World;
let api: Api;
let url: URL;
let document: JsonDocument;
let calls: fc.Arbitrary<MadeUpCall>;
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const ajv = new Ajv2020({ strict: false });
ajv.addFormat("date-time", RFC_3339);

before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world, { limits: { perPrincipal: null, perAddress: null } });
  url = new URL(await api.app.listen({ host: "127.0.0.1", port: 0 }));
  document = JSON.parse(JSON.stringify(await openApiDocument()));
  ajv.addSchema({ ...document, $id: "tidegate" });
  const asked = { duration: "1h", reason: REASON };
  const requests = [];
  for (const entitlement of ["orders:read", "orders:peek"])
    requests.push((await api.post("alice", "/v1/requests", { ...asked, entitlement })).body.id);
  await api.post("bob", `/v1/requests/${requests[1]}/reviews`, { verdict: "approve" });
  const grants = [];
  for (let i = 0; i < 3; i += 1)
    grants.push((await api.post("erin", "/v1/requests", { entitlement: "orders:read", duration: "2h" })).body.grantId);
  await makeActive(world, grants[0], SECRET);
  grants.push((await api.get("alice", "/v1/grants")).body.grants[0].id);
  calls = callsOf(document, {
    callers: [
      "alice",
      "erin",
      "bob",
      "carol",
      "dana",
      "dave",
      "stranger",
      "robot",
      "ada",
      "audrey",
      "otto",
      "alice",
      "erin",
      null,
    ],
    values: {
      grant: grants,
      request: requests,
      entitlement: ["orders:read", "orders:peek", "orders:fix", "orders:orphan", "vault:open", "orders:none", "x"],
      person: ["me", "alice", "erin", "nobody"],
      user: ["alice", "dave", "nobody"],
      actor: ["alice", "me", "system:reconciler"],
      resource: ["orders", "vault"],
      kind: ["grant.created", "request.approved,grant.active"],
      state: ["pending", "active,scheduled", "denied", "revoked"],
      ticket: ["OPS-7"],
      reason: ["a good and long enough reason"],
    },
  });
});
after(async () => {
  agent.destroy();
  await api.close();
  await world.stop();
});

/**
 * What a refusal may leave behind: its own record. Every other table of the schema must be as it was, also one that a later
 * migration makes. The value says which rows are looked at all the same; null: none.
 */
const RECORDS: Readonly<Record<string, string | null>> = {
  // A request that policy denies is kept as denied.
  requests: "state <> 'denied'",
  // Who was denied is an entry, and somebody may be told of it.
  audit_entries: null,
  audit_positions: null,
  // Made of the positions.
  audit_lookup: null,
  audit_nodes: null,
  audit_unsequenced: null,
  audit_personal: null,
  messages: null,
  message_deliveries: null,
  // The answer is kept, so that the same call again gets the same refusal.
  idempotency_keys: null,
};

async function comparedTables(): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_class
    where relkind in ('r', 'p') and relnamespace = current_schema()::regnamespace order by relname`.execute(
    world.store.db,
  );
  const names = rows.map(({ name }) => name);
  assert.deepEqual(
    Object.keys(RECORDS).filter((name) => !names.includes(name)),
    [],
    "an exception for no table",
  );
  return names.filter((name) => RECORDS[name] !== null);
}

/** That its token was used is noted of every call, a refused one too: nothing else of the token may change. */
const rowOf = (table: string): string =>
  table === "api_tokens" ? "md5((to_jsonb(t) - 'last_used_at')::text)" : "md5(t::text)";

async function stateOfTheStore(): Promise<string> {
  const parts = (await comparedTables()).map(
    (name) =>
      `(select coalesce(md5(string_agg(${rowOf(name)}, '' order by ${rowOf(name)})), '') from "${name}" t where ${RECORDS[name] ?? "true"})`,
  );
  const { rows } = await sql<{ hash: string }>`select ${sql.raw(parts.join(" || "))} as hash`.execute(world.store.db);
  return rows[0]?.hash ?? "";
}

const failuresLogged = (): string[] =>
  api
    .logged()
    .split("\n")
    .filter((line) => /"level":(50|60)/.test(line));

type Got = { readonly status: number; readonly type: string; readonly text: string };

async function make(call: MadeUpCall): Promise<Got> {
  const headers = { ...(call.who === null ? {} : { authorization: `Bearer ${tokenOf(call.who)}` }), ...call.headers };
  const asked = send({
    agent,
    host: url.hostname,
    port: url.port,
    method: call.method,
    path: call.path,
    headers: { ...headers, ...(call.body === null ? {} : { "content-length": call.body.length }) },
  });
  asked.end(call.body ?? undefined);
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const got = { status: response.statusCode ?? 0, type: response.headers["content-type"] ?? "" };
  if (got.type.startsWith("text/event-stream")) {
    const [first] = (await once(response, "data")) as [Buffer];
    asked.destroy();
    return { ...got, text: first.toString() };
  }
  let text = "";
  for await (const piece of response) text += String(piece);
  return { ...got, text };
}

const validators = new Map<string, ValidateFunction>();

/** The schema of this answer, as the document has it; null where it tells of no such answer. */
function schemaOf({ operation }: MadeUpCall, { status, type }: Got): ValidateFunction | null {
  const media = type.split(";")[0] ?? "";
  const key = `${operation} ${status} ${media}`;
  const known = validators.get(key);
  if (known !== undefined) return known;
  for (const [path, item] of Object.entries(document.paths))
    for (const [method, { operationId, responses }] of Object.entries(item)) {
      if (operationId !== operation || responses[status]?.content?.[media] === undefined) continue;
      const at = ["paths", path, method, "responses", String(status), "content", media, "schema"];
      const found = ajv.getSchema(`tidegate#${pointer(at)}`);
      if (found !== undefined) validators.set(key, found);
      return found ?? null;
    }
  return null;
}

/** Addresses that a call was bent to are another route, or none. */
const bent = ({ path }: MadeUpCall, { status, text }: Got): boolean =>
  status === 404 && text.includes("There is nothing at") && path.includes("/");

function holdAgainstDocument(call: MadeUpCall, got: Got): void {
  if (bent(call, got)) return;
  const validate = schemaOf(call, got);
  assert.ok(validate !== null, `the document does not tell of ${got.status} ${got.type}: ${got.text.slice(0, 300)}`);
  // Lines of JSON (application/jsonl) are text.
  const body: unknown = /[/+]json(;|$)/.test(got.type) ? JSON.parse(got.text) : got.text;
  assert.ok(validate(body), `${ajv.errorsText(validate.errors)} in ${got.text.slice(0, 300)}`);
}

function holdSecret(call: MadeUpCall, got: Got): void {
  if (OUTSIDERS.has(call.who)) assert.ok(!got.text.includes(REASON), `${call.who} reads what alice wrote`);
  const erins = call.operation === "grants.credential" && call.who === "erin" && got.status === 200;
  if (!erins) assert.ok(!got.text.includes(SECRET), `${call.who} reads erin's secret`);
  assert.doesNotMatch(got.text, /tgt_test-token|sha256:[0-9a-f]{64}|node_modules|\.ts:\d+|at async|postgres:\/\/world/);
}

/** A panic would have all that is asked for after it refused, and nothing more would be met. */
async function calmed({ operation }: MadeUpCall, { status, text }: Got): Promise<boolean> {
  if (operation !== "panics.start" || status >= 300) return false;
  const lifted = await api.post("ada", `/v1/panics/${(JSON.parse(text) as { id: string }).id}/lift`, {
    reason: "the next call",
  });
  assert.equal(lifted.status, 200, lifted.text);
  return true;
}

describe("whatever is sent", () => {
  test("no failure inside, no leak, no undocumented answer, no change by a refusal", async (t) => {
    t.diagnostic(`seed ${SEED}`);
    let state = await stateOfTheStore();
    const answered = new Map<number, number>();
    const begunMs = performance.now();
    await fc.assert(
      fc.asyncProperty(calls, async (call) => {
        // On a slow machine it takes as long as it takes to have met them all.
        if (performance.now() - begunMs > TIME_MS && MET.every((status) => answered.has(status))) return;
        const got = await make(call);
        answered.set(got.status, (answered.get(got.status) ?? 0) + 1);
        assert.ok(got.status < 500, `${got.status}: ${got.text}`);
        holdAgainstDocument(call, got);
        holdSecret(call, got);
        const then = await stateOfTheStore();
        if (got.status >= 400) assert.equal(then, state, `a refusal changed something: ${got.text.slice(0, 300)}`);
        state = (await calmed(call, got)) ? await stateOfTheStore() : then;
      }),
      { seed: SEED, numRuns: RUNS_MAX, endOnFailure: true },
    );
    const counts = [...answered].sort(([a], [b]) => a - b);
    t.diagnostic(`answers: ${counts.map(([status, count]) => `${status}×${count}`).join(" ")}`);
    for (const status of MET) assert.ok(answered.has(status), `${status} was met at all`);
    for (const secret of [REASON, SECRET, "tgt_test-token", "sha256:"])
      assert.ok(!api.logged().includes(secret), secret);
    assert.deepEqual(failuresLogged(), []);
  });

  test("every method on every route is answered, and refused where it is not meant", async () => {
    const state = await stateOfTheStore();
    const paths = [
      ...Object.keys(document.paths),
      "/",
      "/v1",
      "/v2/grants",
      "//v1/me",
      "/v1/me/",
      "/v1/me/x",
      "/V1/ME",
      "*",
    ];
    const methods = [
      "GET",
      "HEAD",
      "POST",
      "PUT",
      "PATCH",
      "DELETE",
      "OPTIONS",
      "TRACE",
      "PROPFIND",
      "SEARCH",
      "LOCK",
      "MKCOL",
      "QUERY",
    ];
    for (const path of paths)
      for (const method of methods) {
        const documented = document.paths[path]?.[method.toLowerCase()] !== undefined;
        if (documented || (method === "HEAD" && document.paths[path]?.["get"] !== undefined)) continue;
        const asked = {
          operation: "",
          who: "alice",
          method,
          path: path.replace("{id}", "gr_0000000000000000"),
          headers: {},
          body: null,
        };
        const { status } = await make(asked);
        assert.ok([400, 404, 405].includes(status), `${method} ${path}: ${status}`);
      }
    assert.equal(await stateOfTheStore(), state);
  });

  test("connections that break off anywhere leave nothing half done", async () => {
    const state = await stateOfTheStore();
    const body = JSON.stringify({ entitlement: "orders:read", duration: "1h" });
    const whole = Buffer.from(
      `POST /v1/requests HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${tokenOf("erin")}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    for (let cut = 1; cut < whole.length; cut += 7) {
      const socket = connect(Number(url.port), url.hostname);
      socket.on("error", () => undefined);
      await once(socket, "connect");
      socket.write(whole.subarray(0, cut));
      if (cut % 2 === 0) socket.end();
      else socket.destroy();
    }
    assert.equal(
      (await make({ operation: "", who: "erin", method: "GET", path: "/v1/me", headers: {}, body: null })).status,
      200,
    );
    assert.equal(await stateOfTheStore(), state);
    assert.deepEqual(failuresLogged(), []);
  });
});
