/** A small organisation for tests of the API. */
import type { TestContext } from "node:test";
import type { Configuration } from "../../src/domain/configuration.ts";
import { type Api, createApi, withTokens } from "./api.ts";
import { automatically, configuration, denies, directoryResource, needs, person } from "./configuration.ts";
import type { TestPostgres } from "./postgres-server.ts";
import { createWorld, type World } from "./world.ts";

/**
 * alice asks and waits for a lead (bob, frank); erin is on call and gets `orders:read` at once; `vault:open` needs one
 * from security (carol, sam) and one of the DBAs (dana, sam); dave is denied everything; nobody living approves
 * `orders:orphan`.
 */
export const organisation = (directory: string, defaults: Partial<Configuration["defaults"]> = {}): Configuration =>
  withTokens(
    configuration({
      resources: [
        directoryResource(
          "orders",
          directory,
          {
            read: { group: "readers", narrower: ["peek"] },
            peek: { group: "peekers" },
            fix: { group: "fixers", maxDurationMs: 2 * 3_600_000 },
            orphan: { group: "orphans" },
          },
          { owners: ["group:payments-leads"], labels: { team: "payments" }, title: "Orders" },
        ),
        directoryResource("vault", directory, { open: { group: "openers" } }),
      ],
      principals: [
        person("alice", { groups: ["payments"] }),
        person("erin", { groups: ["payments"], onCallTier: 1 }),
        person("bob", { groups: ["payments-leads"] }),
        person("frank", { groups: ["payments-leads"] }),
        person("carol", { groups: ["security"] }),
        person("dana", { groups: ["dba"] }),
        person("sam", { groups: ["security", "dba"] }),
        person("dave", { type: "contractor" }),
        person("stranger"),
        person("ada", { roles: ["admin"], groups: ["payments-leads"] }),
        person("audrey", { roles: ["auditor"] }),
        person("otto", { roles: ["operator"] }),
        person("robot", { kind: "service", groups: ["payments-leads"] }),
      ],
      policies: [
        denies("no-contractors", 'user.type == "contractor"'),
        automatically("on-call-reads", {
          when: 'oncall.tier in [1, 2] && entitlement.name in ["read", "peek"]',
          maxDurationMs: 2 * 3_600_000,
        }),
        { ...needs("two-of-them", ["group:security"], ["group:dba"]), when: 'resource.name == "vault"' },
        { ...needs("orphans", ["group:nobody"]), when: 'entitlement.name == "orphan"' },
        {
          ...needs("fixes", ["owners"]),
          when: 'entitlement.name == "fix"',
          ticketRequired: true,
          reasonMinLength: 15,
        },
        { ...needs("payments", ["owners"]), when: '"payments" in user.groups || "payments-leads" in user.groups' },
      ],
      defaults,
    }),
  );

/** The organisation in a world of its own, and its API; both end with the test. */
export async function organisationApi(server: TestPostgres, t: TestContext): Promise<{ world: World; api: Api }> {
  const world = await createWorld({ server, t });
  await world.configure(organisation(world.directoryName));
  const api = createApi(world);
  t.after(() => api.close());
  return { world, api };
}
