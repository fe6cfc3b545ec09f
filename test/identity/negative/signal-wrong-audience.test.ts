import { test } from "node:test";
import { CLIENT } from "../../support/identity-provider.ts";
import { assertSignalRefused, signalling } from "../../support/signals.ts";

test("a signal for another receiver, for the client that people sign in through, or for nobody ends nothing", async (t) => {
  const it = await signalling(t);
  for (const aud of ["https://elsewhere.example/signals", CLIENT.id, [], undefined])
    await assertSignalRefused(it, "invalid_audience", it.claims(undefined, { aud } as never));
});
