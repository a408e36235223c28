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

const LONGEST_MS = 2_000;

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
  const late = () =>
    end.resolve({ problem: `it takes more than ${LONGEST_MS / 1000} seconds`, isBroken: true });
  const timer = setTimeout(late, LONGEST_MS);
  worker.once('message', end.resolve);
  worker.once('error', broken);
  worker.once('exit', broken);
  try {
    worker.postMessage(rendering);
    return await end.promise;
  } finally {
    clearTimeout(timer);
    worker.off('message', end.resolve);
    worker.off('error', broken);
    worker.off('exit', broken);
  }
}
