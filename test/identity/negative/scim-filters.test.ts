import assert from "node:assert/strict";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { ERROR_URN } from "../../../src/domain/scim/schema.ts";
import { assertScimRefused, SCIM_TOKEN, scimCompany } from "../../support/scim.ts";

const MB = 1_048_576;

test("a filter that is too long, too deep or no filter is refused in words, and never asked of the store", async (t) => {
  const it = await scimCompany(t);
  const walter = await it.user("walter");
  const search = async (filter: unknown, detail: RegExp): Promise<void> =>
    assertScimRefused(it, await it.scim("POST", "/Users/.search", { filter }), 400, "invalidFilter", detail);
  await search(`userName eq "${"x".repeat(MB)}"`, /4000 are the most/);
  await search(`${"(".repeat(MB)}userName pr${")".repeat(MB - 500)}`.slice(0, MB), /4000 are the most/);
  await search(`${"(".repeat(500)}userName pr${")".repeat(500)}`, /more than 20 parts lie within each other/);
  await search(`${"not (".repeat(300)}userName pr${")".repeat(300)}`, /within each other/);
  await search(`${"emails[".repeat(300)}value pr${"]".repeat(300)}`, /within each other/);
  await search(7, /Send one filter/);
  for (const filter of [
    "userName",
    "userName eq",
    'userName eq "x',
    "userName is 7",
    "eq eq eq",
    'userName eq "x" and',
    "()",
  ])
    await search(filter, /The filter cannot be read/);
  await search('userName eq "x" userName', /goes on where it should end/);
  await search('nickName eq "x"', /nickname, which is not known here/);
  await search('constructor eq "x"', /constructor, which is not known/);
  await search('emails[nickName eq "x"]', /not known here/);
  await search("active gt true", /cannot be compared/);
  await search("userName eq 7", /cannot be compared/);
  await search('meta.created gt "yesterday"', /cannot be compared/);
  const path = await it.patch(`/Users/${walter}`, { op: "remove", path: `emails[value eq "${"x".repeat(MB)}"]` });
  assertScimRefused(it, path, 400, "invalidPath", /4000 are the most/);
  const broken = await it.patch(`/Users/${walter}`, { op: "remove", path: 'emails[type eq "work"' });
  assertScimRefused(it, broken, 400, "invalidPath", /\] is missing/);
  const page = await it.scim("GET", "/Users?startIndex=one");
  assertScimRefused(it, page, 400, "invalidValue", /startIndex must be a whole number/);
  // As many as fit are read, and asked.
  const many = Array.from({ length: 120 }, (_, i) => `id eq "su_${i}"`).join(" or ");
  assert.equal((await it.scim("POST", "/Users/.search", { filter: many })).body.totalResults, 0);
});

test("an address of a megabyte is refused as SCIM would be told, before it is whole", async (t) => {
  const it = await scimCompany(t);
  await it.api.app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = it.api.app.server.address() as AddressInfo;
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; type: string; text: string }>();
  const asked = request({ host: "127.0.0.1", port, path: `/scim/v2/Users?filter=${"x".repeat(MB)}` });
  asked.setHeader("authorization", `Bearer ${SCIM_TOKEN}`);
  asked.on("response", (response) => {
    let text = "";
    response.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    response.on("end", () =>
      resolve({ status: response.statusCode ?? 0, type: String(response.headers["content-type"]), text }),
    );
  });
  asked.on("error", reject);
  asked.end();
  const { status, type, text } = await promise;
  assert.equal(status, 431);
  assert.match(type, /^application\/scim\+json/);
  assert.deepEqual(JSON.parse(text).schemas, [ERROR_URN]);
});
