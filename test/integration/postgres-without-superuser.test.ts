/** As the admin that is recommended: the other half of `connector-postgres.test.ts`. */
import { connectorWith } from "./connector-postgres-tests.ts";

connectorWith("createrole");
