/** What the demo tells of itself in `demo.json`. */
export type DemoState = {
  readonly url: string;
  readonly productionAdminUrl: string;
  readonly storeUrl: string | null;
  readonly configFile: string;
  readonly pid: number;
};
