// A look that is asked for again and again: one at a time, so that none ends before an earlier one and none piles up where
// an answer takes long. Refuses to know: what is looked at.

/**
 * Runs `job`, which never rejects. Asked for while one runs, another begins behind it, once for all who asked; what is
 * returned resolves when one has ended that was begun after it was asked for.
 */
export function oneAtATime(job: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const run = (): Promise<void> => {
    running = job().finally(() => {
      running = undefined;
    });
    return running;
  };
  return () => {
    if (running === undefined) return run();
    next ??= running.then(() => {
      next = undefined;
      return run();
    });
    return next;
  };
}
