import { parentPort, workerData } from 'node:worker_threads';
import { isSlipwayError } from '../../../src/errors.ts';

import { randomOf } from './random.ts';
import { cleanUp, TARGETS } from './targets.ts';

/** What is to be tried. */
export interface Job {
  readonly name: string;
  readonly seed: number;
  readonly count: number;
}

/** How it went: what was found, or nothing. */
export interface Outcome {
  readonly finding?: string;
  /** inputs that were read without an error */
  readonly read: number;
}

/** Place of the input that is being read: whoever watches sees whether it changes. */
const progress = new Int32Array(workerData as SharedArrayBuffer);

/** What no message may hold, to whomever it is shown. */
const CONTROL =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

async function tryAll({ name, seed, count }: Job): Promise<Outcome> {
  const target = TARGETS[name];
  if (target === undefined) throw new Error(`no target ${name}`);
  let read = 0;
  for (let nth = 0; nth < count; nth++) {
    Atomics.store(progress, 0, nth);
    const attempt = target(randomOf(seed + nth));
    try {
      await attempt.read();
      read++;
    } catch (error) {
      if (isSlipwayError(error) && !CONTROL.test(`${error.message}${error.hint}`)) continue;
      const input = Buffer.from(attempt.input).toString('latin1').slice(0, 2_000);
      const stack = error instanceof Error ? error.stack : String(error);
      return { read, finding: `seed ${seed + nth}: ${JSON.stringify(input)}: ${stack}` };
    }
  }
  await cleanUp();
  return { read };
}

parentPort?.on('message', (job: Job) => {
  void tryAll(job).then(
    (outcome) => parentPort?.postMessage(outcome),
    (error: unknown) => parentPort?.postMessage({ read: 0, finding: String(error) }),
  );
});
