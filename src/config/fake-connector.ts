/** A connector for the tests of this folder: the shape of the PostgreSQL one, and no target behind it. */
import { z } from "zod";
import { type Connector, defineConnector } from "../connector/connector.ts";

const grant = z.strictObject({
  schema: z.string(),
  tables: z.array(z.string()).min(1),
  columns: z.array(z.string()).optional(),
  privileges: z.array(z.enum(["SELECT", "INSERT", "UPDATE", "DELETE"])).min(1),
});
const managed = z.strictObject({
  database: z.string(),
  grants: z.array(grant).min(1),
  read_only: z.boolean().default(false),
  statement_timeout: z.string().optional(),
});
const adopted = z.strictObject({ database: z.string(), role: z.string() });
type Scope = z.infer<typeof managed> | z.infer<typeof adopted>;

const fake = defineConnector<{ url: string }, Scope>({
  kind: "fake",
  credential: "none",
  connection: z.strictObject({
    // Quotes what it was given, as a careless connector might: the loader must not let it through.
    url: z.string().superRefine((url, context) => {
      if (!url.startsWith("postgres://")) context.addIssue({ code: "custom", message: `cannot use ${url}` });
    }),
    password: z.string().optional(),
    ca: z.string().optional(),
  }),
  scope: z.union([managed, adopted]),
  describe: (scope) =>
    "role" in scope
      ? [`may do what ${scope.role} may`]
      : scope.grants.map((one) => `may ${one.privileges.join(", ")} on ${one.tables.join(", ")}`),
  includes: (outer, inner) =>
    !("role" in outer) &&
    !("role" in inner) &&
    inner.grants.every((one) =>
      outer.grants.some(
        (other) =>
          one.tables.every((table) => other.tables.includes(table)) &&
          one.privileges.every((right) => other.privileges.includes(right)),
      ),
    ),
  intend: () => ({ right: "", names: {} }),
  open: () => Promise.reject(new Error("there is no target behind this connector")),
});

export const fakeConnectors: ReadonlyMap<string, Connector> = new Map([[fake.kind, fake as Connector]]);

/** The beginning of a file: one resource of that connector, with the URL in the environment. */
export const ORDERS_DB = `version: 1
resources:
  orders-db:
    connector: fake
    connection: { url: "\${env:URL}" }
    entitlements:
      read:
        max_duration: 8h
        scope: { database: orders, grants: [{ schema: public, tables: [orders], privileges: [SELECT] }] }
`;
