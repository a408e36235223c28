import assert from 'node:assert/strict';
import { test } from 'node:test';
import { walk } from '../../src/content/graph.ts';
import { rawFile } from '../bytes/tar-fixture.ts';
import {
  blob,
  describeBytes,
  dockerSave,
  failing,
  INDEX,
  json,
  layer,
  MANIFEST,
  named,
  ociDocuments,
  ociImage,
  opened,
  readImages,
  sha256,
} from './images.ts';

const A = layer('a');
const B = layer('b');
const AMD = ociImage([A], 'amd64');
const ARM = ociImage([B], 'arm64');
const platform = (architecture: string) => ({ platform: { os: 'linux', architecture } });
const MULTI = json({
  schemaVersion: 2,
  mediaType: INDEX,
  manifests: [
    { ...AMD.descriptor, ...platform('amd64') },
    { ...ARM.descriptor, ...platform('arm64') },
  ],
});

test('oci archive: an image keeps its digest, and goes by all its names', async (t) => {
  const archive = await opened(t, [
    ...ociDocuments([
      { ...AMD.descriptor, ...named('1', 'docker.io/library/app:1') },
      { ...AMD.descriptor, ...named('example.com/team/app:2') },
      { ...ARM.descriptor, ...named('latest') },
    ]),
    ...AMD.blobs,
    ...ARM.blobs,
  ]);
  assert.deepEqual(archive.images(), [
    { key: '@0', names: ['docker.io/library/app:1', 'example.com/team/app:2'], tags: [] },
    { key: '@1', names: [], tags: ['latest'] },
  ]);
  for (const name of ['app:1', 'example.com/team/app:2', '@0', AMD.descriptor.digest]) {
    assert.deepEqual(await archive.resolve(name), AMD.descriptor, name);
  }
  assert.deepEqual(await archive.resolve('latest'), ARM.descriptor);
  await assert.rejects(archive.resolve('latest:latest'), failing('NOT_FOUND'));
  assert.deepEqual(await readImages(archive), [AMD.descriptor.digest, ARM.descriptor.digest]);
});

test('oci archive: it is taken before manifest.json where both are whole', async (t) => {
  const docker = dockerSave([A], ['app:1']);
  const archive = await opened(t, [
    ...docker,
    ...ociDocuments([{ ...AMD.descriptor, ...named('1', 'docker.io/library/app:1') }]),
    ...AMD.blobs,
  ]);
  assert.equal((await archive.resolve('app:1')).digest, AMD.descriptor.digest);
});

test('oci archive: an empty index.json leaves manifest.json', async (t) => {
  const archive = await opened(t, [...dockerSave([A], ['app:1']), ...ociDocuments([])]);
  assert.deepEqual(archive.images()[0]?.names, ['app:1']);
  await readImages(archive);
});

/** What an engine with containerd's store saves of an image of which it pulled one platform. */
function savedWithHoles(): Buffer[] {
  const list = [
    {
      Config: `blobs/sha256/${sha256(AMD.config)}`,
      RepoTags: ['app:1'],
      Layers: [`blobs/sha256/${sha256(A)}`],
    },
  ];
  const root = { ...describeBytes(MULTI, INDEX), ...named('1', 'docker.io/library/app:1') };
  return [...ociDocuments([root]), rawFile('manifest.json', json(list)), blob(MULTI)];
}

test('oci archive: of an index with holes, the platform that manifest.json tells is taken', async (t) => {
  const archive = await opened(t, [...savedWithHoles(), ...AMD.blobs]);
  const found = await archive.resolve('app:1');
  assert.equal(found.digest, AMD.descriptor.digest);
  await readImages(archive);
});

test('oci archive: of several whole platforms, the one that manifest.json tells is taken', async (t) => {
  const absent = ociImage([layer('absent')], 's390x');
  const index = json({
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: [absent, ARM, AMD].map(({ descriptor }) => descriptor),
  });
  const list = [{ Config: `blobs/sha256/${sha256(AMD.config)}`, RepoTags: null, Layers: ['x'] }];
  const archive = await opened(t, [
    ...ociDocuments([describeBytes(index, INDEX)]),
    rawFile('manifest.json', json(list)),
    blob(index),
    ...AMD.blobs,
    ...ARM.blobs,
  ]);
  assert.equal((await archive.resolve('')).digest, AMD.descriptor.digest);
});

