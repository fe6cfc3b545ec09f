/**
 * Asks once for all who want to know: whoever comes while a question is under way is answered by the next one, so that no
 * answer is older than the call that it is given to.
 */
export function together<T>(ask: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | null = null;
  const after = async (before: Promise<unknown>): Promise<T> => {
    await before.catch(() => undefined);
    next = null;
    const answer = ask();
    underWay = answer;
    return answer;
  };
  return () => {
    next ??= after(underWay);
    return next;
  };
}
