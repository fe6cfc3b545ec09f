import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { type Client, createClient } from "../../src/contract/client.ts";
import { ProblemError } from "../../src/contract/client-errors.ts";
import type { EventView } from "../../src/contract/events.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import { type Api, createApi, tokenOf } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;
let url: string;
let people: Configuration;
const stops: (() => Promise<void>)[] = [];

before(async () => {
  world = await createWorld();
  people = organisation(world.directoryName);
  await world.configure(people);
  api = createApi(world);
  url = await api.app.listen({ host: "127.0.0.1", port: 0 });
});
after(async () => {
  // Also those of a test that failed: a client that nobody stops comes back for ever.
  for (const stop of stops) await stop();
  await api.close();
  await world.stop();
});

/** Follows as that person; `seen` grows. */
function following(who: string, options: { after?: number } = {}, client: Client = clientOf(who)) {
  const ending = new AbortController();
  const seen: EventView[] = [];
  const places: number[] = [];
  const ended = (async () => {
    for await (const event of client.events({
      ...options,
      signal: ending.signal,
      onPosition: (seq) => places.push(seq),
    }))
      seen.push(event);
  })();
  // Some end with a refusal, which the test asks for.
  ended.catch(() => undefined);
  const stop = async (): Promise<void> => {
    ending.abort();
    await ended.catch(() => undefined);
  };
  stops.push(stop);
  return {
    seen,
    /** Since it is open: it has told where it is. */
    open: () => until(() => places.length > 0, { what: `${who}'s stream to be open` }),
    ended,
    stop,
  };
}

const clientOf = (who: string): Client => createClient({ url, token: tokenOf(who) });

/** Asks, and gets or waits. */
const ask = (who: string, entitlement = "orders:read") =>
  clientOf(who).submitRequest({ entitlement, duration: "10m", reason: "a private matter" });

