import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlipwayError } from '../../src/errors.ts';
import type { SlipwayEvent } from '../../src/events.ts';
import { DEFAULT_RETRY_POLICY, openGate, withRetry } from '../../src/http/retry.ts';

const QUICK = { ...DEFAULT_RETRY_POLICY, baseMs: 1, maxMs: 4 };

function failing(
  times: number,
  facts: { transient?: boolean; retryAfterMs?: number } = { transient: true },
) {
  let calls = 0;
  return {
    step: async () => {
      if (++calls <= times) throw new SlipwayError('NETWORK', 'cut', facts);
      return 'done';
    },
    get calls() {
      return calls;
    },
  };
}

function answeredGate() {
  return { ...openGate('registry'), answered: true };
}

test('a step is repeated until it succeeds', async () => {
  const { step } = failing(7);
  assert.equal(await withRetry(step, { gate: answeredGate(), policy: QUICK }), 'done');
});

test('attempts end, and the failure is then no reason for whoever is above to repeat', async () => {
  const work = failing(100);
  await assert.rejects(withRetry(work.step, { gate: answeredGate(), policy: QUICK }), (error) => {
    assert.ok(error instanceof SlipwayError);
    assert.equal(error.facts.transient, false);
    assert.match(error.message, /tried 8 times/);
    return true;
  });
  assert.equal(work.calls, 8);
});

test('attempts do not multiply where a step consists of others', async () => {
  const gate = answeredGate();
  const inner = failing(1_000);
  const step = () => withRetry(inner.step, { gate, policy: QUICK });
  await assert.rejects(withRetry(step, { gate, policy: QUICK }));
  assert.equal(inner.calls, 8);
});

/** What a host that is being restarted says, so often. */
function refusing(times: number) {
  const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  let calls = 0;
  return {
    step: async () => {
      if (++calls <= times) {
        throw new SlipwayError('NETWORK', 'refused', { transient: true, cause });
      }
      return 'done';
    },
    get calls() {
      return calls;
    },
  };
}

test('a host that had answered and refuses connections is waited for longer', async () => {
  const policy = { ...DEFAULT_RETRY_POLICY, baseMs: 0, maxMs: 10_000 };
  const work = refusing(30);
  assert.equal(await withRetry(work.step, { gate: answeredGate(), policy }), 'done');
  assert.equal(work.calls, 31);
});

test('it is not waited for without end, nor longer than was asked for', async () => {
  const policy = { ...QUICK, maxMs: 100 };
  const gone = refusing(Number.POSITIVE_INFINITY);
  await assert.rejects(withRetry(gone.step, { gate: answeredGate(), policy }));
  assert.ok(gone.calls >= 8);
  const once = refusing(Number.POSITIVE_INFINITY);
  const gate = answeredGate();
  await assert.rejects(withRetry(once.step, { gate, policy: { ...policy, attempts: 1 } }));
  assert.equal(once.calls, 1);
  const never = refusing(Number.POSITIVE_INFINITY);
  await assert.rejects(withRetry(never.step, { gate: openGate('registry'), policy }));
  assert.equal(never.calls, DEFAULT_RETRY_POLICY.firstContactAttempts);
});

test('a permanent failure is not repeated', async () => {
  const work = failing(1, {});
  await assert.rejects(withRetry(work.step, { gate: answeredGate() }));
  assert.equal(work.calls, 1);
});

test('a host that never answered is given up sooner', async () => {
  const work = failing(100);
  await assert.rejects(withRetry(work.step, { gate: openGate('registry'), policy: QUICK }));
  assert.equal(work.calls, 4);
});

test('a host that never answers in time is given up after one try', async () => {
  const policy = { ...QUICK, firstContactMs: 20 };
  let calls = 0;
  const step = async () => {
    calls++;
    await new Promise((resolve) => setTimeout(resolve, 40));
    throw new SlipwayError('NETWORK', 'silence', { transient: true });
  };
  await assert.rejects(withRetry(step, { gate: openGate('registry'), policy }));
  assert.equal(calls, 1);
});

test('a wait that the host asks for is kept, counts as no attempt and holds for all', async () => {
  const gate = answeredGate();
  const policy = { ...QUICK, attempts: 2 };
  const startedAt = performance.now();
  const asked = failing(4, { transient: true, retryAfterMs: 30 });
  const work = withRetry(asked.step, { gate, policy });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await withRetry(async () => 'other', { gate, policy });
  assert.ok(performance.now() - startedAt >= 29, 'the other request did not wait');
  assert.equal(await work, 'done');
  assert.ok(performance.now() - startedAt >= 115);
});

test('a wait that is too long ends the step at once', async () => {
  const work = failing(1, { transient: true, retryAfterMs: 300_001 });
  await assert.rejects(withRetry(work.step, { gate: answeredGate() }));
  assert.equal(work.calls, 1);
});

test('a host that asks to wait for ever is given up', async () => {
  const work = failing(1_000, { transient: true, retryAfterMs: 0 });
  await assert.rejects(withRetry(work.step, { gate: answeredGate(), policy: QUICK }));
  assert.equal(work.calls, 18);
});

test('the first wait is at most the base, and each further one at most doubles it', async () => {
  const delays: number[] = [];
  const emit = (event: SlipwayEvent) => {
    if (event.type === 'retry') delays.push(event.delayMs);
  };
  for (let round = 0; round < 20; round++) {
    const policy = { ...DEFAULT_RETRY_POLICY, baseMs: 2, maxMs: 6, attempts: 5 };
    await assert.rejects(withRetry(failing(9).step, { gate: answeredGate(), policy, emit }));
  }
  const most = (nth: number) => Math.max(...delays.filter((_, index) => index % 4 === nth));
  assert.equal(delays.length, 80);
  assert.ok(most(0) <= 2 && most(1) <= 4 && most(2) <= 6 && most(3) <= 6, delays.join(' '));
});

test('an abort ends a wait with its own reason', async () => {
  const reason = new Error('enough');
  const abort = new AbortController();
  const gate = answeredGate();
  const asked = failing(1, { transient: true, retryAfterMs: 60_000 });
  const work = withRetry(asked.step, { gate, signal: abort.signal });
  await new Promise((resolve) => setTimeout(resolve, 5));
  const waiting = withRetry(async () => 'x', { gate, signal: abort.signal });
  setTimeout(() => abort.abort(reason), 10);
  await assert.rejects(work, reason);
  await assert.rejects(waiting, reason);
});
