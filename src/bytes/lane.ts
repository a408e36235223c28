/** Lets a bounded number of pieces of work run at once, in the order in which they came. */
export interface Lane {
  /**
   * @param weight what is heavier overtakes what waits; 0 if left out
   * @throws the signal's reason if it is aborted before the work begins
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal, weight?: number): Promise<T>;
}

interface Waiting {
  readonly weight: number;
  readonly start: () => void;
}

/** Makes a lane for `limit` pieces of work at once. */
export function createLane(limit: number): Lane {
  let running = 0;
  const waiting: Waiting[] = [];
  const wait = (weight: number): Promise<void> =>
    new Promise((start) => {
      let at = waiting.length;
      while (at > 0 && (waiting[at - 1] as Waiting).weight < weight) at--;
      waiting.splice(at, 0, { weight, start });
    });
  return {
    async run(work, signal, weight = 0) {
      if (running >= limit) await wait(weight);
      else running++;
      try {
        signal?.throwIfAborted();
        return await work();
      } finally {
        // A place is handed on, not given back, so that nobody overtakes the queue.
        const next = waiting.shift();
        if (next === undefined) running--;
        else next.start();
      }
    },
  };
}
