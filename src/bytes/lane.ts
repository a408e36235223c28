/** Lets a bounded number of pieces of work run at once, in the order in which they came. */
export interface Lane {
  /** @throws the signal's reason if it is aborted before the work begins */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** Makes a lane for `limit` pieces of work at once. */
export function createLane(limit: number): Lane {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async run(work, signal) {
      if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
      else running++;
      try {
        signal?.throwIfAborted();
        return await work();
      } finally {
        // A place is handed on, not given back, so that nobody overtakes the queue.
        const next = waiting.shift();
        if (next === undefined) running--;
        else next();
      }
    },
  };
}
