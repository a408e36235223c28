import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { walk } from '../../src/content/graph.ts';
import { type Layout, openLayout } from '../../src/layout/layout.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { missing, missingEngine, mustRun } from '../rig/programs.ts';
import { tempFolder } from '../state/folders.ts';
import { makeImage, makeIndex, pushImage } from './images.ts';

/** The names that images have in the local store, and one as other tools give them. */
const NAMES = ['v1', 'localhost:5000/app:1', 'docker.io/library/debian:latest'];

async function storeOf(t: TestContext) {
  const dir = await tempFolder(t);
  const store = await openLayout(join(dir, 'store'), { create: true, private: true });
  const images = NAMES.map((name) => ({ name, image: makeImage(name.replace(/\W/g, '-')) }));
  for (const { name, image } of images) await pushImage(store, image, name);
  await store.close();
  return { dir, store, images };
}

async function assertWhole(layout: Layout, name: string): Promise<string> {
  const root = await layout.resolve(name);
  for (const blob of (await walk(layout, root)).blobs) {
    const bytes = Buffer.concat(await Array.fromAsync(layout.fetch(blob)));
    assert.equal(digestOf(bytes), blob.digest, name);
  }
  return root.digest;
}

test('skopeo reads what we wrote and writes what we read, under full names, too', {
  skip: missing('skopeo'),
}, async (t) => {
  const { dir, store, images } = await storeOf(t);
  for (const { name, image } of images) {
    const { digest } = image.manifest.descriptor;
    const inspected = await mustRun('skopeo', ['inspect', `oci:${store.dir}:${name}`]);
    assert.equal(JSON.parse(inspected).Digest, digest);
    const copy = join(dir, 'copy');
    await mustRun('skopeo', ['copy', '-q', `oci:${store.dir}:${name}`, `oci:${copy}:${name}`]);
    assert.equal(await assertWhole(await openLayout(copy), name), digest);
    await mustRun('skopeo', ['copy', '-q', `oci:${copy}:${name}`, `oci:${store.dir}:back-${name}`]);
    assert.equal(await assertWhole(store, `back-${name}`), digest);
  }
  await pushImage(store, makeImage('after'), 'after');
  assert.equal((await Array.fromAsync(store.list())).length, 2 * NAMES.length + 1);
  await store.close();
});

test('skopeo reads an index that we wrote, and we read one that it wrote', {
  skip: missing('skopeo'),
}, async (t) => {
  const { dir, store } = await storeOf(t);
  const index = makeIndex(makeImage('a'), makeImage('b'));
  await pushImage(store, index, 'many');
  await store.close();
  const copy = join(dir, 'copy');
  await mustRun('skopeo', ['copy', '-q', '--all', `oci:${store.dir}:many`, `oci:${copy}:many`]);
  const layout = await openLayout(copy);
  assert.equal(await assertWhole(layout, 'many'), index.manifest.descriptor.digest);
  assert.equal((await walk(layout, await layout.resolve('many'))).manifests.length, 3);
});

test('umoci lists and unpacks what we wrote, and its garbage collection leaves us whole', {
  skip: missing('umoci'),
}, async (t) => {
  const { dir, store, images } = await storeOf(t);
  const listed = await mustRun('umoci', ['list', '--layout', store.dir]);
  assert.deepEqual(listed.split('\n'), NAMES);
  for (const { name } of images) {
    const bundle = join(dir, name.replace(/\W/g, '-'));
    const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
    await mustRun('umoci', ['unpack', ...rootless, '--image', `${store.dir}:${name}`, bundle]);
    const file = name.replace(/\W/g, '-');
    assert.equal(await readFile(join(bundle, 'rootfs', file), 'utf8'), `this is ${file}\n`);
  }
  await mustRun('umoci', ['gc', '--layout', store.dir]);
  await mustRun('umoci', ['tag', '--image', `${store.dir}:v1`, 'v2']);
  assert.equal(await assertWhole(store, 'v2'), images[0]?.image.manifest.descriptor.digest);
  await pushImage(store, makeImage('after'), 'after');
  for await (const name of store.list()) await assertWhole(store, name);
  await store.close();
});

test('a layout that umoci made is read and written', { skip: missing('umoci') }, async (t) => {
  const dir = join(await tempFolder(t), 'umoci');
  await mustRun('umoci', ['init', '--layout', dir]);
  await mustRun('umoci', ['new', '--image', `${dir}:empty`]);
  const layout = await openLayout(dir);
  await assertWhole(layout, 'empty');
  await pushImage(layout, makeImage('a'), 'ours');
  await layout.close();
  const listed = await mustRun('umoci', ['list', '--layout', dir]);
  assert.deepEqual(listed.split('\n').sort(), ['empty', 'ours']);
});

test('a layout that buildah wrote is read', { skip: missingEngine('buildah') }, async (t) => {
  const dir = await tempFolder(t);
  const storage = ['--storage-driver', 'vfs', '--root', join(dir, 'root')];
  const buildah = (...args: string[]) =>
    mustRun('buildah', [...storage, '--runroot', join(dir, 'run'), ...args], {
      env: { BUILDAH_ISOLATION: 'chroot' },
    });
  await writeFile(join(dir, 'file'), 'content');
  const container = await buildah('from', 'scratch');
  await buildah('copy', container, join(dir, 'file'), '/file');
  await buildah('commit', container, `oci:${join(dir, 'layout')}:localhost/made:1`);
  const layout = await openLayout(join(dir, 'layout'));
  await assertWhole(layout, 'localhost/made:1');
  assert.equal((await walk(layout, await layout.resolve(''))).blobs.length, 2);
});
