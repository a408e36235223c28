import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { SlipwayError } from '../../src/errors.ts';
import type { Repository } from '../../src/registry/repository.ts';
import { testRegistry } from '../content/places.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import type { Owner } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { blobOf, connect, manifestOf, type Piece } from './clients.ts';
import { errors, type Quirk, startFakeRegistry } from './fake-registry.ts';

/** One manifest under the tags `a` and `b`. */
async function publishTwo(repository: Repository): Promise<Piece> {
  const config = blobOf(2, '{}');
  const manifest = manifestOf(config, 'of two tags');
  await repository.push(config.descriptor, config.open);
  for (const tag of ['a', 'b']) await repository.tag(manifest.descriptor, tag, manifest.open);
  return manifest;
}

async function digestOf(repository: Repository, reference: string): Promise<string | undefined> {
  return await repository.resolve(reference).then(
    ({ digest }) => digest,
    (error: SlipwayError) => {
      assert.equal(error.code, 'NOT_FOUND');
      return undefined;
    },
  );
}

const places: readonly [string, (owner: Owner) => Promise<Repository>][] = [
  ['the embedded registry', async (owner) => (await testRegistry(owner)).repository('team/app')],
  [
    'docker-registry',
    async (owner) => connect(owner, (await startDockerRegistry(owner)).host).repository,
  ],
  [
    'a registry that takes the manifest with the tag',
    async (owner) =>
      connect(owner, (await startFakeRegistry(owner, deleting('manifest'))).host).repository,
  ],
  [
    'a registry that takes the tag alone',
    async (owner) =>
      connect(owner, (await startFakeRegistry(owner, deleting('tag'))).host).repository,
  ],
];

for (const [name, open] of places) {
  suite(name, { skip: name === 'docker-registry' && missing('docker-registry') }, () => {
    test('a tag goes alone; its sibling and the manifest stay', async (t) => {
      const repository = await open(t);
      const { descriptor } = await publishTwo(repository);
      await repository.removeTag('a');
      assert.equal(await digestOf(repository, 'a'), undefined);
      assert.equal(await digestOf(repository, 'b'), descriptor.digest);
      assert.equal(await digestOf(repository, descriptor.digest), descriptor.digest);
      const tags: string[] = [];
      for await (const tag of repository.list()) tags.push(tag);
      assert.deepEqual(tags, ['b']);
      await assert.rejects(repository.removeTag('a'), { code: 'NOT_FOUND' });
    });

    test('a manifest goes with all its tags', async (t) => {
      const repository = await open(t);
      const { descriptor } = await publishTwo(repository);
      assert.equal(await repository.removeManifest(descriptor.digest), true);
      for (const reference of ['a', 'b', descriptor.digest]) {
        assert.equal(await digestOf(repository, reference), undefined);
      }
      assert.equal(await repository.removeManifest(descriptor.digest), false);
    });
  });
}

test('a registry without deletes says so, and its tags stay as they were: docker-registry', {
  skip: missing('docker-registry'),
}, async (t) => {
  const { host } = await startDockerRegistry(t, { canDelete: false });
  const { repository } = connect(t, host);
  const { descriptor } = await publishTwo(repository);
  await assert.rejects(repository.removeTag('a'), { code: 'UNSUPPORTED' });
  await assert.rejects(repository.removeManifest(descriptor.digest), { code: 'UNSUPPORTED' });
  for (const tag of ['a', 'b']) assert.equal(await digestOf(repository, tag), descriptor.digest);
});

test('a registry that refuses only at the last moment gets its tag back', async (t) => {
  let deletes = 0;
  const fake = await startFakeRegistry(t, (call) => {
    if (call.method !== 'DELETE') return false;
    deletes++;
    if (deletes === 1) call.answer(404, {}, errors('MANIFEST_UNKNOWN'));
    else call.answer(405, {}, errors('UNSUPPORTED'));
    return true;
  });
  const { repository } = connect(t, fake.host);
  const { descriptor } = await publishTwo(repository);
  await assert.rejects(repository.removeTag('a'), { code: 'UNSUPPORTED' });
  for (const tag of ['a', 'b']) assert.equal(await digestOf(repository, tag), descriptor.digest);
});

test('a tag that is said to be deleted and is still there is put back and told', async (t) => {
  const fake = await startFakeRegistry(t, (call) => {
    if (call.method !== 'DELETE') return false;
    call.answer(202);
    return true;
  });
  const { repository } = connect(t, fake.host);
  const { descriptor } = await publishTwo(repository);
  await assert.rejects(repository.removeTag('a'), { code: 'UNSUPPORTED' });
  assert.equal(await digestOf(repository, 'a'), descriptor.digest);
});

test('who may not delete hears so before the tag is touched', async (t) => {
  const fake = await startFakeRegistry(t, (call) => {
    if (call.method !== 'DELETE') return false;
    call.answer(403, {}, errors('DENIED'));
    return true;
  });
  const { repository } = connect(t, fake.host);
  await publishTwo(repository);
  const before = fake.count('PUT manifest');
  await assert.rejects(repository.removeTag('a'), { code: 'DENIED' });
  assert.equal(fake.count('PUT manifest'), before);
});

/** Deletes; a tag is what it says, or stands for its manifest and all tags of that. */
function deleting(what: 'tag' | 'manifest'): Quirk {
  return ({ method, url, registry: { manifests }, answer }) => {
    if (method !== 'DELETE') return false;
    const [, path = '', name = ''] = /^\/v2\/(.+?)\/manifests\/(.+)$/.exec(url.pathname) ?? [];
    const isDigest = name.includes(':');
    const found = manifests.get(isDigest ? `${path}@${name}` : `${path}:${name}`);
    if (found === undefined) {
      answer(404, {}, errors('MANIFEST_UNKNOWN'));
      return true;
    }
    for (const [key, { bytes }] of [...manifests]) {
      const isSame = what === 'manifest' || isDigest ? bytes.equals(found.bytes) : false;
      if (isSame || key === `${path}:${name}`) manifests.delete(key);
    }
    answer(202);
    return true;
  };
}
