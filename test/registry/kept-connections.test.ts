import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { blobOf, connect } from './clients.ts';
import { type Quirk, startFakeRegistry } from './fake-registry.ts';

const BLOBS = Array.from({ length: 20 }, (_, at) => blobOf(1_000 + at, String(at)));

test('a connection is used on after a blob was looked for', async (t) => {
  const sockets = new Set<unknown>();
  const registry = await startFakeRegistry(t, ({ request }) => {
    sockets.add(request.socket);
    return false;
  });
  const { repository } = connect(t, registry.host);
  for (const { descriptor, open } of BLOBS) await repository.push(descriptor, open);
  assert.equal(registry.blobs.size, BLOBS.length);
  assert.equal(registry.count('HEAD blob'), BLOBS.length);
  // One that has lain idle may have been closed.
  assert.ok(sockets.size < BLOBS.length / 2, `${sockets.size} connections`);
});

for (const [when, waitMs] of [
  ['at once', 0],
  ['a little later', 5],
] as const) {
  /** HEAD has no body (RFC 9110, 9.3.2): what follows is taken for the next answer. */
  const chatty: Quirk = async ({ what, request, serve }) => {
    if (what !== 'HEAD blob') return false;
    await serve();
    if (waitMs > 0) await delay(waitMs);
    if (request.socket.writable) request.socket.write('{"errors":[{"code":"BLOB_UNKNOWN"}]}');
    return true;
  };

  test(`a registry that sends a body after HEAD, ${when}, gets every blob`, async (t) => {
    const registry = await startFakeRegistry(t, chatty);
    const { repository } = connect(t, registry.host);
    await Promise.all(BLOBS.map(({ descriptor, open }) => repository.push(descriptor, open)));
    for (const { descriptor, bytes } of BLOBS) {
      assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
    }
  });
}
