import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { expectFailure } from '../cli/failure.ts';
import { testRegistry } from '../content/places.ts';
import { prepareMake } from './scene.ts';

test('legacy images have the tag of the architecture alone, those of 2019 two more', async (t) => {
  const embedded = await testRegistry(t);
  const { host } = embedded.registry;
  const env = { REGISTRY: host, OSVERSION: '1', HOSTARCH: 'x86_64' };
  const { make, mustMake, folder } = await prepareMake(t, env);
  const release = async (organisation: string, text: string, ...words: readonly string[]) => {
    await writeFile(path.join(folder, 'text'), text);
    const all = [...words, `ORGNAME=${organisation}`, '-q'];
    await mustMake('build', ...all);
    await mustMake('push', ...all);
    const repository = embedded.repository(`${organisation}/alpine-base`);
    const tags = await Array.fromAsync(repository.list());
    const digests = tags.map(async (tag) => (await repository.resolve(tag)).digest);
    return { tags, digests: await Promise.all(digests) };
  };
  await writeFile(path.join(folder, 'Dockerfile'), 'FROM scratch\nCOPY text /text\n');
  assert.deepEqual((await release('plain', 'a', 'LEGACY=1')).tags, ['x86_64']);

  const first = await release('old', 'a', 'LEGACY=2019');
  assert.deepEqual(first.tags, ['latest', 'x86_64', 'x86_64_1']);
  assert.equal(new Set(first.digests).size, 1);
  const second = await release('old', 'b', 'LEGACY=2019');
  const [latest, architecture, version] = second.digests;
  assert.equal(version, first.digests[2], 'a version that is there stays');
  assert.equal(latest, architecture);
  assert.notEqual(latest, version);
  const said = await make('push', 'ORGNAME=old', 'LEGACY=2019', '--dry-run');
  assert.match(said.stderr, /^Skipping push version tag: .*:x86_64_1\.$/m);
  assert.doesNotMatch(said.stdout, /x86_64_1/);

  await writeFile(path.join(folder, 'slipway.yaml'), 'make: {legacy: 2019}');
  const other = await release('old', 'c', 'ARCH=aarch64');
  assert.deepEqual(other.tags, ['aarch64', 'aarch64_1', 'latest', 'x86_64', 'x86_64_1']);
  assert.equal(other.digests[2], latest, "latest is that of this machine's architecture");
  const none = await release('none', 'a', 'OSVERSION=', 'SKIP_VERSIONTAG=1');
  assert.deepEqual(none.tags, ['latest', 'x86_64']);
  assert.deepEqual((await release('skip', 'a', 'SKIP_LATESTTAG=1')).tags, ['x86_64_1']);

  // Who can't be asked is named all the same.
  const far = ['--dry-run', 'REGISTRY=127.0.0.1:1', 'ORGNAME=me', '--retries=0'];
  const base = '127.0.0.1:1/me/alpine-base';
  assert.deepEqual(await mustMake('push', ...far), [
    `${base}:x86_64`,
    `${base}:latest`,
    `${base}:x86_64_1`,
  ]);
  await writeFile(path.join(folder, 'slipway.yaml'), 'make: {legacy: 2018}');
  expectFailure(await make('push', '-q'), { code: 2, says: /legacy is none of true, false, 2019/ });
});
