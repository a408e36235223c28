import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openLayout } from '../../src/layout/layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import type { Repository } from '../../src/registry/repository.ts';
import { readIndex } from '../../src/upkeep/index-entries.ts';
import { bytesOf, putImage } from '../content/images.ts';
import { type TestRegistry, testRegistry } from '../content/places.ts';
import { tempDir } from '../rig/lifetime.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';

let slipway: Slipway;
let registry: TestRegistry;
let app: Repository;
let layout: string;
const images: Record<string, Descriptor> = {};

before(async () => {
  slipway = await prepareSlipway(THIS_FILE);
  registry = await testRegistry(THIS_FILE);
  app = registry.repository('team/app');
  layout = `${await tempDir(THIS_FILE)}/layout`;
  const place = await openLayout(layout, { create: true });
  for (const architecture of ['amd64', 'arm64', 's390x']) {
    const platform = { os: 'linux', architecture };
    const layers = [bytesOf('base', 2_000), bytesOf(architecture, 2_000)];
    const image = await putImage(place, { layers, platform });
    await place.tag(image, architecture, (offset) => place.fetch(image, { offset }));
    images[architecture] = image;
  }
  await place.close();
  await slipway.must([
    'push',
    '--from',
    `oci:${layout}:s390x`,
    `${registry.repository('other/app').name}:s390x`,
  ]);
});

async function entriesAt(tag: string) {
  const { entries, json, mediaType } = await readIndex(app, tag);
  return { entries: entries.map(({ descriptor }) => descriptor), json, mediaType };
}

const src = (architecture: string) => `oci:${layout}:${architecture}`;

test('an index is made of a layout, and of another repository whose blobs are mounted', async () => {
  const other = `docker://${registry.repository('other/app').name}:s390x`;
  const { code, stdout, stderr } = await slipway.run([
    'index',
    'create',
    `${app.name}:multi`,
    src('amd64'),
    src('arm64'),
    other,
    '--annotation',
    'org.example=a=b',
    '--progress',
    'json',
  ]);
  assert.equal(code, 0, stderr);
  const { entries, json } = await entriesAt('multi');
  assert.deepEqual(
    entries.map(({ digest, platform }) => [digest, platform?.architecture]),
    ['amd64', 'arm64', 's390x'].map((name) => [images[name]?.digest, name]),
  );
  assert.deepEqual(json.annotations, { 'org.example': 'a=b' });
  assert.equal(stdout, `${app.name}@${(await app.resolve('multi')).digest}\n`);
  const mounted = stderr.split('\n').filter((line) => line.includes('"status":"mounted"'));
  // The base layer that all have, and the layer and config of the one that is there.
  assert.equal(mounted.length, 3);
  for (const line of mounted) assert.equal(JSON.parse(line).from, 'other/app');
  await slipway.must(['verify', '--deep', `${app.name}:multi`]);
});

test('--types docker makes a manifest list', async () => {
  const made = ['index', 'create', `${app.name}:list`, src('amd64'), '--types', 'docker'];
  const result = JSON.parse((await slipway.must([...made, '--format', 'json'])).join('\n'));
  assert.equal(result.destinations[0].mediaType, MEDIA_TYPE.dockerIndex);
  const { entries } = await entriesAt('list');
  assert.deepEqual(
    entries.map(({ digest }) => digest),
    [images.amd64?.digest],
  );
  const { code } = await slipway.run([...made, '--annotation', 'a=b']);
  assert.equal(code, 2);
});

test('two images for one platform are refused before a tag is set', async () => {
  const place = await openLayout(layout, { create: true });
  const image = await putImage(place, { layers: [bytesOf('another', 100)] });
  await place.tag(image, 'another', (offset) => place.fetch(image, { offset }));
  await place.close();
  const { code, stderr } = await slipway.run([
    'index',
    'create',
    `${app.name}:twice`,
    src('amd64'),
    src('another'),
  ]);
  assert.equal(code, 2);
  assert.match(stderr, /both have an image for linux\/amd64/);
  await assert.rejects(app.resolve('twice'), { code: 'NOT_FOUND' });
});

test('append makes the index, adds to it, and a second time changes nothing', async () => {
  const dest = `${app.name}:grown`;
  await slipway.must(['index', 'append', dest, src('amd64')]);
  const [second] = await slipway.must(['index', 'append', dest, src('arm64')]);
  assert.deepEqual(await slipway.must(['index', 'append', dest, src('arm64')]), [second]);
  const { entries } = await entriesAt('grown');
  assert.deepEqual(
    entries.map(({ digest }) => digest),
    [images.amd64?.digest, images.arm64?.digest],
  );
});

test('entries and the index are annotated, and nothing else changes', async () => {
  const dest = `${app.name}:noted`;
  await slipway.must(['index', 'create', dest, src('amd64'), src('arm64')]);
  await slipway.must(['index', 'annotate', dest, '--annotation', 'of=all']);
  await slipway.must([
    'index',
    'annotate',
    dest,
    '--platform',
    'linux/arm64',
    '--annotation',
    'of=one',
    '--os-version',
    '1.2',
    '--os-features',
    'a,b',
    '--variant',
    'v9',
  ]);
  const { entries, json } = await entriesAt('noted');
  assert.deepEqual(json.annotations, { of: 'all' });
  const { digest, mediaType, size } = images.amd64 as Descriptor;
  assert.deepEqual(entries[0], {
    digest,
    mediaType,
    size,
    platform: { os: 'linux', architecture: 'amd64' },
  });
  assert.deepEqual(entries[1]?.annotations, { of: 'one' });
  assert.deepEqual(entries[1]?.platform, {
    os: 'linux',
    architecture: 'arm64',
    variant: 'v9',
    'os.version': '1.2',
    'os.features': ['a', 'b'],
  });
  for (const wrong of [
    [],
    ['--os', 'linux'],
    ['--platform', 'linux/amd64', '--digest', digest, '--annotation', 'a=b'],
  ]) {
    assert.equal((await slipway.run(['index', 'annotate', dest, ...wrong])).code, 2);
  }
});

test('rm takes entries out by platform and by digest, but never the last one', async () => {
  const dest = `${app.name}:fewer`;
  await slipway.must(['index', 'create', dest, src('amd64'), src('arm64'), src('s390x')]);
  await slipway.must(['index', 'rm', dest, 'linux/arm64', images.s390x?.digest ?? '']);
  assert.deepEqual(
    (await entriesAt('fewer')).entries.map(({ digest }) => digest),
    [images.amd64?.digest],
  );
  const missing = await slipway.run(['index', 'rm', dest, 'linux/arm64']);
  assert.equal(missing.code, 12);
  assert.match(missing.stderr, /it has linux\/amd64/);
  assert.equal((await slipway.run(['index', 'rm', dest, 'linux/amd64'])).code, 2);
  // The content stays.
  await slipway.must(['verify', `${app.name}@${images.arm64?.digest}`]);
});

test('a single image is no index, and what is not there can not be changed', async () => {
  await slipway.must(['push', '--from', src('amd64'), `${app.name}:single`]);
  const single = await slipway.run(['index', 'rm', `${app.name}:single`, 'linux/amd64']);
  assert.equal(single.code, 17);
  const none = await slipway.run([
    'index',
    'annotate',
    `${app.name}:nosuch`,
    '--annotation',
    'a=b',
  ]);
  assert.equal(none.code, 12);
});
