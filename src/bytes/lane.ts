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

/** Makes a lane for `limit` pieces of work at once; a limit that changes holds for what begins. */
export function createLane(limit: number | (() => number)): Lane {
  let running = 0;
  const waiting: Waiting[] = [];
  const limitNow = (): number => (typeof limit === 'number' ? limit : limit());
  const admit = (): void => {
    while (running < limitNow()) {
      const next = waiting.shift();
      if (next === undefined) return;
      // The place is taken here, so that nobody overtakes the queue.
      running++;
      next.start();
    }
  };
  const wait = (weight: number): Promise<void> =>
    new Promise((start) => {
      let at = waiting.length;
      while (at > 0 && (waiting[at - 1] as Waiting).weight < weight) at--;
      waiting.splice(at, 0, { weight, start });
    });
  return {
    async run(work, signal, weight = 0) {
      if (running >= limitNow()) await wait(weight);
      else running++;
      try {
        signal?.throwIfAborted();
        return await work();
      } finally {
        running--;
        admit();
      }
    },
  };
}
