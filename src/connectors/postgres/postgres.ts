import { defineConnector } from "../../connector/connector.ts";
import { connectionSchema, type PostgresConnection } from "./connection.ts";
import { describe } from "./describe.ts";
import { diagnose } from "./diagnose/diagnose.ts";
import { disable } from "./disable.ts";
import { identify } from "./identify.ts";
import { includes } from "./includes.ts";
import { mend } from "./mend.ts";
import { loginMark, namesOf, recordedNames } from "./names.ts";
import { observe } from "./observe.ts";
import { others } from "./others.ts";
import { probe } from "./probe.ts";
import { extend, provision } from "./provision.ts";
import { remove } from "./remove.ts";
import { revoke } from "./revoke.ts";
import { findMarked } from "./roles.ts";
import { type PostgresScope, scopeSchema } from "./scope.ts";
import { openSession } from "./session.ts";

/**
 * PostgreSQL 14 to 18. A grant is a login role of its own, member of a group role that holds the rights; ending it
 * follows the measured recipe in `revoke.ts`, and `probe.ts` proves it.
 */
export const postgres = defineConnector<PostgresConnection, PostgresScope>({
  kind: "postgres",
  credential: "password",
  connection: connectionSchema,
  scope: scopeSchema,
  describe,
  includes,
  intend: (intent) => {
    const names = namesOf(intent);
    return { right: `login/${names.role}`, names: { ...names } };
  },
  diagnose,
  open: async (connection, context) => {
    const session = await openSession(connection, context);
    return {
      identify: () => identify(session.main),
      standing: async (order) => {
        // A login of one grant's own name cannot have stood there before it; a stranger of that name is in the way.
        await findMarked(session.main, recordedNames(order).role, loginMark(order.installation, order.grant));
        return false;
      },
      provision: (order, grant) => provision(session, order, grant),
      extend: (order, { remainingMs }) => extend(session, order, remainingMs),
      revoke: (order, options) => revoke(session, order, options),
      // Each grant has a login of its own: there is nothing that others need and that would be kept.
      disable: (order) => disable(session, order),
      probe: (order) => probe(session, order),
      observe: (installation, orders) => observe(session, installation, orders),
      remove: (observed) => remove(session, observed),
      mend: (order, options) => mend(session, order, options),
      others: (scopes) => others(session, scopes),
      close: () => session.close(),
    };
  },
});
