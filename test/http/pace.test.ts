import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createPace } from '../../src/http/pace.ts';

/** Runs pieces of work and tells how many ran at once at most. */
async function mostAtOnce(pace: ReturnType<typeof createPace>, pieces: number): Promise<number> {
  let running = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++running);
    await delay(1);
    running--;
  };
  await Promise.all(Array.from({ length: pieces }, () => pace.run(work)));
  return most;
}

test('what goes well is done by more at once, up to a bound', async () => {
  const pace = createPace({ startAtOnce: 4, mostAtOnce: 8 });
  assert.equal(await mostAtOnce(pace, 4), 4);
  assert.equal(await mostAtOnce(pace, 100), 8);
  assert.equal(pace.atOnce, 8);
});

test('a failure halves it, and failures that come together count once', async () => {
  const pace = createPace({ startAtOnce: 8, mostAtOnce: 8 });
  pace.slowDown();
  pace.slowDown();
  assert.equal(pace.atOnce, 4);
  assert.equal(await mostAtOnce(pace, 4), 4);
  await delay(1_010);
  pace.slowDown();
  assert.equal(pace.atOnce, 2);
});

test('it never stands still', async () => {
  const pace = createPace({ startAtOnce: 1, mostAtOnce: 8 });
  pace.slowDown();
  assert.equal(pace.atOnce, 1);
  assert.equal(await mostAtOnce(pace, 1), 1);
});

test('work that is under way when it is halved goes on, and no more begins', async () => {
  const pace = createPace({ startAtOnce: 4, mostAtOnce: 4 });
  const ends: (() => void)[] = [];
  let begun = 0;
  const all = Array.from({ length: 8 }, () =>
    pace.run(() => {
      begun++;
      return new Promise<void>((end) => ends.push(end));
    }),
  );
  await delay(1);
  assert.equal(begun, 4);
  pace.slowDown();
  ends.shift()?.();
  ends.shift()?.();
  await delay(1);
  assert.equal(begun, 4);
  ends.shift()?.();
  await delay(1);
  assert.equal(begun, 5);
  const timer = setInterval(() => ends.shift()?.(), 1);
  await Promise.all(all);
  clearInterval(timer);
});

test('what is heavier begins first', async () => {
  const pace = createPace({ startAtOnce: 1, mostAtOnce: 1 });
  const order: number[] = [];
  const weights = [1, 5, 3, 9];
  await Promise.all(
    weights.map((weight) => pace.run(async () => void order.push(weight), undefined, weight)),
  );
  assert.deepEqual(order, [1, 9, 5, 3]);
});
