/** The cursor of the next page: the last position of a full page. A page that is not full is the last. */
export const nextCursor = (page: readonly { seq: number }[], limit: number): string | null => {
  const last = page.at(-1);
  return last === undefined || page.length < limit ? null : String(last.seq);
};
