import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRegistry } from '../../src/server/registry.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { atEnd, type Owner } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { blobOf, connect, manifestOf, readAll } from './clients.ts';
import { startCuttingProxy } from './cutting-proxy.ts';

const KINDS: Readonly<
  Record<string, { skip: string | false; start: (owner: Owner) => Promise<string> }>
> = {
  "Debian's docker-registry": {
    skip: missing('docker-registry'),
    start: async (owner) => (await startDockerRegistry(owner)).host,
  },
  'our own registry': {
    skip: false,
    start: async (owner) => {
      const registry = await startRegistry({ sparse: false });
      atEnd(owner, () => registry.close());
      return registry.host;
    },
  },
};

for (const [kind, { skip, start }] of Object.entries(KINDS)) {
  test(`everything a repository can do, with ${kind}`, { skip }, async (t) => {
    // The scheme is found out: nobody said that this is plain http.
    const { repository, open } = connect(t, await start(t), { scheme: () => undefined });
    const layer = blobOf(5_000_000);
    const config = blobOf(2, '{}');
    const manifest = manifestOf(config);

    assert.equal(await repository.exists(layer.descriptor), false);
    const outcome = await repository.push(layer.descriptor, layer.open);
    assert.deepEqual(outcome, { status: 'uploaded', bytesSent: 5_000_000 });
    assert.equal((await repository.push(layer.descriptor, layer.open)).status, 'present');
    assert.equal((await repository.push(config.descriptor, config.open)).status, 'uploaded');
    assert.equal((await repository.push(blobOf(0).descriptor, blobOf(0).open)).status, 'uploaded');

    const streamed = blobOf(3_000_000, 's');
    await repository.pushStream(Promise.resolve(streamed.descriptor), streamed.open);
    assert.equal(await repository.exists(streamed.descriptor), true);

    await assert.rejects(repository.resolve('v1'), { code: 'NOT_FOUND' });
    await repository.tag(manifest.descriptor, 'v1', manifest.open);
    assert.deepEqual(await repository.resolve('v1'), manifest.descriptor);
    assert.deepEqual(await repository.resolve(manifest.descriptor.digest), manifest.descriptor);
    assert.equal(await repository.exists(manifest.descriptor), true);
    assert.deepEqual(await readAll(repository.fetch(manifest.descriptor)), manifest.bytes);
    assert.deepEqual(await readAll(repository.fetch(layer.descriptor)), layer.bytes);
    const part = repository.fetch(layer.descriptor, { offset: 4_999_990 });
    assert.equal((await readAll(part)).byteLength, 10);
    const tags: string[] = [];
    for await (const tag of repository.list()) tags.push(tag);
    assert.deepEqual(tags, ['v1']);

    const other = open(repository.name.replace('team/app', 'team/other'));
    const mounted = await other.push(layer.descriptor, layer.open, { mountFrom: ['team/app'] });
    assert.deepEqual(mounted, { status: 'mounted', bytesSent: 0, from: 'team/app' });
    const wanting = blobOf(1_000, 'w');
    const notMounted = await other.push(wanting.descriptor, wanting.open, {
      mountFrom: ['team/app'],
    });
    assert.equal(notMounted.status, 'uploaded');
    const missingLayer = manifestOf(blobOf(3, '{ }'));
    await assert.rejects(repository.tag(missingLayer.descriptor, 'v2', missingLayer.open), {
      code: 'CONTENT_MISSING',
    });
  });

  test(`connections that are cut at every part of a push, with ${kind}`, { skip }, async (t) => {
    const host = await start(t);
    const layer = blobOf(2_000_000);
    for (const afterBytes of [0, 500, 70_000, 600_000, 1_300_000, 1_999_999, 2_000_100]) {
      const proxy = await startCuttingProxy(t, host, { cuts: 3, afterBytes });
      const target = connect(t, proxy.host).open(`${proxy.host}/cut/at${afterBytes}`);
      await target.push(layer.descriptor, layer.open);
      assert.deepEqual(await readAll(target.fetch(layer.descriptor)), layer.bytes);
      // What goes on where it was cut may be too short to be cut again.
      assert.ok(proxy.cuts < 3, `after ${afterBytes} bytes`);
    }
  });
}

test('logins that a real registry checks', {
  skip: missing('docker-registry', 'htpasswd'),
}, async (t) => {
  const registry = await startDockerRegistry(t, { users: { user: 'right' } });
  const { descriptor, open } = blobOf(1_000);
  const as = (password: string) =>
    connect(t, registry.host, { credentials: async () => ({ username: 'user', password }) });
  assert.equal((await as('right').repository.push(descriptor, open)).status, 'uploaded');
  await assert.rejects(as('wrong').repository.push(descriptor, open), { code: 'AUTH_REQUIRED' });
  await assert.rejects(connect(t, registry.host).repository.push(descriptor, open), {
    code: 'AUTH_REQUIRED',
  });
});
