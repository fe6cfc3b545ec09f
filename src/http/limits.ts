/** How much the server takes from whom. Generous: they are there for loops that ran wild and for floods, not for people. */
import { isIP } from "node:net";

export type Rate = {
  /** What is given back each second. */
  readonly perSecond: number;
  /** How much may come at once. */
  readonly burst: number;
};

export type HttpLimits = {
  /** Null: not limited. */
  readonly perPrincipal: Rate | null;
  readonly perAddress: Rate | null;
  /** Of a provider that tells of its people by SCIM, from whatever address. */
  readonly perProvider: Rate | null;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Time for the head of a request, and for all of it. Who sends slower is cut off. */
  readonly headersWithinMs: number;
  readonly requestWithinMs: number;
  /** When the server stops: for what is under way. Then it is cut off. */
  readonly drainWithinMs: number;
  /** Addresses and networks whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** Header with the id that a proxy has given to the call; lower case. */
  readonly requestIdHeader: string | null;
};

export const LIMITS: HttpLimits = {
  perPrincipal: { perSecond: 50, burst: 500 },
  perAddress: { perSecond: 200, burst: 2_000 },
  // Somebody's first synchronisation of ten thousand people is no flood.
  perProvider: { perSecond: 1_000, burst: 20_000 },
  connections: 2_000,
  connectionsPerAddress: 1_000,
  headersWithinMs: 10_000,
  requestWithinMs: 30_000,
  drainWithinMs: 10_000,
  trustedProxies: [],
  requestIdHeader: null,
};

/** For the head of a request, in bytes; also the longest address. */
export const HEAD_BYTES_MAX = 16 * 1024;
export const HEADERS_MAX = 100;

type Env = Readonly<Record<string, string | undefined>>;

/** The limits as the environment sets them; throws a sentence where it is not understood. */
export function limitsFrom(env: Env): HttpLimits {
  const given = (name: string): string | null => env[name]?.trim() || null;
  return {
    ...LIMITS,
    perPrincipal: rate("TIDEGATE_RATE_PER_PRINCIPAL", given("TIDEGATE_RATE_PER_PRINCIPAL"), LIMITS.perPrincipal),
    perAddress: rate("TIDEGATE_RATE_PER_ADDRESS", given("TIDEGATE_RATE_PER_ADDRESS"), LIMITS.perAddress),
    perProvider: rate("TIDEGATE_RATE_PER_PROVIDER", given("TIDEGATE_RATE_PER_PROVIDER"), LIMITS.perProvider),
    connections: count("TIDEGATE_CONNECTIONS_MAX", given("TIDEGATE_CONNECTIONS_MAX"), LIMITS.connections),
    connectionsPerAddress: count(
      "TIDEGATE_CONNECTIONS_PER_ADDRESS",
      given("TIDEGATE_CONNECTIONS_PER_ADDRESS"),
      LIMITS.connectionsPerAddress,
    ),
    trustedProxies: proxies(given("TIDEGATE_TRUSTED_PROXIES")),
    requestIdHeader: headerName(given("TIDEGATE_REQUEST_ID_HEADER")),
  };
}

function rate(name: string, text: string | null, usual: Rate | null): Rate | null {
  if (text === null) return usual;
  if (text === "off") return null;
  const match = /^(\d{1,6})\/(\d{1,7})$/.exec(text);
  const [perSecond, burst] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || perSecond < 1 || burst < 1)
    throw new Error(`${name}=${text} is no rate. Write calls per second and burst, as in 50/500, or off.`);
  return { perSecond, burst };
}

function count(name: string, text: string | null, usual: number): number {
  if (text === null) return usual;
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new Error(`${name}=${text} is no count. Write a whole number, 1 or more.`);
  return Number(text);
}

function proxies(text: string | null): string[] {
  const list = text === null ? [] : text.split(",").map((part) => part.trim());
  const wrong = list.find((part) => {
    const [address = "", bits, ...more] = part.split("/");
    return isIP(address) === 0 || more.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits));
  });
  if (wrong !== undefined)
    throw new Error(
      `TIDEGATE_TRUSTED_PROXIES: ${JSON.stringify(wrong)} is no address. Write addresses or networks, as in 10.0.0.7,10.1.0.0/16.`,
    );
  return list;
}

function headerName(text: string | null): string | null {
  if (text === null) return null;
  if (!/^[a-z][a-z0-9-]{0,60}$/i.test(text))
    throw new Error(`TIDEGATE_REQUEST_ID_HEADER=${text} is no name of a header. Write one, as in X-Request-Id.`);
  return text.toLowerCase();
}
