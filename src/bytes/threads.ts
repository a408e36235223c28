import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

/** What a thread sees of `node:worker_threads`. */
export interface InThread<Work, Start> {
  readonly parentPort: {
    on(event: 'message', take: (work: Work) => void): void;
    /** bytes of the result */
    postMessage(sizeBytes: number): void;
  };
  readonly workerData: Start;
}

/** Threads that do one kind of work in memory that they share with this one. */
export interface Threads<Work> {
  /** how many there may be, for all who use them */
  readonly most: number;
  /**
   * Does a piece of work on a thread, and gives the bytes that the result has in the shared memory.
   * Threads start when there is work for them, and none keeps the process alive without. This one
   * does a few quick pieces while there is no other, and all where none can be started.
   *
   * @throws what `prepare` throws; Error if a thread dies
   */
  run(work: Work, options: RunOptions): Promise<number>;
  /** Starts threads for so many pieces of work that will come, if they are worth it. */
  start(works: number, isQuick: boolean): Promise<void>;
}

export interface RunOptions {
  /** it takes some milliseconds */
  readonly isQuick: boolean;
  /** true as soon as nobody wants it any more: if it hasn't begun by then, it gives 0 */
  readonly isLeft: () => boolean;
}

interface Job<Work> {
  readonly work: Work;
  readonly isLeft: () => boolean;
  readonly resolve: (sizeBytes: number) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread<Work> {
  readonly worker: Pick<Worker, 'postMessage' | 'ref' | 'unref'>;
  /** what it was given and has not given back, in that order */
  readonly jobs: Job<Work>[];
}

/** Each takes memory: with more of them several layers at once took over 200 MiB. */
const MOST_THREADS = 3;
/** One piece of work that is done, and one that waits, so that a thread never does. */
const JOBS_PER_THREAD = 2;
/** So many quick pieces are done before a thread, which takes 60 ms to start, is worth it. */
const FEW = 4;
/** What a thread says once it can work: no result is so long. */
const STANDS = -1;
/** A thread keeps nothing: what it works in is outside of its heap. */
const HEAP = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16, stackSizeMb: 1 };

/**
 * Threads that start with the first work.
 *
 * @param inThread what a thread does. Its source text is what the thread is started with, so that a
 * bundle needs no file for it: nothing outside of it may be used in it.
 * @param prepare gives what each thread gets when it starts
 */
export function createThreads<Work, Start>(
  inThread: (scope: InThread<Work, Start>) => void,
  prepare: () => Promise<Start>,
): Threads<Work> {
  /** fewer once one could not be started */
  let most: number | undefined;
  const running: Thread<Work>[] = [];
  const waiting: Job<Work>[] = [];
  let prepared: Promise<Start> | undefined;
  let here: Thread<Work> | undefined;
  let doneHere = 0;

  /** Gives what waits to the threads that have least to do. */
  function hand(): void {
    for (;;) {
      const thread = running.reduce<Thread<Work> | undefined>(
        (least, each) =>
          least !== undefined && least.jobs.length <= each.jobs.length ? least : each,
        undefined,
      );
      if (thread === undefined || thread.jobs.length >= JOBS_PER_THREAD) return;
      const job = waiting.shift();
      if (job === undefined) return;
      if (job.isLeft()) job.resolve(0);
      else give(thread, job);
    }
  }

  /** False if none can be started. */
  function start(workerData: Start): boolean {
    const program = `(${inThread})(require('node:worker_threads'));
      require('node:worker_threads').parentPort.postMessage(${STANDS});`;
    let worker: Worker;
    try {
      worker = new Worker(program, { eval: true, execArgv: [], workerData, resourceLimits: HEAP });
    } catch {
      doWithout(workerData);
      return false;
    }
    worker.unref();
    const thread: Thread<Work> = { worker, jobs: [] };
    running.push(thread);
    let stands = false;
    worker.on('message', (sizeBytes: number) => {
      if (sizeBytes === STANDS) stands = true;
      else answer(thread, sizeBytes);
    });
    const end = (error: unknown) => {
      const at = running.indexOf(thread);
      if (at === -1) return;
      running.splice(at, 1);
      // One that ran may have written over what it read.
      if (stands) for (const { reject } of thread.jobs) reject(error);
      else waiting.unshift(...thread.jobs);
      doWithout(workerData);
    };
    worker.on('error', end);
    worker.on('exit', () => end(new Error('a thread that compresses ended')));
    return true;
  }

  function answer({ jobs, worker }: Thread<Work>, sizeBytes: number): void {
    const job = jobs.shift();
    if (jobs.length === 0) worker.unref();
    hand();
    job?.resolve(sizeBytes);
  }

  /**
   * What is to be done is left to the other threads, or to this one: processes, memory and the right
   * to start threads have limits.
   */
  function doWithout(workerData: Start): void {
    most = Math.max(1, running.length);
    try {
      if (running.length === 0 && waiting.length > 0) running.push(inThisThread(workerData));
    } catch (error) {
      for (const { reject } of waiting.splice(0)) reject(error);
    }
    hand();
  }

  function give(thread: Thread<Work>, job: Job<Work>): void {
    if (thread.jobs.length === 0) thread.worker.ref();
    thread.jobs.push(job);
    thread.worker.postMessage(job.work);
  }

  function inThisThread(workerData: Start): Thread<Work> {
    if (here !== undefined) return here;
    let take = (_work: Work): void => {};
    const thread: Thread<Work> = {
      jobs: [],
      worker: {
        ref: () => {},
        unref: () => {},
        postMessage: (work: Work) =>
          setImmediate(() => {
            try {
              take(work);
            } catch (error) {
              thread.jobs.shift()?.reject(error);
              hand();
            }
          }),
      },
    };
    inThread({
      workerData,
      parentPort: {
        on: (_, taking) => {
          take = taking;
        },
        postMessage: (sizeBytes) => answer(thread, sizeBytes),
      },
    });
    here = thread;
    return thread;
  }

  const mostNow = (): number => {
    // Asked once: it reads files about limits of processors.
    most ??= Math.min(availableParallelism(), MOST_THREADS);
    return most;
  };
  const ready = (): Promise<Start> => {
    prepared ??= prepare();
    return prepared;
  };

  return {
    get most() {
      return mostNow();
    },
    async run(work, { isQuick, isLeft }) {
      const workerData = await ready();
      return await new Promise((resolve, reject) => {
        const job = { work, isLeft, resolve, reject };
        if (isQuick && running.length === 0 && doneHere < FEW) {
          doneHere++;
          give(inThisThread(workerData), job);
          return;
        }
        waiting.push(job);
        const isBusy = running.every(({ jobs }) => jobs.length > 0);
        if (isBusy && running.length < mostNow()) start(workerData);
        hand();
      });
    },
    async start(works, isQuick) {
      const workerData = await ready();
      if (isQuick && works <= FEW - doneHere) return;
      while (running.length < Math.min(works, mostNow())) if (!start(workerData)) return;
    },
  };
}
