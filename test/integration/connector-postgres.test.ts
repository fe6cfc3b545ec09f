/** Its other half is in `postgres-without-superuser.test.ts`, which runs at another time: together they take too long for one. */
import { connectorWith } from "./connector-postgres-tests.ts";

connectorWith("superuser");
