import { setTimeout as sleep } from 'node:timers/promises';
import { isSlipwayError, SlipwayError, systemCode } from '../errors.ts';
import { type Emit, silent } from '../events.ts';

/** How long and how often a step is repeated. All waits are in milliseconds. */
export interface RetryPolicy {
  /** tries of a step, the first one included; counted anew after progress */
  readonly attempts: number;
  /** tries while the host has not answered once in this run */
  readonly firstContactAttempts: number;
  /** no further try is begun after this long while the host has not answered once */
  readonly firstContactMs: number;
  /** upper bound of the first wait; each further one doubles it */
  readonly baseMs: number;
  readonly maxMs: number;
  /** waits that a host asks for are obeyed up to here */
  readonly maxRetryAfterMs: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  attempts: 8,
  firstContactAttempts: 4,
  firstContactMs: 4_000,
  baseMs: 250,
  maxMs: 20_000,
  maxRetryAfterMs: 300_000,
};

/** What is known of a host's patience, shared by all requests to it. */
export interface HostGate {
  readonly host: string;
  /** true as soon as the host has answered anything in this run */
  answered: boolean;
  /** nobody sends before this time (`performance.now()`) */
  closedUntil: number;
}

/** A gate for a host that nothing is known of. */
export function openGate(host: string): HostGate {
  return { host, answered: false, closedUntil: 0 };
}

/** Lets nobody send for so long. */
export function closeGate(gate: HostGate, forMs: number): void {
  gate.closedUntil = Math.max(gate.closedUntil, performance.now() + forMs);
}

export interface RetryOptions {
  readonly gate: HostGate;
  readonly policy?: RetryPolicy;
  readonly signal?: AbortSignal | undefined;
  readonly emit?: Emit;
  /** a number that grows with every bit that was reached: then the attempts are counted anew */
  readonly progress?: (() => number) | undefined;
}

/**
 * Does `step` until it succeeds, fails for good, or the attempts are used up. Full jitter; a wait
 * that the host asked for holds for all requests to it and counts as no attempt.
 *
 * What was sent over a kept connection that proved closed is repeated at once, the first time. A host
 * that had answered and now refuses connections is being restarted: it is given time, not attempts.
 *
 * A failure after the last attempt isn't transient any more, so that attempts never multiply where
 * a step that is repeated consists of others.
 */
export async function withRetry<T>(step: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { gate, signal, policy = DEFAULT_RETRY_POLICY, emit = silent } = options;
  const startedAt = performance.now();
  let failures = 0;
  let waits = 0;
  let hasBeenStale = false;
  let failingSince: number | undefined;
  let reached = options.progress?.() ?? 0;
  for (;;) {
    await waitForGate(gate, signal);
    try {
      return await step();
    } catch (error) {
      signal?.throwIfAborted();
      if (!isSlipwayError(error) || error.facts.transient !== true) throw error;
      if (error.facts.staleConnection === true && !hasBeenStale) {
        hasBeenStale = true;
        continue;
      }
      const reachedNow = options.progress?.() ?? 0;
      if (reachedNow > reached) {
        failures = 0;
        failingSince = undefined;
        reached = reachedNow;
      }
      failingSince ??= performance.now();
      const askedMs = error.facts.retryAfterMs;
      const isAsked = askedMs !== undefined && waits < MAX_ASKED_WAITS;
      if (isAsked) waits++;
      else failures++;
      const tries = failures + waits;
      const isTooLong = askedMs !== undefined && askedMs > policy.maxRetryAfterMs;
      const isUp = isUsedUp(gate, policy, failures, startedAt);
      if (isTooLong || (isUp && !mayComeBack(error, gate, policy, failingSince))) {
        throw exhausted(error, tries);
      }
      const delayMs = Math.round(
        isAsked
          ? askedMs + Math.random() * policy.baseMs
          : Math.random() * Math.min(policy.maxMs, policy.baseMs * 2 ** (failures - 1)),
      );
      if (isAsked) closeGate(gate, askedMs);
      emit({
        type: 'retry',
        host: gate.host,
        reason: error.message,
        attempt: tries,
        delayMs,
        isAsked,
      });
      await pause(delayMs, signal);
    }
  }
}

/** A host that asks to wait again and again gets its way this often before it counts. */
const MAX_ASKED_WAITS = 10;

function isUsedUp(
  gate: HostGate,
  policy: RetryPolicy,
  failures: number,
  startedAt: number,
): boolean {
  if (gate.answered) return failures >= policy.attempts;
  const spentMs = performance.now() - startedAt;
  return failures >= policy.firstContactAttempts || spentMs >= policy.firstContactMs;
}

/** Restarts take half a minute; this is a minute, with the usual waits. */
const RESTART_WAITS = 3;

/** True while a registry that was there may be restarting. Who wants fewer attempts gets fewer. */
function mayComeBack(
  error: SlipwayError,
  gate: HostGate,
  { attempts, maxMs }: RetryPolicy,
  failingSince: number,
): boolean {
  const isRefused = gate.answered && systemCode(error.cause) === 'ECONNREFUSED';
  if (!isRefused || attempts < DEFAULT_RETRY_POLICY.attempts) return false;
  return performance.now() - failingSince < RESTART_WAITS * maxMs;
}

/** Waits until the host lets anybody send again. */
export async function waitForGate(gate: HostGate, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  for (;;) {
    const waitMs = gate.closedUntil - performance.now();
    if (waitMs <= 0) return;
    await pause(waitMs, signal);
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, { ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

function exhausted(error: SlipwayError, attempts: number): SlipwayError {
  const tried = attempts <= 1 ? '' : ` (tried ${attempts} times)`;
  return new SlipwayError(error.code, `${error.message}${tried}`, {
    ...error.facts,
    transient: false,
    cause: error,
  });
}
