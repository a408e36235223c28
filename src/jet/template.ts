import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createLane } from '../bytes/lane.ts';

/** A template of Go's, and the plain values that it knows. */
export interface Rendering {
  readonly template: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** What a template gave, or why it gave nothing. */
export type Rendered =
  | { readonly text: string }
  | {
      readonly problem: string;
      /** the engine can't be used again */
      readonly isBroken?: boolean;
    };

/** Of a processor, not of a clock: on a busy machine an honest template waits as long. */
const LONGEST_CPU_MS = 2_000;
const LONGEST_MS = 60_000;
const LOOK_MS = 100;

/** Beside this file, from source and in the bundle. */
const PROGRAM = new URL(
  `./template-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
  import.meta.url,
);

let started: Promise<Worker> | undefined;
const lane = createLane(1);

/**
 * Renders a template of Go's with Go's own engine, in a thread whose memory and time are limited: a
 * few words of a template can ask for any amount of both.
 */
export async function renderTemplate(rendering: Rendering): Promise<Rendered> {
  return await lane.run(async () => {
    started ??= start();
    const worker = await started;
    // Whoever waits holds the process; an idle engine doesn't.
    worker.ref();
    const rendered = await answerOf(worker, rendering);
    worker.unref();
    if ('problem' in rendered && rendered.isBroken === true) {
      started = undefined;
      await worker.terminate();
    }
    return rendered;
  });
}

async function start(): Promise<Worker> {
  // What a Go program says when it ends is of no use to anybody here.
  const worker = new Worker(PROGRAM, { stdout: true, stderr: true, execArgv: [] });
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('exit', () => reject(new Error('the engine of templates ended')));
    worker.on('error', reject);
  }).catch((error: unknown) => {
    started = undefined;
    throw error;
  });
  return worker;
}

async function answerOf(worker: Worker, rendering: Rendering): Promise<Rendered> {
  const end = Promise.withResolvers<Rendered>();
  const broken = () => end.resolve({ problem: 'it ends the engine of templates', isBroken: true });
  const late = (ms: number) =>
    end.resolve({ problem: `it takes more than ${ms / 1000} seconds`, isBroken: true });
  const stop = new AbortController();
  const watching = watch(worker, late, stop.signal);
  watching.catch(() => {});
  worker.once('message', end.resolve);
  worker.once('error', broken);
  worker.once('exit', broken);
  try {
    worker.postMessage(rendering);
    return await end.promise;
  } finally {
    stop.abort();
    worker.off('message', end.resolve);
    worker.off('error', broken);
    worker.off('exit', broken);
  }
}

/** Calls `late` when the thread has had its share, however long that took. */
async function watch(
  worker: Worker,
  late: (ms: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const startedMs = performance.now();
  // One that has ended tells so itself.
  const before = await worker.cpuUsage();
  for (;;) {
    await delay(LOOK_MS, undefined, { signal });
    const { user, system } = await worker.cpuUsage(before);
    if ((user + system) / 1000 > LONGEST_CPU_MS) return late(LONGEST_CPU_MS);
    if (performance.now() - startedMs > LONGEST_MS) return late(LONGEST_MS);
  }
}
