import { test } from "node:test";
import { assertSignalRefused, signalling } from "../../support/signals.ts";

for (const what of ["another issuer", "the same with one slash more", "nobody"])
  test(`a signal of ${what}, signed with the right key, ends nothing`, async (t) => {
    const it = await signalling(t);
    const iss = what === "nobody" ? undefined : what.startsWith("the") ? `${it.provider.issuer}/` : "https://elsewhere.example";
    await assertSignalRefused(it, "invalid_issuer", it.claims(undefined, { iss } as never));
  });
