/** What the benchmarks of policy decide about: 1,000 rules, 10,000 people, 500 resources with ten entitlements each. */
import type { PrincipalId } from "../../src/base/ids.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import type { Rule } from "../../src/domain/policy.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { automatically, configuration, denies, directoryResource, needs, person } from "../support/configuration.ts";

const RULES = 1_000;
const PEOPLE = 10_000;
const RESOURCES = 500;
const ENTITLEMENTS = 10;
const TEAMS = 100;

const teamOf = (n: number): string => `team-${n % TEAMS}`;

/** A deny, a rule for those on call and rules for teams, in turn; each names a team, as rules of a large organisation do. */
function rule(n: number): Rule {
  const mine = `resource.labels.team == "${teamOf(n)}"`;
  if (n % 10 === 0)
    return denies(`r${n}`, `user.type == "contractor" && ${mine} && entitlement.name == "e${n % ENTITLEMENTS}"`);
  if (n % 10 === 1)
    return automatically(`r${n}`, {
      when: `oncall.tier in [1, 2] && ${mine} && request.ticket.matches("^INC-[0-9]+$")`,
      maxDurationMs: 2 * 3_600_000,
    });
  return {
    ...needs(`r${n}`, ["owners"]),
    when: `"${teamOf(n)}" in user.groups && ${mine} && request.duration <= duration("${(n % 8) + 1}h")`,
  };
}

export const largeConfiguration = (directory: string): Configuration =>
  configuration({
    resources: Array.from({ length: RESOURCES }, (_, n) =>
      directoryResource(
        `db-${n}`,
        directory,
        Object.fromEntries(Array.from({ length: ENTITLEMENTS }, (_each, e) => [`e${e}`, { group: `g${e}` }])),
        { labels: { team: teamOf(n) }, owners: [`group:${teamOf(n)}-leads`] },
      ),
    ),
    principals: [person("asker", { groups: Array.from({ length: TEAMS }, (_, n) => teamOf(n)) })],
    policies: Array.from({ length: RULES }, (_, n) => rule(n)),
  });

/** In one team each; every twentieth leads it. */
export const manyPeople = (): Principal[] =>
  Array.from({ length: PEOPLE }, (_, n) => ({
    id: `pr_${String(n).padStart(16, "0")}` as PrincipalId,
    ...{ kind: "user", handle: `p${n}`, name: `Person ${n}`, email: null, type: "employee", roles: ["member"] },
    groups: [teamOf(n), ...(n % 2_000 < TEAMS ? [`${teamOf(n)}-leads`] : [])],
    ...{ onCallTier: n % 50 === 0 ? 1 : 0, active: true },
  }));
