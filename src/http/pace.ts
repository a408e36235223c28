import { createLane } from '../bytes/lane.ts';

/** How many large pieces of work a host is given at once: it adapts to what the host can take. */
export interface Pace {
  /** how many may run now */
  readonly atOnce: number;
  /** @throws the signal's reason if it is aborted before the work begins */
  run<T>(work: () => Promise<T>, signal?: AbortSignal, weight?: number): Promise<T>;
  /** The host refuses, fails or cuts: half as many from now on. */
  slowDown(): void;
}

export interface PaceOptions {
  readonly startAtOnce: number;
  readonly mostAtOnce: number;
}

/** Failures that come together are one sign, not many. */
const ONE_SIGN_MS = 1_000;

/**
 * Additive increase, multiplicative decrease: one more after as many pieces went well as run at
 * once, half as many after a failure.
 */
export function createPace({ startAtOnce, mostAtOnce }: PaceOptions): Pace {
  let atOnce = Math.min(startAtOnce, mostAtOnce);
  let wentWell = 0;
  let slowedAt = Number.NEGATIVE_INFINITY;
  const lane = createLane(() => atOnce);
  return {
    get atOnce() {
      return atOnce;
    },
    async run(work, signal, weight) {
      return await lane.run(
        async () => {
          const beganAt = performance.now();
          const result = await work();
          // What began before a failure says nothing about the time after it.
          if (beganAt > slowedAt && ++wentWell >= atOnce && atOnce < mostAtOnce) {
            atOnce++;
            wentWell = 0;
          }
          return result;
        },
        signal,
        weight,
      );
    },
    slowDown() {
      const now = performance.now();
      if (now - slowedAt < ONE_SIGN_MS) return;
      slowedAt = now;
      wentWell = 0;
      atOnce = Math.max(1, Math.floor(atOnce / 2));
    },
  };
}
