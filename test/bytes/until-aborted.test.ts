import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Bytes, untilAborted } from '../../src/bytes/stream.ts';

async function* chunks(count: number): Bytes {
  for (let at = 0; at < count; at++) yield new Uint8Array(1000);
}

test('chunks that were read are not kept, however long the signal lives', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const stop = new AbortController();
  const seen: WeakRef<Uint8Array>[] = [];
  for await (const chunk of untilAborted(chunks(300), stop.signal)) {
    seen.push(new WeakRef(chunk));
    if (seen.length < 300) continue;
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    const kept = seen.filter((each) => each.deref() !== undefined).length;
    assert.ok(kept < 50, `${kept} of 300 chunks are still there`);
  }
  assert.equal(seen.length, 300);
});

test('an abort ends the reading while nothing comes, and between two chunks', async () => {
  const stop = new AbortController();
  const silent: Bytes = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }),
  };
  const reading = (async () => {
    for await (const _ of untilAborted(silent, stop.signal));
  })();
  setImmediate(() => stop.abort(new Error('stopped')));
  await assert.rejects(reading, /stopped/);

  const other = new AbortController();
  let count = 0;
  await assert.rejects(async () => {
    for await (const _ of untilAborted(chunks(10), other.signal)) {
      if (++count === 3) other.abort(new Error('enough'));
    }
  }, /enough/);
  assert.equal(count, 3);
});

test('a failure of what is read comes through', async () => {
  const failing = async function* (): Bytes {
    yield new Uint8Array(1);
    throw new Error('cut');
  };
  await assert.rejects(async () => {
    for await (const _ of untilAborted(failing(), new AbortController().signal));
  }, /cut/);
});
