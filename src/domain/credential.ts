/** What a person uses to get in, as it is delivered: once. Without `password` it is what may be stored and shown again. */
export type PasswordDelivery = {
  readonly kind: "password";
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly username: string;
  /** Connection URI without the password. */
  readonly uri: string;
};

/** A right on an account that the person already has: there is no secret to hand over. */
export type MembershipDelivery = { readonly kind: "membership"; readonly account: string; readonly note: string };

export type Delivery = PasswordDelivery | MembershipDelivery;
