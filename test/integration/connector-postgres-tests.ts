/**
 * The PostgreSQL connector on real servers of every version, as one kind of admin. One file for each kind starts them all
 * once: most of a test run's time is making clusters.
 */
import { describe } from "node:test";
import { shaken } from "./connector-postgres-chaos.ts";
import { conform } from "./connector-postgres-conformance.ts";
import { defences } from "./connector-postgres-defences.ts";
import { disabling } from "./connector-postgres-disable.ts";
import { drift } from "./connector-postgres-drift.ts";
import { evidence } from "./connector-postgres-evidence.ts";
import { lifeOfAGrant } from "./connector-postgres-life.ts";
import { isWorthWhile, onEveryServer, type Place } from "./connector-postgres-support.ts";

export function connectorWith(admin: Place["admin"]): void {
  onEveryServer(admin, (version) => {
    if (isWorthWhile(version, admin)) {
      conform(version, admin);
      describe("chaos", { concurrency: 1 }, () => shaken(version, admin));
    }
    describe("the life of a grant", { concurrency: 1 }, () => lifeOfAGrant(version, admin));
    describe("disabling", { concurrency: 1 }, () => disabling(version, admin));
    describe("evidence", { concurrency: 1 }, () => evidence(version, admin));
    describe("drift", { concurrency: 1 }, () => drift(version, admin));
    describe("defences", { concurrency: 1 }, () => defences(version, admin));
  });
}
