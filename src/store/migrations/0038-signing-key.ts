/** Which key signs the log now, so that whoever kept no head knows whom it follows. Null until the next head. */
export const name = "0038-signing-key";

export const sql = "alter table installation add column signing_key text;";
