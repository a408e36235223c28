import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SlipwayError } from '../errors.ts';
import { type Hold, tryHold } from './exclusive.ts';

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** how long to wait for others, in milliseconds; two minutes if left out */
  readonly waitMs?: number | undefined;
}

const WAIT_MS = 120_000;
const LONGEST_POLL_MS = 8;
/** After this much uninterrupted use, a process steps back for longer than anybody's poll. */
const LONGEST_STREAK_MS = 60;

/** Those of this process who wait for a lock that another one of it has, first come, first served. */
const queues = new Map<string, (() => void)[]>();

/** The lock that this process had last, and for how long without a pause. */
const streak = { key: '', heldMs: 0, endedAtMs: 0 };

/**
 * Does `work` while no other process and no other caller of this process holds the lock at `path`,
 * an empty file that is made if it is missing. A killed process loses the lock at once. The lock
 * can't be taken again inside `work`.
 *
 * @throws SlipwayError `INTERNAL` (transient) if the lock isn't free after `waitMs`,
 * `CONFIG_INVALID` if `path` is something else, `FILE_NOT_FOUND`, `NO_SPACE`; the signal's reason
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const key = resolve(path);
  const waitMs = options.waitMs ?? WAIT_MS;
  const limits = { ...options, waitMs, deadlineMs: performance.now() + waitMs };
  options.signal?.throwIfAborted();
  await turnInProcess(key, limits);
  try {
    const hold = await holdAmongProcesses(key, limits);
    const sinceMs = performance.now();
    try {
      return await work();
    } finally {
      hold.release();
      streak.endedAtMs = performance.now();
      streak.heldMs += streak.endedAtMs - sinceMs;
    }
  } finally {
    const next = queues.get(key)?.shift();
    if (next === undefined) queues.delete(key);
    else next();
  }
}

interface Limits extends LockOptions {
  readonly waitMs: number;
  readonly deadlineMs: number;
}

/** Waits in memory until it is the caller's turn. */
async function turnInProcess(key: string, limits: Limits): Promise<void> {
  const queue = queues.get(key);
  if (queue === undefined) {
    queues.set(key, []);
    return;
  }
  await new Promise<void>((resolve, reject) => {
    const settle = (done: () => void) => {
      clearTimeout(timer);
      limits.signal?.removeEventListener('abort', onAbort);
      done();
    };
    const enter = () => settle(resolve);
    const giveUp = (reason: unknown) => {
      queue.splice(queue.indexOf(enter), 1);
      settle(() => reject(reason));
    };
    const onAbort = () => giveUp(limits.signal?.reason);
    const timer = setTimeout(
      () => giveUp(stillHeld(key, limits)),
      Math.min(limits.waitMs, 2 ** 31 - 1),
    );
    limits.signal?.addEventListener('abort', onAbort);
    queue.push(enter);
  });
}

async function holdAmongProcesses(key: string, limits: Limits): Promise<Hold> {
  await stepBack(key, limits.signal);
  for (let pollMs = 1; ; pollMs = Math.min(pollMs * 2, LONGEST_POLL_MS)) {
    limits.signal?.throwIfAborted();
    const hold = await tryHold(key);
    if (hold !== undefined) return hold;
    if (performance.now() > limits.deadlineMs) throw stillHeld(key, limits);
    await pause(pollMs * (0.5 + Math.random() / 2), limits.signal);
  }
}

/** Others only poll: without a pause now and then they would hardly ever find the lock free. */
async function stepBack(key: string, signal: AbortSignal | undefined): Promise<void> {
  const isOver = performance.now() - streak.endedAtMs > LONGEST_POLL_MS;
  const isTooLong = streak.heldMs > LONGEST_STREAK_MS;
  if (streak.key === key && !isOver && !isTooLong) return;
  if (streak.key === key && !isOver) await pause(LONGEST_POLL_MS + 2, signal);
  streak.key = key;
  streak.heldMs = 0;
}

/** Sleeps; an abort only wakes. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {});
}

function stillHeld(path: string, { waitMs }: Limits): SlipwayError {
  return new SlipwayError(
    'INTERNAL',
    `another slipway process has been using ${path} for ${Math.round(waitMs / 1000)} s`,
    {
      path,
      transient: true,
      hint: 'wait for the other process, or end it; the lock goes away with it',
    },
  );
}
