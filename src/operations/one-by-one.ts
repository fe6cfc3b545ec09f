/** Works on each by itself, so that one that fails keeps none of the others waiting; then reports those that did. Answers how many there were. */
export async function oneByOne<Id>(ids: readonly Id[], what: string, work: (id: Id) => Promise<void>): Promise<number> {
  const failures: unknown[] = [];
  for (const id of ids) await work(id).catch((error: unknown) => failures.push(error));
  if (failures.length > 0)
    throw new AggregateError(
      failures,
      `${failures.length} of ${ids.length} requests could not be ${what}: ${failures[0]}`,
    );
  return ids.length;
}
