import { setTimeout as sleep } from 'node:timers/promises';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { type Emit, silent } from '../events.ts';

/** How long and how often a step is repeated. All waits are in milliseconds. */
export interface RetryPolicy {
  /** tries of a step, the first one included; counted anew after progress */
  readonly attempts: number;
  /** tries while the host has not answered once in this run */
  readonly firstContactAttempts: number;
  /** upper bound of the first wait; each further one doubles it */
  readonly baseMs: number;
  readonly maxMs: number;
  /** waits that a host asks for are obeyed up to here */
  readonly maxRetryAfterMs: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  attempts: 8,
  firstContactAttempts: 4,
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

export interface RetryOptions {
  readonly gate: HostGate;
  readonly policy?: RetryPolicy;
  readonly signal?: AbortSignal | undefined;
  readonly emit?: Emit;
}

/**
 * Does `step` until it succeeds, fails for good, or the attempts are used up. Full jitter; a wait
 * that the host asked for holds for all requests to it and counts as no attempt.
 */
export async function withRetry<T>(step: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { gate, signal, policy = DEFAULT_RETRY_POLICY, emit = silent } = options;
  let failures = 0;
  let waits = 0;
  for (;;) {
    await waitForGate(gate, signal);
    try {
      return await step();
    } catch (error) {
      signal?.throwIfAborted();
      if (!isSlipwayError(error) || error.facts.transient !== true) throw error;
      const asked = error.facts.retryAfterMs;
      const isHonoured = asked !== undefined && asked <= policy.maxRetryAfterMs;
      if (isHonoured && waits < MAX_ASKED_WAITS) waits++;
      else failures++;
      const limit = gate.answered ? policy.attempts : policy.firstContactAttempts;
      if (failures >= limit || (asked !== undefined && !isHonoured))
        throw exhausted(error, failures + waits);
      const ceiling = Math.min(policy.maxMs, policy.baseMs * 2 ** failures);
      const delayMs = Math.round(
        isHonoured ? asked + Math.random() * policy.baseMs : Math.random() * ceiling,
      );
      if (isHonoured) gate.closedUntil = Math.max(gate.closedUntil, performance.now() + asked);
      emit({
        type: 'retry',
        host: gate.host,
        reason: error.message,
        attempt: failures + waits,
        delayMs,
      });
      await sleep(delayMs, undefined, { ...(signal === undefined ? {} : { signal }) });
    }
  }
}

/** A host that asks to wait again and again gets its way this often before it counts. */
const MAX_ASKED_WAITS = 10;

async function waitForGate(gate: HostGate, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const waitMs = gate.closedUntil - performance.now();
  if (waitMs > 0) await sleep(waitMs, undefined, { ...(signal === undefined ? {} : { signal }) });
}

function exhausted(error: SlipwayError, attempts: number): SlipwayError {
  if (attempts <= 1) return error;
  return new SlipwayError(error.code, `${error.message} (tried ${attempts} times)`, {
    ...error.facts,
    cause: error,
  });
}
