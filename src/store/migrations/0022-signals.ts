/** What providers say of their people without being asked: each is taken once. */
export const name = "0022-signals";

export const sql = `
create table signals (
  issuer text not null,
  jti text not null check (length(jti) <= 255),
  forget_at timestamptz not null,
  primary key (issuer, jti)
);
create index signals_forget_at on signals (forget_at);
`;
