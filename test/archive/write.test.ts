import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  lstat,
  mkdir,
  readdir,
  readFile,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { openArchive } from '../../src/archive/archive.ts';
import { type ArchiveTarget, createArchive } from '../../src/archive/write.ts';
import { fromMemory } from '../../src/bytes/stream.ts';
import { copyGraph } from '../../src/content/copy.ts';
import { graphOf } from '../../src/content/graph.ts';
import type { Source } from '../../src/content/transport.ts';
import { fetching } from '../../src/content/verify.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { all, chunked } from '../bytes/samples.ts';
import { missing, mustRun } from '../rig/programs.ts';
import { mountSmallDisk } from '../rig/small-disk.ts';
import {
  blob,
  config,
  describeBytes,
  failing,
  INDEX,
  json,
  layer,
  named,
  ociDocuments,
  ociImage,
  opened,
  readAll,
  scratch,
  sha256,
} from './images.ts';

const A = layer('a', 100_000);
const B = layer('b');
const IMAGE = ociImage([A, B, A]);

const source = (t: TestContext) => opened(t, [...ociDocuments([IMAGE.descriptor]), ...IMAGE.blobs]);

async function put(target: ArchiveTarget, from: Source, key: string, ...names: string[]) {
  const root = await from.resolve(key);
  await copyGraph(graphOf(from, root, 'test'), target);
  for (const name of names) await target.tag(root, name, fetching(from, root));
  return root;
}

async function write(
  path: string,
  kind: 'docker' | 'oci' | 'both',
  from: Source,
  ...names: string[]
): Promise<void> {
  const target = await createArchive(path, { kind });
  await put(target, from, '', ...names);
  await target.finish();
  await target.abort();
}

function tarText(path: string, name: string): unknown {
  return JSON.parse(execFileSync('tar', ['-xOf', path, name]).toString());
}

test('write: each kind holds its own lists, and is read back with the names it was given', async (t) => {
  const dir = await scratch(t);
  const from = await source(t);
  for (const [kind, lists] of [
    ['docker', ['manifest.json']],
    ['oci', ['index.json', 'oci-layout']],
    ['both', ['index.json', 'manifest.json', 'oci-layout']],
  ] as const) {
    const path = join(dir, `${kind}.tar`);
    await write(path, kind, from, 'example.com/team/app:1', 'app:2');
    const names = execFileSync('tar', ['-tf', path]).toString().trim().split('\n');
    assert.deepEqual(names.filter((name) => !name.startsWith('blobs/')).toSorted(), lists);
    const archive = await openArchive(path);
    const root = await archive.resolve('example.com/team/app:1');
    assert.deepEqual(await archive.resolve('app:2'), root);
    if (kind !== 'docker') assert.equal(root.digest, IMAGE.descriptor.digest);
    await archive.close();
    assert.deepEqual(await readAll(path), [root.digest]);
  }
  assert.deepEqual(tarText(join(dir, 'both.tar'), 'manifest.json'), [
    {
      Config: `blobs/sha256/${sha256(config([A, B, A]))}`,
      RepoTags: ['app:2', 'example.com/team/app:1'],
      Layers: [A, B, A].map((bytes) => `blobs/sha256/${sha256(bytes)}`),
    },
  ]);
  assert.deepEqual(tarText(join(dir, 'both.tar'), 'index.json'), {
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: [
      { ...IMAGE.descriptor, ...named('2', 'docker.io/library/app:2') },
      { ...IMAGE.descriptor, ...named('1', 'example.com/team/app:1') },
    ],
  });
});

test('write: the same image makes the same bytes, dated 1970 and owned by root', async (t) => {
  const dir = await scratch(t);
  const from = await source(t);
  await write(join(dir, 'one.tar'), 'both', from, 'app:1');
  await write(join(dir, 'two.tar'), 'both', from, 'app:1');
  assert.ok((await readFile(join(dir, 'one.tar'))).equals(await readFile(join(dir, 'two.tar'))));
  const listed = execFileSync('tar', ['--numeric-owner', '--utc', '-tvf', join(dir, 'one.tar')]);
  for (const line of listed.toString().trim().split('\n')) {
    assert.match(line, /^[-d]rw[-x]r-[-x]r-[-x] +0\/0 .* 1970-01-01 00:00 /);
  }
});

