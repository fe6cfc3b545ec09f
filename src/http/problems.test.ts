import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { submitRequest } from "../contract/requests.ts";
import { loggable, refuseError, refuseInput } from "./problems.ts";

const refusalOf = (body: unknown) => {
  const parsed = z.object({ body: submitRequest }).safeParse({ body }, { reportInput: true });
  assert.ok(!parsed.success);
  return refuseInput(parsed.error.issues);
};

describe("what is wrong with the input", () => {
  test("a duration alone has a code of its own", () => {
    const refusal = refusalOf({ entitlement: "a:b", duration: "1 fortnight" });
    assert.equal(refusal.refused, "invalid-duration");
    assert.equal(refusal.detail, '"1 fortnight" is not a duration; write 90s, 15m, 8h, 2d or 1h30m.');
  });

  test("several mistakes are one invalid-input that names each", () => {
    const refusal = refusalOf({ duration: null, surprise: 1 });
    assert.equal(refusal.refused, "invalid-input");
    assert.match(refusal.detail, /^Entitlement: is missing/);
    assert.match(refusal.detail, /duration: a duration is a text/);
    assert.match(refusal.detail, /not known here: "surprise"/);
  });

  test("a body that is no object is told to be one", () => {
    assert.equal(refusalOf(undefined).detail, "Send a JSON object.");
  });
});

describe("what was thrown", () => {
  const failure = (code: string, message = "x") => Object.assign(new Error(message), { code });

  test("a store that is away, starting, full or too slow is unavailable", () => {
    for (const error of [
      failure("ECONNREFUSED"),
      failure("57P01"),
      failure("57014"),
      failure("53300"),
      failure("08006"),
      new Error("timeout exceeded when trying to connect"),
      new Error("Connection terminated unexpectedly"),
    ])
      assert.equal(refuseError(error, "id").refused, "unavailable", String(error));
  });

  test("anything else is internal and tells nothing", () => {
    for (const error of [
      new Error("a secret"),
      failure("23505", "a secret"),
      new TypeError("a secret"),
      "a secret",
      null,
    ]) {
      const refusal = refuseError(error, "0b7f");
      assert.equal(refusal.refused, "internal");
      assert.doesNotMatch(JSON.stringify(refusal), /a secret/);
      assert.match(refusal.detail, /0b7f/);
    }
  });

  test("an error is logged without the values it carries", () => {
    const error = Object.assign(failure("23505", "duplicate key"), {
      detail: "Key (reason)=(private) already exists.",
    });
    assert.doesNotMatch(JSON.stringify(loggable(error)), /private/);
    assert.deepEqual(loggable("thrown text"), { message: "string" });
  });
});
