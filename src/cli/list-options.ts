/** What the commands that list things take: who, on what, when, in which order, which page. The API knows each by the same name. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "../base/clock.ts";
import type { Context } from "./connect.ts";
import { usage } from "./failure.ts";
import { entitlementName, momentText, wholeNumber } from "./options.ts";

export const PAGE_MAX = 200;
const ORDERS = ["newest", "oldest"] as const;
export type Order = (typeof ORDERS)[number];

/** Times in RFC 3339, as the server takes them. */
export type TimeSpan = { readonly from?: string; readonly until?: string };
export type Narrowing = TimeSpan & {
  readonly mine?: true;
  readonly person?: string;
  readonly resource?: string;
  readonly entitlement?: string;
  readonly order?: Order;
  readonly limit?: number;
  readonly cursor?: string;
};

/** For lists of what people make: requests and grants. `did` says how it came to be: asked for, made. */
export const withNarrowing = (command: Command, { whose, did }: { whose: string; did: string }): Command =>
  command
    .addOption(new Option("--mine", "your own").conflicts("person"))
    .option("--person <handle>", whose, named("a handle or an id, such as alice, or me"))
    .option("--resource <name>", "only on this resource", named("the name of a resource, such as orders-db"))
    .option("--entitlement <name>", "only of this entitlement", entitlementName)
    .option("--from <time>", `only ${did} at this time or later: 2026-01-31, 14:30, or 2h (ago)`, timeGiven)
    .option("--until <time>", `only ${did} before this time`, timeGiven);

/** Last, as they are looked for last. */
export const withPages = (command: Command): Command =>
  command
    .addOption(orderOption("newest"))
    .option("--limit <count>", "how many at most: up to 200; without it 50", wholeNumber(1, PAGE_MAX))
    .option("--cursor <cursor>", "go on where a page ended, with all else as it was", cursor);

/** Of lists that go by name. */
export type NamedPage = { readonly limit?: number; readonly cursor?: string };

export const withNamedPages = (command: Command): Command =>
  command
    .option("--limit <count>", "how many at most: up to 200; without it 50", wholeNumber(1, PAGE_MAX))
    .option("--cursor <name>", "go on where a page ended", named('the name that the page before gave after "More:"'));

export const orderOption = (usual: Order): Option =>
  new Option("--order <order>", `which first; without it ${usual}`).choices(ORDERS);

/** What the server is asked for, without what nobody said. */
export function narrowed(options: Narrowing) {
  const { mine, person, resource, entitlement, order, limit, cursor: at } = options;
  const who = mine ? "me" : person;
  return { ...spanned(options), ...given({ person: who, resource, entitlement, order, limit, cursor: at }) };
}

/** Both ends, or one, or none; the wrong way round nothing could be found, and that is worth saying. */
export function spanned({ from, until }: TimeSpan) {
  if (from !== undefined && until !== undefined && from >= until)
    throw usage(`Nothing lies between --from ${from} and --until ${until}: the first must be the earlier one.`);
  return given({ from, until });
}

/** A time as typed, read as seen from now. */
export const timeGiven = (written: string): string => momentText(systemClock.nowMs())(written);

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The members that are there: what was not typed is not sent. */
export const given = <T extends Record<string, unknown>>(members: T): Given<T> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Given<T>;

/** Said beside a page that was not the last. */
export function noteMore({ output }: Pick<Context, "output">, next: string | null): void {
  if (!output.json && next !== null) output.note(`More: the same with --cursor ${next}`);
}

function cursor(written: string): string {
  if (/^\d{1,15}$/.test(written)) return written;
  throw new InvalidArgumentError('Write the number that the page before named after "More:".');
}

export function named(what: string): (written: string) => string {
  return (written) => {
    const text = written.trim();
    if (text === "" || /\s/.test(text)) throw new InvalidArgumentError(`Write ${what}.`);
    return text;
  };
}
