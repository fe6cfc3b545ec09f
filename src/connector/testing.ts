/** What `tidegate/connector/testing` gives to those who test a connector, or something that uses one. */
export { type Chaos, type ChaosOptions, chaos } from "./chaos.ts";
export {
  type ChaosCall,
  type ChaosEvent,
  type ChaosPlan,
  type ChaosRates,
  type ChaosVerb,
  FAULTS,
  type Fault,
  type FaultRates,
  faultsOf,
} from "./chaos-plan.ts";
export { conformance } from "./conformance/conformance.ts";
export {
  type Access,
  type ByHand,
  FEATURES,
  type Feature,
  type Fixture,
  type Place,
  type Visit,
} from "./conformance/fixture.ts";
export { runConformance, type Verdict } from "./conformance/run-conformance.ts";