describe("the stream of events", () => {
  test("each sees what happens to what they may see, and nothing else", async () => {
    const streams = ["alice", "bob", "audrey", "stranger", "dave", "robot"].map((who) => ({ who, ...following(who) }));
    await Promise.all(streams.map(({ open }) => open()));
    const all = (who: string) => streams.find((stream) => stream.who === who)?.seen ?? [];
    const of = (who: string) => all(who).filter(({ about }) => about !== "message");
    const told = (who: string) => all(who).flatMap(({ about, kind }) => (about === "message" ? [kind] : []));
    const request = await ask("alice");
    const approved = await clientOf("bob").reviewRequest(request.id, { verdict: "approve", comment: "between us" });
    const wanted = ["request.submitted", "review.recorded", "request.approved", "grant.created"];
    for (const who of ["alice", "bob", "audrey"]) {
      await until(() => of(who).length >= 4, { what: `${who} to hear of it` });
      assert.deepEqual(
        of(who).map(({ kind }) => kind),
        wanted,
      );
      assert.deepEqual(
        [of(who)[3]?.grantId, of(who)[3]?.state, of(who)[3]?.about],
        [approved.grantId, "scheduled", "grant"],
      );
      assert.deepEqual([of(who)[0]?.requestId, of(who)[0]?.state], [request.id, "pending"]);
      assert.doesNotMatch(JSON.stringify(all(who)), /private|between us/);
    }
    assert.deepEqual(["alice", "bob", "audrey"].map(told), [["request.approved"], ["request.needs-approval"], []]);
    // Whoever is shown nothing is past it all the same.
    const last = of("audrey").at(-1)?.seq ?? 0;
    await ask("stranger", "orders:read").catch(() => undefined);
    await until(() => of("stranger").length > 0, { what: "the stranger's own refusal" });
    assert.deepEqual(
      of("stranger").map(({ kind }) => kind),
      ["request.denied"],
    );
    assert.ok((of("stranger")[0]?.seq ?? 0) > last);
    assert.deepEqual(all("dave"), []);
    assert.deepEqual(all("robot"), []);
    await Promise.all(streams.map((stream) => stream.stop()));
  });

  test("taken up again after any event, nothing is missed and nothing comes twice", async () => {
    const from = (await api.get("audrey", "/v1/audit?order=newest&limit=1")).body.entries[0].seq;
    for (let i = 0; i < 3; i += 1) await ask("erin", "orders:peek");
    const whole = following("audrey", { after: from });
    await until(() => whole.seen.length >= 6, { what: "six events" });
    await whole.stop();
    for (const { seq } of whole.seen.slice(0, 5)) {
      const rest = following("audrey", { after: seq });
      const wanted = whole.seen.filter((event) => event.seq > seq).map((event) => event.seq);
      await until(() => rest.seen.length >= wanted.length, { what: `the rest after ${seq}` });
      assert.deepEqual(
        rest.seen.map((event) => event.seq),
        wanted,
      );
      await rest.stop();
    }
  });

  test("an id that the log does not have, or that is none, is refused", async () => {
    for (const id of ["999999999", "abc", "-1", "1.5"]) {
      const answer = await api.call("audrey", "GET", "/v1/events", undefined, { headers: { "last-event-id": id } });
      assert.equal(answer.body.code, "invalid-input", id);
    }
    await assert.rejects(
      following("audrey", { after: 999_999_999 }).ended,
      (error) => error instanceof ProblemError && error.code === "invalid-input",
    );
  });

  test("without a token there is no stream, and no HEAD of one", async () => {
    assert.equal((await api.get(null, "/v1/events")).status, 401);
    const { status, headers } = await api.call("alice", "HEAD", "/v1/events").catch(async () => {
      const response = await fetch(`${url}/v1/events`, {
        method: "HEAD",
        headers: { authorization: `Bearer ${tokenOf("alice")}` },
      });
      return { status: response.status, headers: Object.fromEntries(response.headers) };
    });
    assert.equal(status, 405);
    assert.equal(headers["allow"], "GET");
  });

  test("it ends when the person is deactivated, and when the token is taken out", async () => {
    for (const change of [
      (person: Configuration["principals"][number]) => ({ ...person, active: false }),
      (person: Configuration["principals"][number]) => ({ ...person, tokens: [] }),
    ]) {
      const stream = following("sam");
      await stream.open();
      const principals = people.principals.map((person) => (person.handle === "sam" ? change(person) : person));
      await world.configure({ ...people, principals });
      api.announce();
      await assert.rejects(stream.ended, (error) => error instanceof ProblemError && error.code === "unauthenticated");
      await world.configure(people);
    }
  });

  test("who loses sight of something hears no more of it", async () => {
    const request = await ask("alice");
    const stream = following("frank");
    await stream.open();
    const principals = people.principals.map((person) =>
      person.handle === "frank" ? { ...person, groups: [] } : person,
    );
    await world.configure({ ...people, principals });
    await clientOf("alice").cancelRequest(request.id);
    await ask("frank", "orders:read").catch(() => undefined);
    await until(() => stream.seen.length > 0, { what: "frank's own refusal" });
    assert.ok(stream.seen.every(({ requestId }) => requestId !== request.id));
    await stream.stop();
    await world.configure(people);
  });

  test("one person has so many streams and no more; each that ends makes room", async () => {
    const streams = Array.from({ length: 10 }, () => following("carol"));
    await Promise.all(streams.map(({ open }) => open()));
    const { status, body, headers } = await api.get("carol", "/v1/events");
    assert.equal(status, 429);
    assert.equal(body.code, "too-many-requests");
    assert.ok(Number(headers["retry-after"]) > 0);
    await streams[0]?.stop();
    const more = following("carol");
    await more.open();
    await Promise.all([...streams, more].map((stream) => stream.stop()));
  });

  test("who does not read holds back their own stream only, and costs no more than a buffer", async () => {
    const socket: Socket = connect(Number(new URL(url).port), "127.0.0.1");
    await once(socket, "connect");
    socket.pause();
    socket.write(`GET /v1/events?after=0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${tokenOf("audrey")}\r\n\r\n`);
    const reader = following("audrey");
    await reader.open();
    const request = await ask("alice");
    await until(() => reader.seen.some(({ requestId }) => requestId === request.id), { what: "the reader to hear" });
    await reader.stop();
    socket.destroy();
  });

  test("it ends at once when the server stops, and no connection stays", async (t) => {
    const own = createApi(world);
    const there = await own.app.listen({ host: "127.0.0.1", port: 0 });
    const stream = following("alice", {}, createClient({ url: there, token: tokenOf("alice") }));
    await stream.open();
    // Nothing is waited for: no timer calls back meanwhile.
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    await own.close();
    t.mock.timers.reset();
    await stream.stop();
  });
});
