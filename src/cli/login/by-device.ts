import { systemClock } from "../../base/clock.ts";
import type { LoginBegun } from "../../contract/login.ts";
import { patiently, pause } from "../patience.ts";
import { cleanText } from "../words/clean.ts";
import { clockTime } from "../words/time.ts";
import { openAddress } from "./open-address.ts";
import { finishing, type SignedIn, type Signing } from "./signing.ts";

/** How long a server that does not answer is borne. */
const PATIENCE_MS = 5 * 60_000;

/** The person types a code in at the provider, on whatever machine; here it is asked from time to time whether they have. */
export async function byDevice(signing: Signing, begun: LoginBegun & { how: "device" }): Promise<SignedIn> {
  const { output, signal, live } = signing;
  const { bold } = signing;
  const code = cleanText(begun.userCode);
  const [address, whole] = [
    cleanText(begun.address),
    begun.wholeAddress === null ? null : cleanText(begun.wholeAddress),
  ];
  output.note(
    ...(whole === null
      ? [`Open  ${bold(address)}`, `and type the code  ${bold(code)}`]
      : [`Open  ${bold(whole)}`, `and see that it shows the code  ${bold(code)}`, `Or open ${address} and type it.`]),
  );
  if (signing.open) {
    const trouble = await openAddress(whole ?? address);
    if (trouble !== null) output.note(`It could not be opened for you (${trouble}): open it yourself.`);
  }
  const until = clockTime(Date.parse(begun.expiresAt), systemClock.nowMs());
  const waiting = `waiting for you to sign in there; the code is good until ${until}; Ctrl-C breaks it off`;
  for (let waitMs = begun.retryAfterMs; ; ) {
    live.say(waiting);
    await pause(waitMs, signal);
    const onTrouble = (why: string): void => live.say(`${why}; trying again`);
    const asked = await patiently(() => finishing(signing, begun.login), { signal, withinMs: PATIENCE_MS, onTrouble });
    if (asked.signedIn) return asked;
    waitMs = asked.retryAfterMs;
  }
}
