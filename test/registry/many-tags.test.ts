import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startRegistry } from '../../src/server/registry.ts';
import { openHints } from '../../src/state/hints.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { atEnd, tempDir } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { blobOf, connect, manifestOf } from './clients.ts';
import { errors, startFakeRegistry } from './fake-registry.ts';

const NAMES = ['1', '1.0', '1.0.0', 'latest'];

/** Sets four tags at once, and tells how many requests that took. */
async function setTags(t: TestContext, host: string, note = '') {
  const hints = openHints(await tempDir(t));
  atEnd(t, () => hints.close());
  const { repository } = connect(t, host, { hints });
  const config = blobOf(2, '{}');
  const { descriptor, open } = manifestOf(config, note);
  await repository.push(config.descriptor, config.open);
  const before = repository.requests;
  const results = await Promise.allSettled(
    NAMES.map((name) => repository.tag(descriptor, name, open)),
  );
  const requests = repository.requests - before;
  return { repository, descriptor, results, requests };
}

async function namesAll({ repository, descriptor }: Awaited<ReturnType<typeof setTags>>) {
  for (const name of NAMES) assert.deepEqual(await repository.resolve(name), descriptor);
}

test('several tags are set by one request where the registry says that it did', async (t) => {
  const registry = await startRegistry();
  atEnd(t, () => registry.close());
  const set = await setTags(t, registry.host);
  assert.equal(set.requests, 1);
  await namesAll(set);
});

test('a registry that knows of no such request gets one for each tag', {
  skip: missing('docker-registry'),
}, async (t) => {
  const set = await setTags(t, (await startDockerRegistry(t)).host);
  assert.equal(set.requests, 5);
  await namesAll(set);
});

for (const status of [400, 404, 409]) {
  test(`a registry that answers ${status} to such a request gets one for each tag`, async (t) => {
    const registry = await startFakeRegistry(t, async (call) => {
      if (!call.url.searchParams.has('tag')) return false;
      await call.body();
      call.answer(status, {}, errors('UNSUPPORTED'));
      return true;
    });
    const set = await setTags(t, registry.host);
    await namesAll(set);
  });
}

test('a tag that the registry leaves out of its answer is set alone', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    if (!call.url.searchParams.has('tag')) return false;
    const path = call.url.pathname;
    await call.serve((status, headers) => {
      const [, digest = ''] = /manifests\/(.+)$/.exec(decodeURIComponent(path)) ?? [];
      const manifest = call.registry.manifests.get(`team/app@${digest}`);
      assert.ok(manifest);
      for (const name of NAMES.slice(0, 3))
        call.registry.manifests.set(`team/app:${name}`, manifest);
      call.answer(status, { ...headers, 'oci-tag': NAMES.slice(0, 3).join(', ') });
    });
    return true;
  });
  const set = await setTags(t, registry.host);
  assert.equal(set.requests, 2);
  await namesAll(set);
});

test('an immutable tag among several is the only one that fails', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    const isTogether = call.url.searchParams.has('tag');
    if (!isTogether && !call.url.pathname.endsWith('/manifests/latest')) return false;
    if (call.method !== 'PUT') return false;
    await call.body();
    call.answer(400, {}, errors('TAG_INVALID', 'the tag is immutable'));
    return true;
  });
  const { results } = await setTags(t, registry.host);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
  );
});
