import assert from 'node:assert/strict';
import { run } from './programs.ts';

/** What a machine that has nothing else to do needs at most to start Node. */
const START_MS = 100;
const SAMPLES = 3;

/** How many times longer than on an idle machine things take now; at least 1. */
export async function slowness(): Promise<number> {
  let mostMs = 0;
  for (let sample = 0; sample < SAMPLES; sample++) {
    const startedAt = performance.now();
    await run(process.execPath, ['-e', '0']);
    mostMs = Math.max(mostMs, performance.now() - startedAt);
  }
  return Math.max(1, mostMs / START_MS);
}

/** Holds a time to what is promised; on a machine that is busy with others' work to as much more. */
export async function assertPrompt(tookMs: number, promisedMs: number, story = ''): Promise<void> {
  if (tookMs < promisedMs) return;
  const limitMs = promisedMs * 2 * (await slowness());
  assert.ok(tookMs < limitMs, `it took ${tookMs.toFixed(0)} of ${limitMs.toFixed(0)} ms ${story}`);
}
