/** Waits until a condition holds, looking often; fails saying what was waited for. */
export async function until<T>(
  condition: () => T | Promise<T>,
  { what, timeoutMs = 60_000 }: { what: string; timeoutMs?: number },
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const held = await condition();
    if (held) return held as NonNullable<T>;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, 20);
    await promise;
  }
}
