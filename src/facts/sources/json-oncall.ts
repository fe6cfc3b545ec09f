/** Who is on call, from any service that answers with JSON in which each entry names a person. */
import { z } from "zod";
import type { Json } from "../../base/canonical.ts";
import { allAt, oneAt, pathToMany, pathToOne } from "../json-path.ts";
import { authorizationOf, signIn } from "../sign-in.ts";
import { defineOnCallSource, SourceError } from "../source.ts";
import { wordOf } from "../texts.ts";

const TIER_MAX = 99;

export const jsonOnCall = defineOnCallSource({
  kind: "json",
  connection: z.strictObject({
    ...signIn("the address that answers who is on call now"),
    entries: pathToMany("where the entries are, one for each person and line"),
    person: pathToOne("where an entry names the person; null for a line that nobody is in"),
    tier: pathToOne(
      "where an entry names its line: 1 the first, 2 the second; without it everybody is in the first",
    ).optional(),
  }),
  async onCall({ url, entries, person, tier, ...credentials }, ask) {
    const answer = await ask({ url: new URL(url), authorization: authorizationOf(credentials) });
    if (answer === undefined) throw new SourceError("not-found", "has nothing at its address (HTTP 404)");
    return allAt(answer, entries).flatMap((entry) => {
      const who = wordOf(oneAt(entry, person), "person");
      return who === "" ? [] : [{ person: who, tier: tier === undefined ? 1 : tierOf(oneAt(entry, tier)) }];
    });
  },
});

function tierOf(value: Json): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= TIER_MAX) return value;
  throw new SourceError("unexpected", `answered with a tier that is no whole number from 1 to ${TIER_MAX}`);
}
