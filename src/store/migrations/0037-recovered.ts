/** A quarantine is left at a head that is signed: a row alone puts no head aside. */
export const name = "0037-recovered";

export const sql = `alter table quarantines add column recovered text;`;
