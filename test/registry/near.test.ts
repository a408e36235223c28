import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyBytes, chooseBody } from '../../src/registry/body-choice.ts';
import { createTraits, type Traits } from '../../src/registry/traits.ts';
import { openHints } from '../../src/state/hints.ts';
import { atEnd, tempDir } from '../rig/lifetime.ts';
import { blobOf, connect } from './clients.ts';
import { type Quirk, startFakeRegistry } from './fake-registry.ts';

const MIB = 1024 * 1024;
const LARGE_BYTES = 65 * MIB;

test('a registry nearby gets a large blob in chunks', async (t) => {
  const registry = await startFakeRegistry(t);
  const { repository } = connect(t, registry.host);
  // On a busy machine the nearest registry may take its time.
  for (let tries = 0; registry.count('PATCH upload') === 0; tries++) {
    assert.ok(tries < 30, 'it never counted as near');
    registry.blobs.clear();
    const { descriptor, open, bytes } = blobOf(LARGE_BYTES);
    const outcome = await repository.push(descriptor, open);
    assert.deepEqual(outcome, { status: 'uploaded', bytesSent: LARGE_BYTES });
    assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  }
  const bodies = registry.seen.filter(({ headers }) => headers['content-range'] !== undefined);
  assert.deepEqual(
    bodies.map(({ what, headers }) => `${what} ${headers['content-range']}`),
    [
      `PATCH upload 0-${33 * MIB - 1}`,
      `PATCH upload ${33 * MIB}-${49 * MIB - 1}`,
      `PUT upload ${49 * MIB}-${65 * MIB - 1}`,
    ],
  );
});

test('chunks are 64 MiB long, and shorter towards the end', () => {
  const near = createTraits(undefined, 'localhost:5000');
  near.lookedIn(1);
  const { choice } = chooseBody(256 * MIB, near);
  const lengths: number[] = [];
  for (let left = 256 * MIB; left > 0; left -= (lengths.at(-1) ?? 0) * MIB) {
    lengths.push(bodyBytes(choice, left, 0) / MIB);
  }
  assert.deepEqual(lengths, [64, 64, 64, 32, 16, 16]);
  assert.equal(bodyBytes(choice, 100 * MIB, 80 * MIB), 80 * MIB);
  assert.equal(bodyBytes(choice, 5, 0), 5);
});

test('a registry that takes its time to say what it has gets a large blob whole', async (t) => {
  const registry = await startFakeRegistry(t, async ({ what }) => {
    if (what === 'HEAD blob') await new Promise((resolve) => setTimeout(resolve, 100));
    return false;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(LARGE_BYTES);
  await repository.push(descriptor, open);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  assert.equal(registry.count('PATCH upload'), 0);
});

test('a registry nearby gets all else as before: small blobs, and one that takes no chunks', () => {
  const near = (host: string): Traits => {
    const traits = createTraits(undefined, host);
    for (const ms of [50, 1, 50]) traits.lookedIn(ms);
    return traits;
  };
  const unknown = near('localhost:5000');
  assert.equal(chooseBody(64 * MIB, unknown).choice.kind, 'whole');
  assert.equal(chooseBody(64 * MIB + 1, unknown).choice.kind, 'chunks');
  assert.equal(chooseBody(LARGE_BYTES, near('ghcr.io')).choice.kind, 'whole');
  const frugal = near('localhost:5000');
  frugal.learn({ maxBodyBytes: 3 * MIB });
  assert.deepEqual(chooseBody(LARGE_BYTES, frugal).choice, {
    kind: 'chunks',
    chunkBytes: 3 * MIB,
  });
});

const refusingChunks =
  (status: number): Quirk =>
  async ({ what, body, answer }) => {
    if (what !== 'PATCH upload') return false;
    await body();
    answer(status);
    return true;
  };

for (const status of [400, 404, 405, 411, 415, 416, 500, 501, 502]) {
  test(`a registry that answers ${status} to chunks gets whole blobs`, async (t) => {
    const hints = openHints(await tempDir(t));
    atEnd(t, () => hints.close());
    const registry = await startFakeRegistry(t, refusingChunks(status));
    hints.set('host-traits', registry.host, { keepsPartialUploads: true, learnedAtMs: Date.now() });
    const { repository } = connect(t, registry.host, { hints });
    const { descriptor, open, bytes } = blobOf(17 * MIB);
    await repository.push(descriptor, open);
    assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
    assert.ok(registry.count('PATCH upload') <= 2, 'it was not asked again and again');
  });
}
