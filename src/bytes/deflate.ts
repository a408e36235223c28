import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { DEFLATE_MODULE } from './deflate-module.ts';
import {
  type BlockWork,
  deflateInWorker,
  type WebAssemblyGlobal,
  type WorkerStart,
} from './deflate-worker.ts';

/** What is compressed at once. */
export const BLOCK_BYTES = 1024 * 1024;
/** How far deflate can look back (RFC 1951): what a block needs to know of the one before. */
export const WINDOW_BYTES = 32 * 1024;

/** Each takes 15 MiB; four keep up with what a registry takes. */
const MOST_THREADS = 4;
/** One block that is being compressed, and one that waits, so that a thread never does. */
const BLOCKS_PER_THREAD = 2;

/** Threads that compress, in all streams of this process together. */
export const threads = (): number => Math.min(availableParallelism(), MOST_THREADS);

interface Job {
  readonly work: BlockWork;
  readonly resolve: (deflated: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  /** what it was given and has not given back, in that order */
  readonly jobs: Job[];
}

const running: Thread[] = [];
const waiting: Job[] = [];
let module: Promise<object> | undefined;

/**
 * Compresses a block on another thread, which reads it from the memory that it shares.
 * Threads start when there is work for them, and none keeps the process alive without.
 *
 * @throws Error if a thread can't be started, or dies
 */
export async function deflateBlock(work: BlockWork): Promise<Uint8Array> {
  const { WebAssembly } = globalThis as unknown as WebAssemblyGlobal;
  module ??= WebAssembly.compile(Buffer.from(DEFLATE_MODULE, 'base64'));
  const compiled = await module;
  return await new Promise((resolve, reject) => {
    waiting.push({ work, resolve, reject });
    const isBusy = running.every(({ jobs }) => jobs.length > 0);
    if (isBusy && running.length < threads()) start(compiled);
    hand();
  });
}

/** Gives what waits to the threads that have least to do. */
function hand(): void {
  for (;;) {
    const thread = running.reduce<Thread | undefined>(
      (least, each) =>
        least !== undefined && least.jobs.length <= each.jobs.length ? least : each,
      undefined,
    );
    if (thread === undefined || thread.jobs.length >= BLOCKS_PER_THREAD) return;
    const job = waiting.shift();
    if (job === undefined) return;
    if (thread.jobs.length === 0) thread.worker.ref();
    thread.jobs.push(job);
    thread.worker.postMessage(job.work);
  }
}

function start(compiled: object): void {
  const workerData: WorkerStart = { module: compiled, windowBytes: WINDOW_BYTES };
  const program = `(${deflateInWorker})(require('node:worker_threads'))`;
  const worker = new Worker(program, { eval: true, execArgv: [], workerData });
  const thread: Thread = { worker, jobs: [] };
  running.push(thread);
  worker.on('message', (deflated: Uint8Array) => {
    const job = thread.jobs.shift();
    if (thread.jobs.length === 0) worker.unref();
    hand();
    job?.resolve(deflated);
  });
  const end = (error: unknown) => {
    const at = running.indexOf(thread);
    if (at === -1) return;
    running.splice(at, 1);
    for (const job of thread.jobs) job.reject(error);
    // Nobody is left to take what waits.
    if (running.length === 0) for (const job of waiting.splice(0)) job.reject(error);
  };
  worker.on('error', end);
  worker.on('exit', () => end(new Error('a thread that compresses ended')));
}
