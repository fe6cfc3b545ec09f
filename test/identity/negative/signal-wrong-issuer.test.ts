import { test } from "node:test";
import { assertSignalRefused, signalling } from "../../support/signals.ts";

test("a signal of another issuer, or of the same with one slash more, ends nothing, with the right key or not", async (t) => {
  const it = await signalling(t);
  for (const iss of ["https://elsewhere.example", `${it.provider.issuer}/`, undefined])
    await assertSignalRefused(it, "invalid_issuer", it.claims(undefined, { iss } as never));
});
