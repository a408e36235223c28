import assert from 'node:assert/strict';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { openArchive } from '../../src/archive/archive.ts';
import { readManifest, walk } from '../../src/content/graph.ts';
import { fetching, verifiedOpen } from '../../src/content/verify.ts';
import { all } from '../bytes/samples.ts';
import { RAW_END, rawFile, rawHeader } from '../bytes/tar-fixture.ts';
import {
  config,
  dockerSave,
  failing,
  json,
  layer,
  opened,
  readImages,
  scratch,
  sha256,
} from './images.ts';

const A = layer('a');
const B = layer('b');

test('docker save: an image is described by what is in the archive', async (t) => {
  const archive = await opened(t, dockerSave([A, B, A], ['app:1', 'example.com/team/app:2']));
  assert.deepEqual(archive.images(), [
    { key: '@0', names: ['app:1', 'example.com/team/app:2'], tags: [] },
  ]);
  const root = await archive.resolve('');
  const { document } = await readManifest(archive, root);
  assert.ok(document.kind === 'manifest');
  assert.equal(document.config.digest, `sha256:${sha256(config([A, B, A]))}`);
  const type = 'application/vnd.oci.image.layer.v1.tar';
  assert.deepEqual(
    document.layers,
    [A, B, A].map((bytes) => ({
      mediaType: type,
      digest: `sha256:${sha256(bytes)}`,
      size: bytes.byteLength,
    })),
  );
  const [first] = document.layers;
  assert.ok((await all(archive.fetch(first!))).equals(A));
  assert.ok((await all(archive.fetch(first!, { offset: 700 }))).equals(A.subarray(700)));
  assert.deepEqual(await readImages(archive), [root.digest]);
});

test('docker save: the same image has the same manifest in every archive', async (t) => {
  const one = await opened(t, dockerSave([A, B], ['app:1']));
  const [cfg, ...rest] = [config([A, B]), A, B];
  const other = await opened(t, [
    rawFile('manifest.json', json([{ Config: 'c.json', RepoTags: null, Layers: ['1.tar', '2'] }])),
    ...rest.map((bytes, at) => rawFile(at === 0 ? '1.tar' : '2', bytes)),
    rawFile('./c.json', cfg!),
  ]);
  assert.equal((await one.resolve('')).digest, (await other.resolve('')).digest);
});

test('docker save: names are found as embedded, as docker means them, by place and digest', async (t) => {
  const archive = await opened(t, dockerSave([A], ['app:1', 'example.com/team/app:latest']));
  const root = await archive.resolve('');
  for (const name of [
    'app:1',
    'docker.io/library/app:1',
    'library/app:1',
    'example.com/team/app',
    '@0',
    root.digest,
    `app@${root.digest}`,
    `@${root.digest}`,
  ]) {
    assert.deepEqual(await archive.resolve(name), root, name);
  }
  for (const name of [
    'app',
    'app:2',
    'team/app',
    '@1',
    '@',
    'latest',
    `@sha256:${'0'.repeat(64)}`,
  ]) {
    await assert.rejects(archive.resolve(name), failing('NOT_FOUND'), name);
  }
  await assert.rejects(archive.resolve('app:9'), failing('NOT_FOUND', /it holds app:1/));
});

test('docker save: of several images one must be named', async (t) => {
  const files = [config([A]), config([B])].map((bytes, at) => rawFile(`${at}.json`, bytes));
  const list = (second: string) => [
    ...files,
    rawFile('a.tar', A),
    rawFile('b.tar', B),
    rawFile(
      'manifest.json',
      json([
        { Config: '0.json', RepoTags: ['a:1'], Layers: ['a.tar'] },
        { Config: '1.json', RepoTags: [second], Layers: ['b.tar'] },
      ]),
    ),
  ];
  const archive = await opened(t, list('b:1'));
  await assert.rejects(archive.resolve(''), failing('USAGE', /2 images.*a:1, b:1/));
  assert.equal((await archive.resolve('b:1')).digest, (await archive.resolve('@1')).digest);
  const doubled = await opened(t, list('docker.io/library/a:1'));
  await assert.rejects(doubled.resolve('a:1'), failing('ARCHIVE_INVALID', /@0 or @1/));
});

for (const [format, pack] of [
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
] as const) {
  test(`docker save: a ${format} layer keeps its bytes and is checked against its diffID`, async (t) => {
    const packed = pack(A);
    const entries = (settings: Buffer) => [
      rawFile('c.json', settings),
      rawFile('l', packed),
      rawFile('manifest.json', json([{ Config: 'c.json', RepoTags: ['a:1'], Layers: ['l'] }])),
    ];
    const archive = await opened(t, entries(config([A])));
    const { blobs } = await walk(archive, await archive.resolve(''));
    assert.deepEqual(blobs[1], {
      mediaType: `application/vnd.oci.image.layer.v1.tar+${format}`,
      digest: `sha256:${sha256(packed)}`,
      size: packed.byteLength,
    });
    await readImages(archive);
    const wrong = await opened(t, entries(config([B])));
    await assert.rejects(wrong.resolve(''), failing('DIGEST_MISMATCH'));
  });
}

test('docker save: a compressed layer that is cut, or is a bomb, is refused', async (t) => {
  const bomb = gzipSync(Buffer.alloc(32 * 1024 * 1024));
  for (const [bytes, code] of [
    [gzipSync(A).subarray(0, -5), 'SIZE_MISMATCH'],
    [bomb, 'LIMIT_EXCEEDED'],
  ] as const) {
    const archive = await opened(t, [
      rawFile('c.json', config([A])),
      rawFile('l', bytes),
      rawFile('manifest.json', json([{ Config: 'c.json', RepoTags: null, Layers: ['l'] }])),
    ]);
    await assert.rejects(archive.resolve(''), failing(code));
  }
});

