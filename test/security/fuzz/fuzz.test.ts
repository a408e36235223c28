import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { LONG } from '../../rig/long.ts';
import { TARGETS } from './targets.ts';
import type { Job, Outcome } from './worker.ts';

/** Archives are files, which take their time. */
const isSlow = (name: string) => /^(?:tar|image) archives$/.test(name);
const countOf = (name: string) =>
  LONG ? (isSlow(name) ? 20_000 : 100_000) : isSlow(name) ? 300 : 1_000;
/** An input that takes longer is a finding, even on a machine that does much else. */
const LONGEST_MS = 20_000;

/** `SLIPWAY_FUZZ_SEED=N` repeats a run from the input with which it failed. */
const SEED = Number(process.env.SLIPWAY_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

const progress = new Int32Array(new SharedArrayBuffer(4));
const worker = new Worker(new URL('./worker.ts', import.meta.url), {
  workerData: progress.buffer,
});
after(() => worker.terminate());

/** Tries a target in the worker, and ends that if it hangs. */
function tryOut(job: Job): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    let last = -1;
    const watch = setInterval(() => {
      const now = Atomics.load(progress, 0);
      if (now === last) finish(() => reject(new Error(`it hangs at seed ${job.seed + now}`)));
      last = now;
    }, LONGEST_MS);
    const finish = (work: () => void) => {
      clearInterval(watch);
      worker.off('message', done);
      worker.off('error', failed);
      work();
    };
    const done = (outcome: Outcome) => finish(() => resolve(outcome));
    const failed = (error: unknown) => finish(() => reject(error));
    worker.on('message', done);
    worker.on('error', failed);
    worker.postMessage(job);
  });
}

for (const name of Object.keys(TARGETS)) {
  test(`${name} that somebody changed are read, or refused in our words`, async (t) => {
    t.diagnostic(`SLIPWAY_FUZZ_SEED=${SEED}`);
    const { finding, read } = await tryOut({ name, seed: SEED, count: countOf(name) });
    assert.equal(finding, undefined);
    assert.ok(read > 0, 'some are near enough to right ones');
  });
}