test('oci archive: without any whole manifest, manifest.json alone counts', async (t) => {
  const noManifest = AMD.blobs.filter((_, at) => at < 2);
  const archive = await opened(t, [...savedWithHoles(), ...noManifest]);
  const found = await archive.resolve('app:1');
  assert.notEqual(found.digest, AMD.descriptor.digest);
  const { blobs } = await walk(archive, found);
  assert.equal(blobs[1]?.digest, `sha256:${sha256(A)}`);
  await readImages(archive);
});

test('oci archive: with holes and no manifest.json, what is missing is named', async (t) => {
  const root = describeBytes(MULTI, INDEX);
  const archive = await opened(t, [...ociDocuments([root]), blob(MULTI), ...AMD.blobs]);
  await assert.rejects(
    archive.resolve(''),
    failing('CONTENT_MISSING', new RegExp(ARM.descriptor.digest)),
  );
  const layerless = await opened(t, [...ociDocuments([AMD.descriptor]), ...AMD.blobs.slice(1)]);
  await assert.rejects(layerless.resolve(''), failing('CONTENT_MISSING', new RegExp(sha256(A))));
});

test('oci archive: a whole index is an image of its own', async (t) => {
  const root = describeBytes(MULTI, INDEX);
  const archive = await opened(t, [
    ...ociDocuments([root]),
    blob(MULTI),
    ...AMD.blobs,
    ...ARM.blobs,
  ]);
  assert.equal((await archive.resolve('')).digest, root.digest);
  await readImages(archive);
});

test('oci archive: foreign layers may be absent, and nothing is fetched for them', async (t) => {
  const foreign = {
    mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    digest: `sha256:${'7'.repeat(64)}`,
    size: 5,
    urls: ['http://127.0.0.1:1/x', 'file:///etc/passwd'],
  };
  const settings = AMD.config;
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: describeBytes(settings, 'application/vnd.oci.image.config.v1+json'),
    layers: [foreign],
  });
  const root = describeBytes(manifest, MANIFEST);
  const archive = await opened(t, [...ociDocuments([root]), blob(manifest), blob(settings)]);
  assert.equal((await archive.resolve('')).digest, root.digest);
  await assert.rejects(readImages(archive), failing('NOT_FOUND'));
});

test('oci archive: blobs that are not what they are called are refused', async (t) => {
  const name = `blobs/sha256/${sha256(AMD.manifest)}`;
  const damaged = Buffer.from(AMD.manifest);
  damaged[5] = 0x20;
  for (const [bytes, code] of [
    [damaged, 'DIGEST_MISMATCH'],
    [AMD.manifest.subarray(1), 'SIZE_MISMATCH'],
    [Buffer.concat([AMD.manifest, Buffer.from(' ')]), 'SIZE_MISMATCH'],
  ] as const) {
    const archive = await opened(t, [...ociDocuments([AMD.descriptor]), rawFile(name, bytes)]);
    await assert.rejects(archive.resolve(''), failing(code));
  }
  const short = [rawFile(`blobs/sha256/${sha256(A)}`, A.subarray(1)), ...AMD.blobs.slice(1)];
  const archive = await opened(t, [...ociDocuments([AMD.descriptor]), ...short]);
  await assert.rejects(archive.resolve(''), failing('SIZE_MISMATCH'));
});

test('oci archive: names that no tool gives refuse the archive', async (t) => {
  for (const annotations of [
    named('../../x'),
    named('1', 'docker.io/library/../../x'),
    named('../../x', 'docker.io/library/app:1'),
    named('-o'),
    named('a b'),
    named('\x1b[2J'),
  ]) {
    const entries = ociDocuments([{ ...AMD.descriptor, ...annotations }]);
    await assert.rejects(opened(t, [...entries, ...AMD.blobs]), failing('ARCHIVE_INVALID'));
  }
});

test('oci archive: the documents must be there once, of a known version, and small', async (t) => {
  const [marker, index] = ociDocuments([AMD.descriptor]);
  const other = rawFile('oci-layout', json({ imageLayoutVersion: '2.0.0' }));
  await assert.rejects(opened(t, [other, index!]), failing('ARCHIVE_INVALID', /1\.0\.0/));
  await assert.rejects(
    opened(t, [marker!, index!, index!]),
    failing('ARCHIVE_INVALID', /more than once/),
  );
  const huge = rawFile('index.json', Buffer.alloc(4 * 1024 * 1024 + 1, ' '));
  await assert.rejects(opened(t, [marker!, huge]), failing('LIMIT_EXCEEDED'));
  await assert.rejects(
    opened(t, [index!, ...AMD.blobs]),
    failing('ARCHIVE_INVALID', /holds no image/),
  );
});
