/** For `node --import`: a program of this checkout finds `tidegate/client` as one beside an installed Tidegate does. */
import { registerHooks } from "node:module";

const CLIENT = new URL("../../src/contract/sdk.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "tidegate/client" ? { url: CLIENT, shortCircuit: true } : next(specifier, context),
});
