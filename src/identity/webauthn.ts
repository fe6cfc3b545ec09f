/**
 * Passkeys, asked for and checked as WebAuthn says. Origin and relying party are the configured address and its host, letter by
 * letter; the person must have been verified by the authenticator. The library is loaded when somebody needs it.
 */
import type {
  AuthenticationResponseJSON,
  AuthenticatorTransport,
  RegistrationResponseJSON,
} from "@simplewebauthn/server";
import { type Refusal, refuse } from "../base/problem.ts";
import type { Identity } from "../domain/identity.ts";
import type { Principal } from "../domain/principal.ts";
import type { NewPasskey, Passkey } from "../store/passkeys.ts";

/** EdDSA, ES256, RS256. */
const SUPPORTED = [-8, -7, -257];
const TIMEOUT_MS = 120_000;
const ANSWER_CHARS_MAX = 20_000;

type UseChallenge = (challenge: string) => Promise<boolean>;
export type Question = { readonly challenge: string; readonly options: object };

const rpOf = ({ url }: Identity): string => new URL(url).hostname;
/** Browsers know passkeys of names, never of addresses in numbers. */
export const hasPasskeys = (identity: Identity): boolean => !/^(\[|[\d.]+$)/.test(rpOf(identity));

const described = ({ credentialId, transports }: Passkey) => ({
  id: credentialId,
  transports: transports as AuthenticatorTransport[],
});
const userHandleOf = ({ id }: Pick<Principal, "id">): Buffer => Buffer.from(id);

export async function askForNew(identity: Identity, person: Principal, known: readonly Passkey[]): Promise<Question> {
  const { generateRegistrationOptions } = await import("@simplewebauthn/server");
  const options = await generateRegistrationOptions({
    ...{ rpName: "Tidegate", rpID: rpOf(identity), timeout: TIMEOUT_MS, attestationType: "none" },
    ...{ userID: new Uint8Array(userHandleOf(person)), userName: person.handle, userDisplayName: person.name },
    supportedAlgorithmIDs: SUPPORTED,
    excludeCredentials: known.map(described),
    authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
  });
  return { challenge: options.challenge, options };
}

export async function askForOneOf(identity: Identity, known: readonly Passkey[]): Promise<Question> {
  const { generateAuthenticationOptions } = await import("@simplewebauthn/server");
  const options = await generateAuthenticationOptions({
    ...{ rpID: rpOf(identity), timeout: TIMEOUT_MS, userVerification: "required" },
    allowCredentials: known.map(described),
  });
  return { challenge: options.challenge, options };
}

export async function readNew(
  identity: Identity,
  answer: string,
  name: string,
  expectedChallenge: UseChallenge,
): Promise<NewPasskey | Refusal> {
  const response = parse<RegistrationResponseJSON>(answer);
  if (response === null) return NOT_AN_ANSWER;
  return tried(async () => {
    const { verifyRegistrationResponse } = await import("@simplewebauthn/server");
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      ...{ response, expectedChallenge, requireUserVerification: true, supportedAlgorithmIDs: SUPPORTED },
      ...{ expectedOrigin: identity.url, expectedRPID: rpOf(identity) },
    });
    if (!verified) return NOT_AN_ANSWER;
    const { id, publicKey, counter, transports = [] } = registrationInfo.credential;
    return { name, credentialId: id, publicKey: Buffer.from(publicKey), counter, transports };
  });
}

/** The number of uses that it says. `find`: the passkey that answers, where it is the person's. */
export async function readShown(
  identity: Identity,
  answer: string,
  find: (credentialId: string) => Promise<Passkey | null>,
  expectedChallenge: UseChallenge,
): Promise<{ readonly passkey: Passkey; readonly counter: number } | Refusal> {
  const response = parse<AuthenticationResponseJSON>(answer);
  if (response === null) return NOT_AN_ANSWER;
  const passkey = await find(response.id);
  const { userHandle } = response.response;
  const names = userHandle === undefined || userHandle === null || passkey === null ? null : userHandle;
  if (passkey === null || (names !== null && names !== userHandleOf({ id: passkey.principalId }).toString("base64url")))
    return refuse("sign-in-refused", "This passkey is not one of whoever asked.");
  return tried(async () => {
    const { verifyAuthenticationResponse } = await import("@simplewebauthn/server");
    const { credentialId: id, publicKey, counter } = passkey;
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      ...{ response, expectedChallenge, requireUserVerification: true },
      ...{ expectedOrigin: identity.url, expectedRPID: rpOf(identity) },
      credential: { id, publicKey: new Uint8Array(publicKey), counter },
    });
    return verified ? { passkey, counter: authenticationInfo.newCounter } : notTaken("its signature does not hold");
  });
}

const NOT_AN_ANSWER = refuse("sign-in-refused", "What was sent is not the answer of a passkey. Try once more.");

function parse<T extends { id: string; response: object }>(answer: string): T | null {
  try {
    const parsed = answer.length > ANSWER_CHARS_MAX ? null : (JSON.parse(answer) as T | null);
    return typeof parsed?.id === "string" && typeof parsed.response === "object" && parsed.response !== null
      ? parsed
      : null;
  } catch {
    return null;
  }
}

const notTaken = (why: string): Refusal => refuse("sign-in-refused", `This passkey was not taken: ${why}.`);

const WHY: readonly (readonly [RegExp, string])[] = [
  [/challenge/i, "it answers another question, or one that was answered already or has taken too long"],
  [/origin|RP ID/i, "it was shown at another address than this"],
  [/user (not present|verification|could not be verified)/i, "it has not checked that it is you (PIN, finger or face)"],
  [/counter/i, "its counter has gone back, so there may be a copy of it. Remove it, and add another"],
];

/** The library says what is wrong by throwing; its words hold what was sent and are not repeated. */
async function tried<T>(work: () => Promise<T | Refusal>): Promise<T | Refusal> {
  try {
    return await work();
  } catch (error) {
    const said = error instanceof Error ? error.message : "";
    const why = WHY.find(([words]) => words.test(said))?.[1] ?? "its signature does not hold";
    return notTaken(why);
  }
}
