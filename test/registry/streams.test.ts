import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { SlipwayError } from '../../src/errors.ts';
import { assertPrompt } from '../rig/promptly.ts';
import { reset } from '../rig/reset.ts';
import { blobOf, connect } from './clients.ts';
import { errors, type Quirk, startFakeRegistry } from './fake-registry.ts';

/** Streams a blob while it is made, to a registry with a quirk. */
async function streams(t: TestContext, quirk: Quirk = () => false, sizeBytes = 300_000) {
  const registry = await startFakeRegistry(t, quirk);
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(sizeBytes);
  // It is made whether or not anybody follows.
  const made = delay(40).then(() => descriptor);
  const following = async function* (offset: number) {
    for await (const chunk of open(offset)) {
      await delay(1);
      yield chunk;
    }
    await made;
  };
  const outcome = await repository.pushStream(made, following);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  return { outcome, registry };
}

test('a blob is sent while it is made, and named at the end', async (t) => {
  const { outcome, registry } = await streams(t);
  assert.deepEqual(outcome, { status: 'uploaded', bytesSent: 300_000 });
  assert.deepEqual(
    registry.seen.map(({ what }) => what),
    ['POST upload', 'PATCH upload', 'PUT upload'],
  );
  assert.equal(registry.sessions.size, 0);
});

test('an empty blob can be streamed', async (t) => {
  await streams(t, () => false, 0);
});

for (const status of [404, 405, 416, 500, 501, 503]) {
  test(`a registry that answers ${status} to the stream gets the blob in the ordinary way`, async (t) => {
    const { outcome } = await streams(t, async (call) => {
      if (call.what !== 'PATCH upload') return false;
      await call.body();
      call.answer(status, {}, errors('UNSUPPORTED'));
      return true;
    });
    assert.deepEqual(outcome, { status: 'uploaded', bytesSent: 600_000 });
  });
}

test('a stream that is cut is followed by the ordinary way', async (t) => {
  await streams(t, (call) => {
    if (call.what !== 'PATCH upload') return false;
    call.request.once('data', () => reset(call.request.socket));
    return true;
  });
});

test('a stream that is cut goes on inside its session, behind what the registry kept', async (t) => {
  const { registry, outcome } = await streams(t, async ({ what, request, ...call }) => {
    const { sessions } = call.registry;
    const session = call.url.pathname.split('/').at(-1) ?? '';
    if (what === 'GET upload') {
      const range = `0-${(sessions.get(session)?.byteLength ?? 0) - 1}`;
      call.answer(204, { range, location: call.url.pathname });
      return true;
    }
    if (what !== 'PATCH upload') return false;
    let kept = Buffer.alloc(0);
    for await (const chunk of request) {
      kept = Buffer.concat([kept, chunk]);
      if (kept.byteLength >= 100_000) break;
    }
    sessions.set(session, kept.subarray(0, 100_000));
    reset(request.socket);
    return true;
  });
  assert.equal(registry.count('POST upload'), 1);
  const puts = registry.seen.filter(({ what }) => what === 'PUT upload');
  assert.deepEqual(
    puts.map(({ headers }) => headers['content-range']),
    ['100000-299999'],
  );
  assert.ok(outcome.bytesSent < 600_000, `${outcome.bytesSent} bytes`);
  assert.equal(outcome.status, 'uploaded');
});

test('a stream whose maker fails after a cut ends its session', async (t) => {
  const registry = await startFakeRegistry(t, ({ what, request }) => {
    if (what !== 'PATCH upload') return false;
    request.once('data', () => reset(request.socket));
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { open } = blobOf(300_000);
  const reason = new Error('the diffID is wrong');
  const made = delay(50).then(() => Promise.reject(reason));
  await assert.rejects(repository.pushStream(made, open), reason);
  assert.equal(registry.sessions.size, 0);
});

test('a stream of which the registry kept a part is followed by the ordinary way', async (t) => {
  const { registry } = await streams(t, async (call) => {
    if (call.what !== 'PATCH upload') return false;
    await call.body();
    call.answer(202, { range: '0-99' });
    return true;
  });
  assert.equal(registry.count('PUT upload'), 1);
  assert.equal(registry.count('DELETE upload'), 1);
});

test('a commit that is refused or not answered is followed by the ordinary way', async (t) => {
  const refused = await streams(t, async (call) => {
    if (call.what !== 'PUT upload' || call.nth > 1) return false;
    await call.body();
    call.answer(400, {}, errors('DIGEST_INVALID'));
    return true;
  });
  assert.equal(refused.registry.count('PUT upload'), 2);
  const lost = await streams(t, async (call) => {
    if (call.what !== 'PUT upload') return false;
    await call.serve(() => void call.response.destroy());
    return true;
  });
  assert.equal(lost.registry.count('PUT upload'), 1);
  assert.deepEqual(lost.outcome, { status: 'uploaded', bytesSent: 300_000 });
});

test('a blob that cannot be made fails with the reason of its maker, and the session ends', async (t) => {
  const registry = await startFakeRegistry(t);
  const { repository } = connect(t, registry.host);
  const reason = new Error('the compressor broke');
  const made = Promise.withResolvers<never>();
  const making = async function* () {
    yield Buffer.alloc(100_000);
    made.reject(reason);
    throw reason;
  };
  await assert.rejects(repository.pushStream(made.promise, making), reason);
  assert.equal(registry.count('DELETE upload'), 1);
  assert.equal(registry.sessions.size, 0);
});

test('a maker that fails after the last byte fails the push', async (t) => {
  const registry = await startFakeRegistry(t);
  const { repository } = connect(t, registry.host);
  const reason = new Error('the diffID is wrong');
  const { open } = blobOf(1_000);
  const made = delay(50).then(() => Promise.reject(reason));
  await assert.rejects(repository.pushStream(made, open), reason);
  assert.equal(registry.count('PUT upload'), 0);
  assert.equal(registry.sessions.size, 0);
});

test('a refusal is told at once, although the blob is still being made', async (t) => {
  for (const at of ['POST upload', 'PATCH upload']) {
    const registry = await startFakeRegistry(t, (call) => {
      if (call.what !== at) return false;
      call.answer(403, {}, errors('DENIED', 'not here'));
      return true;
    });
    const { repository } = connect(t, registry.host);
    const never = new Promise<never>(() => {});
    const making = async function* () {
      for (let index = 0; index < 20_000; index++) {
        await delay(5);
        yield Buffer.alloc(1_000);
      }
    };
    const startedAt = performance.now();
    await assert.rejects(repository.pushStream(never, making), (error) => {
      assert.ok(error instanceof SlipwayError);
      assert.deepEqual([error.code, error.facts.side], ['DENIED', 'destination']);
      return true;
    });
    await assertPrompt(performance.now() - startedAt, 2_000);
  }
});

test('an abort ends a stream with its own reason, and the session', async (t) => {
  const abort = new AbortController();
  const reason = new Error('enough');
  const registry = await startFakeRegistry(t);
  const { repository } = connect(t, registry.host);
  const making = async function* () {
    yield Buffer.alloc(100_000);
    abort.abort(reason);
    await delay(20);
    yield Buffer.alloc(100_000);
  };
  const never = new Promise<never>(() => {});
  await assert.rejects(repository.pushStream(never, making, { signal: abort.signal }), reason);
  assert.equal(registry.count('DELETE upload'), 1);
});
