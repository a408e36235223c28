import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openLayout } from '../../src/layout/layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { layerOf } from '../cli/archives.ts';
import { expectFailure } from '../cli/failure.ts';
import { putImage, putIndex, putJson } from '../content/images.ts';
import { testRegistry } from '../content/places.ts';
import { tempDir } from '../rig/lifetime.ts';
import { entriesOf, prepareMake } from './scene.ts';

const ARMS = { aarch64: 'linux/arm64', x86_64: 'linux/amd64' };

/** A command line and the embedded registry, which looks at conditions. */
async function prepare(t: Parameters<typeof testRegistry>[0]) {
  const embedded = await testRegistry(t);
  const { host } = embedded.registry;
  const scene = await prepareMake(t, {
    REGISTRY: host,
    ORGNAME: 'me',
    REPONAME: 'x',
    OSVERSION: '1',
  });
  const repository = embedded.repository('me/alpine-base');
  const push = async (day: string, name: keyof typeof ARMS) => {
    const layout = await openLayout(path.join(await tempDir(t), 'l'), { create: true });
    const layers = [layerOf('text', `${name} ${day}`)];
    const image = await putImage(layout, { layers, platform: parsePlatform(ARMS[name]) });
    const tag = `${host}/me/alpine-base:${name}`;
    await layout.tag(image, 'it', (offset) => layout.fetch(image, { offset }));
    await layout.close();
    await scene.must(['copy', '-q', `oci:${layout.dir}:it`, tag]);
    await scene.mustMake('push', `ARCH=${name}`, `BUILDDATE=${day}`);
  };
  const raw = async (tag: string): Promise<string> => {
    const chunks = [];
    for await (const chunk of repository.fetch(await repository.resolve(tag))) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  return { ...scene, ...embedded, host, repository, push, raw };
}

test('releases are joined and rolled back at the embedded registry, too', async (t) => {
  const { push, mustMake, repository, raw } = await prepare(t);
  for (const day of ['20250101', '20250102']) {
    await push(day, 'x86_64');
    await push(day, 'aarch64');
    await mustMake('annotate_latest', 'annotate_date', 'ARCH=all', `BUILDDATE=${day}`);
  }
  const before = JSON.parse(await raw('latest')).manifests;
  await mustMake('rollback', 'ARCH=aarch64');
  const after = JSON.parse(await raw('latest')).manifests;
  assert.deepEqual(after[0], before[0]);
  const old = await repository.resolve('aarch64_1_20250101');
  assert.equal(after[1].digest, old.digest);
  assert.equal((await repository.resolve('aarch64')).digest, old.digest);
  await mustMake('rollback', 'BUILDDATE=20250101');
  assert.equal(
    (await repository.resolve('latest')).digest,
    (await repository.resolve('1_20250101')).digest,
  );
});

test('a roll-back that a skipped architecture shares leaves that one alone', async (t) => {
  const { push, mustMake, repository, raw } = await prepare(t);
  for (const day of ['20250101', '20250102']) {
    for (const name of ['x86_64', 'aarch64'] as const) await push(day, name);
    await mustMake('annotate_latest', 'annotate_date', 'ARCH=all', `BUILDDATE=${day}`);
  }
  const before = await repository.resolve('aarch64');
  await mustMake('rollback', 'SKIP_aarch64=1');
  assert.equal((await repository.resolve('aarch64')).digest, before.digest);
  assert.equal(
    (await repository.resolve('x86_64')).digest,
    (await repository.resolve('x86_64_1_20250101')).digest,
  );
  assert.deepEqual(entriesOf(await raw('latest')), [
    ['linux/amd64', (await repository.resolve('x86_64_1_20250101')).digest],
    ['linux/arm64', before.digest],
  ]);
});

test('an image with attestations brings them into the list', async (t) => {
  const { repository, mustMake, raw, make } = await prepare(t);
  const image = await putImage(repository, { layers: [layerOf('a', 'b')] });
  const config = await putJson(repository, {}, MEDIA_TYPE.ociConfig);
  const attestation: Descriptor = {
    ...(await putJson(
      repository,
      { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: [] },
      MEDIA_TYPE.ociManifest,
    )),
    platform: { os: 'unknown', architecture: 'unknown' },
    annotations: { 'vnd.docker.reference.digest': image.digest },
  };
  const index = await putIndex(repository, [image, attestation]);
  await repository.tag(index, 'x86_64', (offset) => repository.fetch(index, { offset }));
  await mustMake('annotate_latest', 'ARCH=all');
  assert.deepEqual(entriesOf(await raw('latest')), [
    ['linux/amd64', image.digest],
    ['unknown/unknown', attestation.digest],
  ]);
  const two = await putIndex(repository, [
    image,
    { ...image, platform: { os: 'linux', architecture: 's390x' } },
  ]);
  await repository.tag(two, 'aarch64', (offset) => repository.fetch(two, { offset }));
  expectFailure(await make('annotate_latest', 'ARCH=all', '-q'), {
    code: 12,
    says: /alpine-base:aarch64 has no image for linux\/arm64/,
  });
});

test('a tag may have 128 characters, hosts may be addresses, folders must be there', async (t) => {
  const { mustMake, make, folder } = await prepareMake(t, { TAGNAME: 'odd' });
  const words = ['--dry-run', 'ARCH=x86_64', 'BUILDDATE=20250101'];
  const version = '9'.repeat(112);
  assert.deepEqual(await mustMake('push', ...words, 'REGISTRY=[::1]:5000', `VERSION=${version}`), [
    '[::1]:5000/woahbase/alpine-base:x86_64',
    `[::1]:5000/woahbase/alpine-base:x86_64_${version}`,
    `[::1]:5000/woahbase/alpine-base:x86_64_${version}_20250101`,
  ]);
  const [list] = await mustMake('annotate_latest', ...words);
  assert.equal(
    list,
    'index.docker.io/woahbase/alpine-base:latest',
    'the environment names no list',
  );
  const versionNow = async () => /^OSVERSION +(.*)$/m.exec((await make('help')).stdout)?.[1];
  assert.equal(await versionNow(), 'none');
  await writeFile(path.join(folder, 'slipway.yaml'), 'make: {version: {label: a}}');
  assert.equal(await versionNow(), 'is found out');
  expectFailure(await make('help', '-C', '/nowhere/at/all'), {
    code: 2,
    says: /\/nowhere\/at\/all/,
  });
});

test('a roll-back tells which dates are earlier, and what there is where nothing fits', async (t) => {
  const { push, make } = await prepare(t);
  const days = ['20250101', '20250102', '20250103'];
  for (const day of days) await push(day, 'x86_64');
  const told = async (...words: readonly string[]) => {
    const { code, stderr } = await make('rollback', ...words);
    assert.equal(code, 0, stderr);
    return stderr.split('\n').filter((line) => /^(Current|Earlier|Later): /.test(line));
  };
  assert.deepEqual(await told(), [
    'Current: 20250103 (1)',
    'Earlier: 20250102 (1)',
    'Earlier: 20250101 (1)',
  ]);
  assert.deepEqual(await told('--dry-run'), [
    'Later: 20250103 (1)',
    'Current: 20250102 (1)',
    'Earlier: 20250101 (1)',
  ]);
  for (const words of [['OSVERSION=2'], ['ARCH=armhf', 'BUILDDATE=20250101']]) {
    const result = await make('rollback', '-q', ...words);
    expectFailure(result, { code: 12, says: /there are 20250103 \(1\), 20250102 \(1\), 2025/ });
  }
});

test('two images never get one tag', async (t) => {
  const { push, make, mustMake, folder, repository, host } = await prepare(t);
  for (const name of ['x86_64', 'aarch64'] as const) await push('20250101', name);
  const tags = () => Array.fromAsync(repository.list());
  const before = await tags();
  const words = ['ARCH=all', 'BUILDDATE=20250102'];
  const says = /would be the tag of two images/;
  const elsewhere = `REGDSTTAG=${host}/me/other:it`;
  const target = `push_registry_${host}`;
  expectFailure(await make(target, ...words, elsewhere, '-q'), { code: 2, says });
  const yaml = path.join(folder, 'slipway.yaml');
  await writeFile(yaml, 'make: {tags: {version: v$(VERSION)}}');
  expectFailure(await make('push', ...words, '-q'), { code: 2, says });
  assert.deepEqual(await tags(), before);
  // A version alone is a good tag for one image, also where there is none.
  await writeFile(yaml, 'make: {tags: {version: $(VERSION)}}');
  expectFailure(await make('push', ...words, '-q'), { code: 2, says });
  await mustMake('push', 'ARCH=x86_64', 'SKIP_BUILDDATETAG=1');
  assert.deepEqual(await tags(), ['1', ...before]);
  await mustMake('push', 'ARCH=x86_64', 'OSVERSION=', 'SKIP_BUILDDATETAG=1');
  assert.deepEqual(await tags(), ['1', ...before]);
});

test('tags without an architecture are those of one image, not of nine', async (t) => {
  const { mustMake, folder, repository } = await prepare(t);
  const yaml = 'make: {tags: {arch: latest, version: $(VERSION), date: $(VERSION)_$(BUILDDATE)}}';
  await writeFile(path.join(folder, 'slipway.yaml'), yaml);
  await writeFile(path.join(folder, 'Dockerfile'), 'FROM scratch\nCOPY day /day\n');
  const days = ['20250101', '20250102'];
  for (const day of days) {
    await writeFile(path.join(folder, 'day'), day);
    await mustMake('build', 'push', 'ARCH=x86_64', `BUILDDATE=${day}`, '-q');
  }
  const [, ...rows] = await mustMake('history', 'ARCH=x86_64');
  assert.deepEqual(
    rows.map((row) => row.split(/ +/).slice(0, 3)),
    days.toReversed().map((day) => ['1', day, 'x86_64']),
  );
  assert.equal((await mustMake('history')).length, 3);
  const moved = (await mustMake('rollback')).filter((line) => line.includes(' moved from '));
  assert.deepEqual(
    moved.map((line) => line.split(' ')[0]),
    ['latest', '1'].map((tag) => `${repository.name}:${tag}`),
  );
  const old = await repository.resolve('1_20250101');
  for (const tag of ['latest', '1']) assert.deepEqual(await repository.resolve(tag), old);
});
