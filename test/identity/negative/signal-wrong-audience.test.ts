import { test } from "node:test";
import { CLIENT } from "../../support/identity-provider.ts";
import { assertSignalRefused, signalling } from "../../support/signals.ts";

for (const [what, aud] of [
  ["another receiver", "https://elsewhere.example/signals"],
  ["the client that people sign in through", CLIENT.id],
  ["nobody", undefined],
] as const)
  test(`a signal for ${what} ends nothing`, async (t) => {
    const it = await signalling(t);
    await assertSignalRefused(it, "invalid_audience", it.claims(undefined, { aud } as never));
  });