test('write: pushes side by side come out one after the other', async (t) => {
  const path = join(await scratch(t), 'many.tar');
  const target = await createArchive(path, { kind: 'oci' });
  const blobs = Array.from({ length: 30 }, (_, at) => layer(`side ${at}`, 20_000));
  const descriptors = blobs.map(
    (bytes) => describeBytes(bytes, 'application/x-test') as Descriptor,
  );
  const slow = async function* (bytes: Uint8Array) {
    for (let at = 0; at < bytes.byteLength; at += 5000) {
      await new Promise((resolve) => setImmediate(resolve));
      yield bytes.subarray(at, at + 5000);
    }
  };
  const progress: number[] = [];
  const outcomes = await Promise.all(
    [...descriptors, descriptors[0]!].map((descriptor, at) =>
      target.push(descriptor, () => slow(blobs[at % 30]!), {
        onProgress: (bytes) => at === 0 && progress.push(bytes),
      }),
    ),
  );
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    [...Array(30).fill('uploaded'), 'present'],
  );
  assert.equal(progress.at(-1), descriptors[0]?.size);
  assert.ok(await target.exists(descriptors[3]!));
  await put(target, await source(t), '');
  await target.finish();
  for (const [at, bytes] of blobs.entries()) {
    const name = `blobs/sha256/${sha256(bytes)}`;
    const found = execFileSync('tar', ['-xOf', path, name], { maxBuffer: 1e6 });
    assert.ok(found.equals(bytes), `${at}`);
  }
});

test('write: wrong bytes fail their push, and leave no trace in a file', async (t) => {
  const path = join(await scratch(t), 'made.tar');
  const target = await createArchive(path, { kind: 'oci' });
  const good = describeBytes(A, 'application/x-test') as Descriptor;
  const wrong = Buffer.from(A);
  wrong[50_000] = (wrong[50_000] ?? 0) ^ 1;
  const cut = async function* () {
    yield A.subarray(0, 60_000);
    throw new Error('the source is gone');
  };
  for (const [open, code] of [
    [() => chunked(wrong, 7000), 'DIGEST_MISMATCH'],
    [() => fromMemory(A.subarray(1)), 'SIZE_MISMATCH'],
    [() => fromMemory(Buffer.concat([A, A])), 'SIZE_MISMATCH'],
  ] as const) {
    await assert.rejects(target.push(good, open), failing(code));
    assert.equal(await target.exists(good), false);
  }
  await assert.rejects(target.push(good, cut), /the source is gone/);
  const root = await put(target, await source(t), '');
  const large = describeBytes(layer('large', 500_000), 'application/x-test') as Descriptor;
  const other = () => chunked(layer('other', 500_000), 10_000);
  await assert.rejects(target.push(large, other), failing('DIGEST_MISMATCH'));
  await target.finish();
  assert.deepEqual(await readAll(path), [root.digest]);
  const clean = join(await scratch(t), 'clean.tar');
  await write(clean, 'oci', await source(t));
  assert.ok((await readFile(path)).equals(await readFile(clean)));
});

test('write: the file appears when it is whole; an abort leaves the old one', async (t) => {
  const dir = await scratch(t);
  const path = join(dir, 'app.tar');
  await writeFile(path, 'old');
  const target = await createArchive(path, { kind: 'both' });
  await put(target, await source(t), '', 'app:1');
  assert.equal(await readFile(path, 'utf8'), 'old');
  await target.abort();
  assert.equal(await readFile(path, 'utf8'), 'old');
  assert.deepEqual(await readdir(dir), ['app.tar']);
  await write(path, 'both', await source(t), 'app:1');
  assert.deepEqual(await readdir(dir), ['app.tar']);
  assert.equal((await readAll(path)).length, 1);
});

