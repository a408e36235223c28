import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { readManifest } from '../../src/content/graph.ts';
import { openLayout } from '../../src/layout/layout.ts';
import type { ImageIndex, ImageManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { verifyImage } from '../../src/upkeep/verify.ts';
import { bytesOf, putImage, putIndex } from '../content/images.ts';
import { testRegistry } from '../content/places.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { prepareSlipway } from '../rig/slipway.ts';

/** A layout with raw images for two platforms, which share a layer, and an index of both. */
async function rawLayout(owner: Owner): Promise<string> {
  const folder = path.join(await tempDir(owner), 'raw');
  const layout = await openLayout(folder, { create: true });
  const base = bytesOf('base', 120_000);
  const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }));
  const images = [];
  for (const platform of platforms) {
    const layers = [base, bytesOf(platform.architecture, 30_000)];
    images.push(await putImage(layout, { layers, compression: 'none', platform }));
  }
  const names = { one: images[0], two: images[1], both: await putIndex(layout, images) };
  for (const [name, root] of Object.entries(names)) {
    if (root !== undefined)
      await layout.tag(root, name, (offset) => layout.fetch(root, { offset }));
  }
  await layout.close();
  return folder;
}

test('gzip,zstd publishes both variants of each platform in one index', async (t) => {
  const slipway = await prepareSlipway(t);
  const raw = await rawLayout(t);
  const { registry, repository } = await testRegistry(t);
  for (const [name, count] of [
    ['one', 1],
    ['both', 2],
  ] as const) {
    const ref = `${registry.host}/${name}:1`;
    await slipway.must(['push', '--from', `oci:${raw}:${name}`, ref, '--compression', 'gzip,zstd']);
    const target = repository(name);
    const root = await target.resolve('1');
    assert.equal(root.mediaType, MEDIA_TYPE.ociIndex);
    const { document } = await readManifest(target, root);
    const entries = (document as ImageIndex).manifests;
    assert.equal(entries.length, 2 * count);
    for (const [at, entry] of entries.entries()) {
      const isZstd = at >= count;
      assert.equal(entry.platform?.architecture, at % count === 0 ? 'amd64' : 'arm64');
      const mark = entry.annotations?.['io.github.containers.compression.zstd'];
      assert.equal(mark, isZstd ? 'true' : undefined);
      const image = (await readManifest(target, entry)).document as ImageManifest;
      const type = isZstd ? MEDIA_TYPE.ociLayerZstd : MEDIA_TYPE.ociLayerGzip;
      assert.deepEqual(
        image.layers.map(({ mediaType }) => mediaType),
        [type, type],
      );
    }
    await verifyImage(target, root.digest, { deep: true });
  }
});

test('both variants go with none of what makes one image', async (t) => {
  const slipway = await prepareSlipway(t);
  const raw = await rawLayout(t);
  for (const wrong of [
    ['--types', 'docker'],
    ['--compression-level', '9'],
    ['--platform', 'linux/amd64', '--single'],
  ]) {
    const args = [
      'push',
      '--from',
      `oci:${raw}:both`,
      'localhost:1/x',
      '--compression',
      'gzip,zstd',
    ];
    const { code, stderr } = await slipway.run([...args, ...wrong]);
    assert.equal(code, 2, stderr);
    assert.ok(stderr.includes(wrong.at(0) === '--platform' ? '--single' : `${wrong[0]}`), stderr);
  }
});

test('--types docker makes docker manifests of what is compressed, and leaves others alone', async (t) => {
  const slipway = await prepareSlipway(t);
  const raw = await rawLayout(t);
  const { registry, repository } = await testRegistry(t);
  const host = registry.host;
  await slipway.must([
    'push',
    '--from',
    `oci:${raw}:both`,
    `${host}/app:docker`,
    '--types',
    'docker',
  ]);
  const target = repository('app');
  const root = await target.resolve('docker');
  assert.equal(root.mediaType, MEDIA_TYPE.dockerIndex);
  const { document } = await readManifest(target, root);
  for (const entry of (document as ImageIndex).manifests) {
    const image = (await readManifest(target, entry)).document as ImageManifest;
    assert.equal(image.mediaType, MEDIA_TYPE.dockerManifest);
    assert.equal(image.json.mediaType, MEDIA_TYPE.dockerManifest);
    assert.equal(image.config.mediaType, MEDIA_TYPE.dockerConfig);
    assert.ok(image.layers.every(({ mediaType }) => mediaType === MEDIA_TYPE.dockerLayerGzip));
  }
  await verifyImage(target, root.digest, { deep: true });

  // What is whole elsewhere is copied as it is, whatever is asked of what is made.
  const from = `docker://${host}/app:docker`;
  await slipway.must(['copy', from, `docker://${host}/copy:1`, '--types', 'oci']);
  assert.equal((await repository('copy').resolve('1')).digest, root.digest);
});

test('a layer that two images of one run share is compressed once', async (t) => {
  const slipway = await prepareSlipway(t);
  const raw = await rawLayout(t);
  const { registry } = await testRegistry(t);
  const refs = ['one', 'two'].map((name) => `${registry.host}/${name}:1`);
  for (const [at, name] of ['one', 'two'].entries()) {
    await slipway.must(['copy', `oci:${raw}:${name}`, refs[at] as string, '--compression', 'keep']);
  }
  const { stderr, code } = await slipway.run(['push', ...refs, '--progress', 'json']);
  assert.equal(code, 0, stderr);
  const events = stderr
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const made = events.filter(({ type }) => type === 'compress.done').map(({ digest }) => digest);
  assert.equal(made.length, 3);
  assert.equal(new Set(made).size, 3);
});
