/** What the demo tells of itself in `demo.json`. */
export type DemoState = {
  readonly url: string;
  /** Where browsers sign in; null where the demo has no identity provider. */
  readonly signInUrl: string | null;
  readonly productionAdminUrl: string;
  readonly storeUrl: string | null;
  readonly configFile: string;
  readonly pid: number;
};
