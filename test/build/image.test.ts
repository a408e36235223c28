import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { buildImage, buildIndex } from '../../src/build/image.ts';
import { type LayerFile, layerTar, textFile } from '../../src/build/layer.ts';
import { collect, fromMemory } from '../../src/bytes/stream.ts';
import { readManifest } from '../../src/content/graph.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { verifyImage } from '../../src/upkeep/verify.ts';
import { freshLayout } from '../content/places.ts';
import { tempDir } from '../rig/lifetime.ts';
import { missing, mustRun } from '../rig/programs.ts';

const LONG_NAME = `opt/${'long/'.repeat(30)}file`;
const FILES: readonly LayerFile[] = [
  textFile('etc/app.conf', 'listen = 80\n'),
  textFile('bin/app', '#!/bin/sh\n', 0o755),
  textFile(LONG_NAME, 'deep'),
  textFile('empty', ''),
  textFile('opt/ümläut', 'é'),
];
const IMAGE = {
  platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
  layers: [FILES, [textFile('version', '1')]],
  config: { Entrypoint: ['/bin/app'], Labels: { a: 'b' } },
};

test('the digest depends on the content alone: not on order, folder, time zone or process', async (t) => {
  const store = await freshLayout(t);
  const { digest } = await buildImage(store, IMAGE);
  const [files, version] = IMAGE.layers as [readonly LayerFile[], readonly LayerFile[]];
  const again = await buildImage(store, { ...IMAGE, layers: [files.toReversed(), version] });
  assert.equal(again.digest, digest);

  const root = path.resolve(import.meta.dirname, '../..');
  const program = `
    const { buildImage } = await import('${root}/src/build/image.ts');
    const { textFile } = await import('${root}/src/build/layer.ts');
    const { openLayout } = await import('${root}/src/layout/layout.ts');
    const store = await openLayout('store', { create: true });
    const files = ${JSON.stringify([
      ['etc/app.conf', 'listen = 80\n'],
      ['bin/app', '#!/bin/sh\n', 0o755],
      [LONG_NAME, 'deep'],
      ['empty', ''],
      ['opt/ümläut', 'é'],
    ])}.map((file) => textFile(...file));
    const image = await buildImage(store, {
      platform: ${JSON.stringify(IMAGE.platform)},
      layers: [files, [textFile('version', '1')]],
      config: ${JSON.stringify(IMAGE.config)},
    });
    process.stdout.write(image.digest);
    await store.close();
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', program],
    { cwd: await tempDir(t), env: { TZ: 'Asia/Kolkata', LC_ALL: 'C', UV_THREADPOOL_SIZE: '1' } },
  );
  assert.equal(stdout, digest);
});

test('GNU tar lists the layer: sorted, folders first, owned by root, dated 1970', {
  skip: missing('tar'),
}, async (t) => {
  const file = path.join(await tempDir(t), 'layer.tar');
  await writeFile(file, await collect(layerTar(FILES), 1_000_000, 'layer'));
  const env = { TZ: 'UTC', LC_ALL: 'C.UTF-8' };
  const lines = (
    await mustRun('tar', ['--numeric-owner', '--quoting-style=literal', '-tvf', file], { env })
  ).split('\n');
  for (const line of lines) assert.match(line, /^[d-]\S+ 0\/0 +\d+ 1970-01-01 00:00 /);
  const names = lines.map((line) => line.replace(/^.*00:00 /, ''));
  assert.equal(names[0], 'bin/');
  assert.ok(names.includes(LONG_NAME) && names.includes('opt/ümläut'));
  for (const name of names) {
    const folder = name.replace(/\/$/, '').split('/').slice(0, -1).join('/');
    if (folder !== '') assert.ok(names.indexOf(`${folder}/`) < names.indexOf(name), name);
  }
  assert.match(lines.find((line) => line.endsWith('bin/app')) ?? '', /^-rwxr-xr-x/);
  assert.equal(await mustRun('tar', ['-xOf', file, 'etc/app.conf']), 'listen = 80');
});

test('skopeo reads the image, and everything in it verifies', {
  skip: missing('skopeo'),
}, async (t) => {
  const dir = path.join(await tempDir(t), 'layout');
  const store = await openLayout(dir, { create: true });
  const image = await buildImage(store, IMAGE);
  const index = await buildIndex(store, [image]);
  for (const [name, root] of Object.entries({ one: image, all: index })) {
    const { bytes } = await readManifest(store, root);
    await store.tag(root, name, (offset) => fromMemory(bytes, offset));
    await verifyImage(store, name, { deep: true });
  }
  await store.close();
  const inspected = JSON.parse(await mustRun('skopeo', ['inspect', `oci:${dir}:one`]));
  assert.equal(inspected.Digest, image.digest);
  assert.equal(inspected.Architecture, 'arm64');
  assert.deepEqual(inspected.Labels, { a: 'b' });
  assert.equal(inspected.Layers.length, 2);
  const copied = path.join(await tempDir(t), 'dir');
  await mustRun('skopeo', ['copy', '--quiet', '--all', `oci:${dir}:all`, `dir:${copied}`]);
});

test('paths that leave the image or stand twice are refused before a byte is written', async () => {
  const hostile = ['../etc/passwd', '/etc/passwd', 'a/../b', './a', 'a//b', 'a/', '', 'a\0b', '..'];
  for (const name of hostile) {
    await assert.rejects(
      collect(layerTar([textFile(name, 'x')]), 10_000, 'layer'),
      { code: 'USAGE' },
      name,
    );
  }
  for (const names of [
    ['a', 'a'],
    ['a', 'a/b'],
    ['a', 'a.txt', 'a/b'],
  ]) {
    const files = names.map((name) => textFile(name, 'x'));
    await assert.rejects(collect(layerTar(files), 10_000, 'layer'), { code: 'USAGE' });
  }
});

test('a file that changes its size while it is packed makes no image', async (t) => {
  const store = await freshLayout(t);
  for (const text of ['short', 'much longer than it was said']) {
    const file = { path: 'log', sizeBytes: 10, open: () => fromMemory(Buffer.from(text)) };
    await assert.rejects(buildImage(store, { ...IMAGE, layers: [[file]] }), {
      code: 'SIZE_MISMATCH',
    });
  }
  await store.prune();
  assert.deepEqual(await store.entries(), []);
});
