import assert from "node:assert/strict";
import { test } from "node:test";
import { BOUNDS, boundsFrom } from "./bounds.ts";

test("work on targets is bounded as the environment says, and a variable that is not understood is named", () => {
  assert.deepEqual(boundsFrom({}), BOUNDS);
  assert.deepEqual(
    boundsFrom({ TIDEGATE_WORK_PER_TARGET: "2", TIDEGATE_WORK_AT_ONCE: " 10 ", TIDEGATE_WORK_CONNECTIONS: "" }),
    { perTarget: 2, inFlightMax: 10, connections: BOUNDS.connections },
  );
  for (const wrong of ["0", "-1", "many", "1.5", "10000"])
    assert.throws(() => boundsFrom({ TIDEGATE_WORK_AT_ONCE: wrong }), /TIDEGATE_WORK_AT_ONCE=.* is no count/);
});
