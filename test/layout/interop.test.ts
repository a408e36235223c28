import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { walk } from '../../src/content/graph.ts';
import { type Layout, openLayout } from '../../src/layout/layout.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { tempFolder } from '../state/folders.ts';
import { makeImage, makeIndex, pushImage } from './images.ts';

const run = promisify(execFile);

/** The names that images have in the local store, and one as other tools give them. */
const NAMES = ['v1', 'localhost:5000/app:1', 'docker.io/library/debian:latest'];

/** True if the programs are there; where all must run (CI), a missing one is a failure. */
async function hasPrograms(t: TestContext, ...programs: string[]): Promise<boolean> {
  for (const program of programs) {
    const places = (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, program));
    const found = await Promise.any(places.map((place) => access(place))).then(
      () => true,
      () => false,
    );
    if (found) continue;
    assert.equal(process.env.CI, undefined, `${program} is missing`);
    t.skip(`${program} is not installed`);
    return false;
  }
  return true;
}

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

test('skopeo reads what we wrote and writes what we read, under full names, too', async (t) => {
  if (!(await hasPrograms(t, 'skopeo'))) return;
  const { dir, store, images } = await storeOf(t);
  for (const { name, image } of images) {
    const { digest } = image.manifest.descriptor;
    const inspected = await run('skopeo', ['inspect', `oci:${store.dir}:${name}`]);
    assert.equal(JSON.parse(inspected.stdout).Digest, digest);
    const copy = join(dir, 'copy');
    await run('skopeo', ['copy', '-q', `oci:${store.dir}:${name}`, `oci:${copy}:${name}`]);
    assert.equal(await assertWhole(await openLayout(copy), name), digest);
    await run('skopeo', ['copy', '-q', `oci:${copy}:${name}`, `oci:${store.dir}:back-${name}`]);
    assert.equal(await assertWhole(store, `back-${name}`), digest);
  }
  await pushImage(store, makeImage('after'), 'after');
  assert.equal((await Array.fromAsync(store.list())).length, 2 * NAMES.length + 1);
  await store.close();
});

test('skopeo reads an index that we wrote, and we read one that it wrote', async (t) => {
  if (!(await hasPrograms(t, 'skopeo'))) return;
  const { dir, store } = await storeOf(t);
  const index = makeIndex(makeImage('a'), makeImage('b'));
  await pushImage(store, index, 'many');
  await store.close();
  const copy = join(dir, 'copy');
  await run('skopeo', ['copy', '-q', '--all', `oci:${store.dir}:many`, `oci:${copy}:many`]);
  const layout = await openLayout(copy);
  assert.equal(await assertWhole(layout, 'many'), index.manifest.descriptor.digest);
  assert.equal((await walk(layout, await layout.resolve('many'))).manifests.length, 3);
});

test('umoci lists and unpacks what we wrote, and its garbage collection leaves us whole', async (t) => {
  if (!(await hasPrograms(t, 'umoci'))) return;
  const { dir, store, images } = await storeOf(t);
  const listed = await run('umoci', ['list', '--layout', store.dir]);
  assert.deepEqual(listed.stdout.trim().split('\n'), NAMES);
  for (const { name } of images) {
    const bundle = join(dir, name.replace(/\W/g, '-'));
    const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
    await run('umoci', ['unpack', ...rootless, '--image', `${store.dir}:${name}`, bundle]);
    const file = name.replace(/\W/g, '-');
    assert.equal(await readFile(join(bundle, 'rootfs', file), 'utf8'), `this is ${file}\n`);
  }
  await run('umoci', ['gc', '--layout', store.dir]);
  await run('umoci', ['tag', '--image', `${store.dir}:v1`, 'v2']);
  assert.equal(await assertWhole(store, 'v2'), images[0]?.image.manifest.descriptor.digest);
  await pushImage(store, makeImage('after'), 'after');
  for await (const name of store.list()) await assertWhole(store, name);
  await store.close();
});

test('a layout that umoci made is read and written', async (t) => {
  if (!(await hasPrograms(t, 'umoci'))) return;
  const dir = join(await tempFolder(t), 'umoci');
  await run('umoci', ['init', '--layout', dir]);
  await run('umoci', ['new', '--image', `${dir}:empty`]);
  const layout = await openLayout(dir);
  await assertWhole(layout, 'empty');
  await pushImage(layout, makeImage('a'), 'ours');
  await layout.close();
  const listed = await run('umoci', ['list', '--layout', dir]);
  assert.deepEqual(listed.stdout.trim().split('\n').sort(), ['empty', 'ours']);
});

test('a layout that buildah wrote is read', async (t) => {
  if (!(await hasPrograms(t, 'buildah'))) return;
  if (process.getuid?.() !== 0) return t.skip('buildah is run as root only');
  const dir = await tempFolder(t);
  const storage = ['--storage-driver', 'vfs', '--root', join(dir, 'root')];
  const buildah = async (...args: string[]) => {
    const { stdout } = await run('buildah', [...storage, '--runroot', join(dir, 'run'), ...args], {
      env: { ...process.env, BUILDAH_ISOLATION: 'chroot' },
    });
    return stdout.trim();
  };
  await writeFile(join(dir, 'file'), 'content');
  const container = await buildah('from', 'scratch');
  await buildah('copy', container, join(dir, 'file'), '/file');
  await buildah('commit', container, `oci:${join(dir, 'layout')}:localhost/made:1`);
  const layout = await openLayout(join(dir, 'layout'));
  await assertWhole(layout, 'localhost/made:1');
  assert.equal((await walk(layout, await layout.resolve(''))).blobs.length, 2);
});
