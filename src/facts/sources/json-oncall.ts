/** Who is on call, from any service that answers with JSON in which each entry names a person. */
import { z } from "zod";
import { allAt, oneAt, pathToMany, pathToOne } from "../json-path.ts";
import { authorizationOf, signIn } from "../sign-in.ts";
import { defineOnCallSource, SourceError } from "../source.ts";
import { tierOf, wordOf } from "../texts.ts";

export const jsonOnCall = defineOnCallSource({
  kind: "json",
  // As it was before there were other kinds.
  match: "email",
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
      const line = tier === undefined ? 1 : tierOf(oneAt(entry, tier));
      return who === "" ? [] : [{ ids: [who], email: who, handle: who, tier: line }];
    });
  },
});