test('write: what a killed process left is removed by a later one, when it is quiet', async (t) => {
  const dir = await scratch(t);
  const path = join(dir, 'app.tar');
  const writer = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { createArchive } from ${JSON.stringify(new URL('../../src/archive/write.ts', import.meta.url).href)};
       await createArchive(${JSON.stringify(path)}, { kind: 'oci' });
       process.kill(process.pid, 'SIGKILL');`,
    ],
    { encoding: 'utf8' },
  );
  assert.equal(writer.signal, 'SIGKILL', writer.stderr);
  const [left] = await readdir(dir);
  assert.match(left ?? '', /^\.app\.tar\..*\.part$/);
  const others = ['.app.tar.other-1-x.part', 'app.tar.part'];
  for (const name of others) await writeFile(join(dir, name), '');
  await write(path, 'oci', await source(t));
  assert.ok((await readdir(dir)).includes(left!), 'it may still be written to');
  const longAgo = new Date(Date.now() - 3_600_000);
  for (const name of [left!, ...others]) await utimes(join(dir, name), longAgo, longAgo);
  const own = await createArchive(path, { kind: 'oci' });
  const [draft] = (await readdir(dir)).filter((name) => name.includes(`-${process.pid}-`));
  await utimes(join(dir, draft!), longAgo, longAgo);
  await write(path, 'oci', await source(t));
  assert.deepEqual((await readdir(dir)).toSorted(), [...others, 'app.tar', draft!].toSorted());
  await own.abort();
});

test('write: a link is followed, a device is written to, a folder is refused', async (t) => {
  const dir = await scratch(t);
  const from = await source(t);
  await mkdir(join(dir, 'real'));
  await writeFile(join(dir, 'real', 'file'), 'old');
  await symlink('real/file', join(dir, 'link'));
  await write(join(dir, 'link'), 'oci', from);
  assert.ok((await lstat(join(dir, 'link'))).isSymbolicLink());
  assert.equal((await readAll(join(dir, 'real', 'file'))).length, 1);
  await write('/dev/null', 'oci', from);
  assert.ok((await stat('/dev/null')).isCharacterDevice());
  await assert.rejects(createArchive(dir, { kind: 'oci' }), failing('FILE_NOT_FOUND', /folder/));
  await assert.rejects(
    createArchive(join(dir, 'none', 'x.tar'), { kind: 'oci' }),
    failing('FILE_NOT_FOUND'),
  );
});

test('write: a full disk is said, and nothing is left on it', async (t) => {
  const dir = await scratch(t);
  const unmount = await mountSmallDisk(t, dir, '64k');
  if (unmount === undefined) return;
  try {
    const target = await createArchive(join(dir, 'app.tar'), { kind: 'oci' });
    await assert.rejects(put(target, await source(t), ''), failing('NO_SPACE'));
    await target.abort();
    assert.deepEqual(await readdir(dir), []);
  } finally {
    await unmount();
  }
});

test('write: a stream gets the archive, and no end marker after a failure', async (t) => {
  const from = await source(t);
  const streamed = async (work: (target: ArchiveTarget) => Promise<unknown>) => {
    const stream = new PassThrough();
    const bytes = all(stream);
    await new Promise((resolve) => setImmediate(resolve));
    const listeners = stream.listenerCount('error');
    const target = await createArchive(stream, { kind: 'both' });
    const failure = await work(target).then(
      () => target.finish(),
      (error: unknown) => error,
    );
    await target.abort();
    assert.equal(stream.listenerCount('error'), listeners);
    stream.end();
    return { bytes: await bytes, failure };
  };
  const { bytes } = await streamed((target) => put(target, from, '', 'app:1'));
  const path = join(await scratch(t), 'file.tar');
  await write(path, 'both', from, 'app:1');
  assert.ok(bytes.equals(await readFile(path)));

  const good = describeBytes(A, 'application/x-test') as Descriptor;
  const broken = await streamed(async (target) => {
    await assert.rejects(
      target.push(good, () => fromMemory(B)),
      failing('SIZE_MISMATCH'),
    );
    await put(target, from, '', 'app:1');
  });
  assert.ok(failing('INTERNAL')(broken.failure));
  await writeFile(path, broken.bytes);
  await assert.rejects(readAll(path), failing('SIZE_MISMATCH'));
});

test('write: a reader that goes away ends the writing', async (t) => {
  const stream = new PassThrough();
  const target = await createArchive(stream, { kind: 'oci' });
  const pushing = put(target, await source(t), '');
  stream.once('data', () => stream.destroy());
  await assert.rejects(pushing, failing('INTERRUPTED'));
  await target.abort();
});

test('write: an abort signal ends a push', async (t) => {
  const path = join(await scratch(t), 'made.tar');
  const target = await createArchive(path, { kind: 'oci' });
  const good = describeBytes(A, 'application/x-test') as Descriptor;
  const aborting = new AbortController();
  const endless = async function* () {
    for (const byte of A) {
      yield Uint8Array.of(byte);
      aborting.abort(new Error('stopped'));
    }
  };
  await assert.rejects(target.push(good, endless, { signal: aborting.signal }), /stopped/);
  await target.abort();
});

test('write: of an index, docker gets this machine, else the first image', async (t) => {
  const host = hostPlatform().architecture;
  const attestation = ociImage([layer('attestation')], 'unknown');
  for (const [architectures, chosen] of [
    [['s390x', host], 1],
    [['s390x', 'riscv64'], 0],
  ] as const) {
    const images = architectures.map((name) => ociImage([layer(name)], name));
    const index = json({
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [
        { ...attestation.descriptor, platform: { os: 'unknown', architecture: 'unknown' } },
        ...images.map((image, at) => ({
          ...image.descriptor,
          platform: { os: 'linux', architecture: architectures[at] },
        })),
      ],
    });
    const from = await opened(t, [
      ...ociDocuments([describeBytes(index, INDEX)]),
      blob(index),
      ...[attestation, ...images].flatMap(({ blobs }) => blobs),
    ]);
    const path = join(await scratch(t), 'made.tar');
    await write(path, 'both', from, 'app:1');
    const [entry] = tarText(path, 'manifest.json') as [{ Config: string }];
    assert.equal(entry.Config, `blobs/sha256/${sha256(images[chosen]!.config)}`);
    assert.deepEqual(await readAll(path), [describeBytes(index, INDEX).digest]);
  }
});

test('write: content that docker can not load is refused for docker, and left out of both', async (t) => {
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: 'application/x-sbom',
    config: describeBytes(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json'),
    layers: [],
  });
  const root = describeBytes(manifest, 'application/vnd.oci.image.manifest.v1+json');
  const from = await opened(t, [...ociDocuments([root]), blob(manifest), blob(Buffer.from('{}'))]);
  const dir = await scratch(t);
  const refused = write(join(dir, 'docker.tar'), 'docker', from, 'a:1');
  await assert.rejects(refused, failing('UNSUPPORTED', /oci-archive/));
  await write(join(dir, 'both.tar'), 'both', from, 'a:1');
  assert.deepEqual(tarText(join(dir, 'both.tar'), 'manifest.json'), []);
  assert.deepEqual(await readAll(join(dir, 'both.tar')), [root.digest]);
});

test('write: names are checked, and a name that moves names the last image', async (t) => {
  const dir = await scratch(t);
  const from = await source(t);
  const target = await createArchive(join(dir, 'x.tar'), { kind: 'both' });
  const root = await from.resolve('');
  for (const name of ['../x', 'A:1', '']) {
    await assert.rejects(
      target.tag(root, name, fetching(from, root)),
      failing('REFERENCE_INVALID'),
    );
  }
  const other = ociImage([B]);
  const second = await opened(t, [...ociDocuments([other.descriptor]), ...other.blobs]);
  await put(target, from, '', 'app:1', 'app:old');
  await put(target, second, '', 'app:1');
  await target.finish();
  const archive = await openArchive(join(dir, 'x.tar'));
  assert.equal((await archive.resolve('app:1')).digest, other.descriptor.digest);
  assert.equal((await archive.resolve('app:old')).digest, IMAGE.descriptor.digest);
  await archive.close();
});

test('write: skopeo reads both sides of an archive, and writes what is read here', {
  skip: missing('skopeo'),
}, async (t) => {
  const dir = await scratch(t);
  const path = join(dir, 'both.tar');
  await write(path, 'both', await source(t), 'example.com/team/app:1');
  const back = join(dir, 'back.tar');
  const copy = (from: string, to: string) => mustRun('skopeo', ['copy', '-q', from, to]);
  await copy(`oci-archive:${path}`, `oci-archive:${back}:app:1`);
  assert.deepEqual((await openArchiveNames(back)).names, ['app:1']);
  await readAll(back);
  const from = `docker-archive:${path}:example.com/team/app:1`;
  await copy(from, `docker-archive:${join(dir, 'docker.tar')}:app:2`);
  assert.deepEqual((await openArchiveNames(join(dir, 'docker.tar'))).names, [
    'docker.io/library/app:2',
  ]);
  await readAll(join(dir, 'docker.tar'));
});

test('write: umoci unpacks an image of an oci archive', { skip: missing('umoci') }, async (t) => {
  const dir = await scratch(t);
  await write(join(dir, 'oci.tar'), 'oci', await source(t), 'v1');
  const layout = join(dir, 'layout');
  await mkdir(layout);
  execFileSync('tar', ['-xf', join(dir, 'oci.tar'), '-C', layout]);
  const bundle = join(dir, 'bundle');
  await mustRun('umoci', ['unpack', '--rootless', '--image', `${layout}:v1`, bundle]);
  assert.deepEqual((await readdir(join(bundle, 'rootfs', 'etc'))).toSorted(), ['a', 'b']);
});

async function openArchiveNames(path: string): Promise<{ names: readonly string[] }> {
  const archive = await openArchive(path);
  const [image] = archive.images();
  await archive.close();
  return { names: image?.names ?? [] };
}
