import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { SlipwayError } from '../errors.ts';
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

/** Each takes memory: with more of them several layers at once took over 200 MiB. */
const MOST_THREADS = 3;
/** One block that is being compressed, and one that waits, so that a thread never does. */
const BLOCKS_PER_THREAD = 2;
/** A thread keeps nothing: what it works in is outside of its heap. */
const HEAP = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16, stackSizeMb: 1 };

/** Threads that compress, in all streams of this process together. */
export const threads = (): number => Math.min(availableParallelism(), most);

interface Job {
  readonly work: BlockWork;
  readonly resolve: (sizeBytes: number) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Pick<Worker, 'postMessage' | 'ref' | 'unref'>;
  /** what it was given and has not given back, in that order */
  readonly jobs: Job[];
}

/** fewer once one could not be started */
let most = MOST_THREADS;
const running: Thread[] = [];
const waiting: Job[] = [];
let module: Promise<object> | undefined;

/**
 * Compresses a block on another thread, in the memory that it shares: gives the bytes that the
 * result has there. Threads start when there is work for them, and none keeps the process alive
 * without. Where none can be started, this one does their work.
 *
 * @throws SlipwayError `UNSUPPORTED` where there is no WebAssembly; Error if a thread dies
 */
export async function deflateBlock(work: BlockWork): Promise<number> {
  module ??= compileModule();
  const compiled = await module;
  return await new Promise((resolve, reject) => {
    waiting.push({ work, resolve, reject });
    const isBusy = running.every(({ jobs }) => jobs.length > 0);
    if (isBusy && running.length < threads()) start(compiled);
    hand();
  });
}

async function compileModule(): Promise<object> {
  try {
    const { WebAssembly } = globalThis as unknown as WebAssemblyGlobal;
    return await WebAssembly.compile(Buffer.from(DEFLATE_MODULE, 'base64'));
  } catch (cause) {
    throw new SlipwayError(
      'UNSUPPORTED',
      'gzip is made by WebAssembly with vector instructions, which Node has not here',
      { hint: 'start it without options like --jitless; zstd needs no WebAssembly', cause },
    );
  }
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
  let worker: Worker;
  try {
    worker = new Worker(program, { eval: true, execArgv: [], workerData, resourceLimits: HEAP });
  } catch {
    doWithout(workerData);
    return;
  }
  const thread: Thread = { worker, jobs: [] };
  running.push(thread);
  let hasBegun = false;
  worker.on('online', () => {
    hasBegun = true;
  });
  worker.on('message', (sizeBytes: number) => answer(thread, sizeBytes));
  const end = (error: unknown) => {
    const at = running.indexOf(thread);
    if (at === -1) return;
    running.splice(at, 1);
    // One that ran may have written over what it read.
    if (hasBegun) for (const { reject } of thread.jobs) reject(error);
    else waiting.unshift(...thread.jobs);
    doWithout(workerData);
  };
  worker.on('error', end);
  worker.on('exit', () => end(new Error('a thread that compresses ended')));
}

function answer({ jobs, worker }: Thread, sizeBytes: number): void {
  const job = jobs.shift();
  if (jobs.length === 0) worker.unref();
  hand();
  job?.resolve(sizeBytes);
}

/**
 * What is to be done is left to the other threads, or to this one: processes, memory and the right
 * to start threads have limits.
 */
function doWithout(workerData: WorkerStart): void {
  most = Math.max(1, running.length);
  if (running.length === 0 && waiting.length > 0) running.push(inThisThread(workerData));
  hand();
}

function inThisThread(workerData: WorkerStart): Thread {
  let compress = (_work: BlockWork): void => {};
  const thread: Thread = {
    jobs: [],
    worker: {
      ref: () => {},
      unref: () => {},
      postMessage: (work: BlockWork) =>
        setImmediate(() => {
          try {
            compress(work);
          } catch (error) {
            thread.jobs.shift()?.reject(error);
          }
        }),
    },
  };
  deflateInWorker({
    workerData,
    parentPort: {
      on: (_, take) => {
        compress = take;
      },
      postMessage: (sizeBytes) => answer(thread, sizeBytes),
    },
  });
  return thread;
}