test('docker save: a layer that is not that of its diffID is found when it is read', async (t) => {
  const archive = await opened(t, [
    rawFile('c.json', config([A])),
    rawFile('l', B),
    rawFile('manifest.json', json([{ Config: 'c.json', RepoTags: null, Layers: ['l'] }])),
  ]);
  const { blobs } = await walk(archive, await archive.resolve(''));
  const found = blobs[1]!;
  await assert.rejects(
    all(verifiedOpen(found, fetching(archive, found))(0)),
    failing('DIGEST_MISMATCH'),
  );
});

test('docker save: config and layers that do not fit or are missing are refused', async (t) => {
  const image = (settings: Buffer, layers: unknown, name: unknown = 'c.json') => [
    rawFile('c.json', settings),
    rawFile('a', A),
    rawFile('manifest.json', json([{ Config: name, RepoTags: null, Layers: layers }])),
  ];
  for (const [entries, code] of [
    [image(config([A]), ['a', 'a']), 'CONTENT_INVALID'],
    [image(config([A, A]), ['a']), 'CONTENT_INVALID'],
    [image(json(null), ['a']), 'CONTENT_INVALID'],
    [image(json({}), []), 'CONTENT_INVALID'],
    [image(config([A]), ['missing']), 'CONTENT_MISSING'],
    [image(config([A]), ['a'], 'missing.json'), 'CONTENT_MISSING'],
    [image(config([A]), ['a'], '../c.json'), 'ARCHIVE_INVALID'],
    [image(config([A]), ['/a']), 'ARCHIVE_INVALID'],
    [image(Buffer.alloc(8 * 1024 * 1024 + 1, ' '), ['a']), 'LIMIT_EXCEEDED'],
  ] as const) {
    const archive = await opened(t, entries);
    await assert.rejects(archive.resolve(''), failing(code));
  }
});

test('docker save: a list that is no list, or gives bad names, refuses the archive', async (t) => {
  const image = { Config: 'c.json', RepoTags: ['a:1'], Layers: [] };
  for (const [list, code] of [
    [{}, 'CONTENT_INVALID'],
    [[null], 'CONTENT_INVALID'],
    [[{ ...image, Config: null }], 'CONTENT_INVALID'],
    [[{ ...image, Layers: null }], 'CONTENT_INVALID'],
    [[{ ...image, Layers: [1] }], 'CONTENT_INVALID'],
    [[{ ...image, RepoTags: 'a:1' }], 'CONTENT_INVALID'],
    [[{ ...image, RepoTags: ['../../evil:1'] }], 'ARCHIVE_INVALID'],
    [[{ ...image, RepoTags: ['-o:x'] }], 'ARCHIVE_INVALID'],
    [[{ ...image, RepoTags: ['a b:c'] }], 'ARCHIVE_INVALID'],
    [[{ ...image, RepoTags: ['a:1', ''] }], 'ARCHIVE_INVALID'],
  ] as const) {
    await assert.rejects(opened(t, [rawFile('manifest.json', json(list))]), failing(code));
  }
  const huge = Buffer.from(`[${' '.repeat(4 * 1024 * 1024)}]`);
  await assert.rejects(opened(t, [rawFile('manifest.json', huge)]), failing('LIMIT_EXCEEDED'));
  const twice = rawFile('manifest.json', '[]');
  await assert.rejects(opened(t, [twice, twice]), failing('ARCHIVE_INVALID', /more than once/));
});

test('docker save: a config that is there twice must be the same twice', async (t) => {
  const entries = (second: Buffer) => [
    rawFile('c.json', config([A])),
    rawFile('c.json', second),
    rawFile('a', A),
    rawFile('manifest.json', json([{ Config: 'c.json', RepoTags: null, Layers: ['a'] }])),
  ];
  await readImages(await opened(t, entries(config([A]))));
  const other = await opened(t, entries(config([B])));
  await assert.rejects(other.resolve(''), failing('ARCHIVE_INVALID', /twice/));
});

test('docker save: a layer of 5 GiB is described without being read', async (t) => {
  const path = join(await scratch(t), 'large.tar');
  const size = 5 * 1024 ** 3;
  const head = Buffer.concat([
    rawFile('c.json', config([A])),
    rawFile('manifest.json', json([{ Config: 'c.json', RepoTags: null, Layers: ['l'] }])),
    rawHeader({ name: 'l', size }),
  ]);
  const handle = await open(path, 'w');
  await handle.write(head);
  await handle.write(RAW_END, 0, RAW_END.byteLength, head.byteLength + size);
  await handle.close();
  const startedAt = performance.now();
  const archive = await openArchive(path);
  const { blobs } = await walk(archive, await archive.resolve(''));
  assert.equal(blobs[1]?.size, size);
  assert.ok(performance.now() - startedAt < 1000);
  await archive.close();
});

test('docker save: a name with escape sequences is never shown as it is', async (t) => {
  const entries = [
    rawFile('a\x1b[2Jb', 'x'),
    rawFile('manifest.json', json([{ Config: 'x\x1b[2J', RepoTags: null, Layers: [] }])),
  ];
  const archive = await opened(t, entries);
  await assert.rejects(archive.resolve(''), (error: Error) => !error.message.includes('\x1b'));
  const path = join(await scratch(t), 'cut.tar');
  await writeFile(path, rawHeader({ name: 'a\x1b[2J', type: '3' }));
  await assert.rejects(openArchive(path), (error: Error) => !error.message.includes('\x1b'));
});
