import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFileSync, renameSync, symlinkSync } from 'node:fs';
import { cp, link, mkdir, open, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { fromMemory } from '../../../src/bytes/stream.ts';
import { copyGraph } from '../../../src/content/copy.ts';
import { graphOf, readManifest } from '../../../src/content/graph.ts';
import type { Layout } from '../../../src/layout/layout.ts';
import type { Descriptor } from '../../../src/oci/descriptor.ts';
import { digestOf, parseDigest } from '../../../src/oci/digest.ts';
import { verifyImage } from '../../../src/upkeep/verify.ts';
import { testRegistry } from '../../content/places.ts';
import { blobFile } from '../../rig/layouts.ts';
import { LONG } from '../../rig/long.ts';
import { missing, mustRun } from '../../rig/programs.ts';
import { startProject } from './project.ts';

/** Lists a layer with GNU tar. */
async function listing(store: Layout, layer: Descriptor | undefined): Promise<readonly string[]> {
  const file = blobFile(store.dir, layer?.digest ?? '');
  const flags = ['--numeric-owner', '--full-time', '--quoting-style=literal', '-tvzf', file];
  const text = await mustRun('tar', flags, { env: { TZ: 'UTC', LC_ALL: 'C.UTF-8' } });
  return text.split('\n').map((line) => line.replace(/ +/g, ' '));
}

async function named(store: Layout, root: Descriptor, name: string): Promise<void> {
  const { bytes } = await readManifest(store, root);
  await store.tag(root, name, (offset) => fromMemory(bytes, offset));
}

test('layers hold what changed and the folders above it, sorted, with numbers and one date', {
  skip: missing('tar'),
}, async (t) => {
  const project = await startProject(t);
  for (const name of ['z', 'a', 'sub/b', 'sub.txt']) await project.write(`files/${name}`, name);
  await symlink('a', path.join(project.context, 'files/link'));
  await link(path.join(project.context, 'files/a'), path.join(project.context, 'files/hard'));
  const root = await project.build(
    'FROM scratch\nCOPY --chown=3000000:7 files /opt/app\nCOPY files/a /opt/app/new',
  );
  const [first, second] = await project.layers(root);
  assert.deepEqual(await listing(project.store, first), [
    'drwxr-xr-x 3000000/7 0 1970-01-01 00:00:00 opt/',
    'drwxr-xr-x 3000000/7 0 1970-01-01 00:00:00 opt/app/',
    '-rw-r--r-- 3000000/7 1 1970-01-01 00:00:00 opt/app/a',
    'hrw-r--r-- 3000000/7 0 1970-01-01 00:00:00 opt/app/hard link to opt/app/a',
    'lrwxrwxrwx 3000000/7 0 1970-01-01 00:00:00 opt/app/link -> a',
    'drwxr-xr-x 3000000/7 0 1970-01-01 00:00:00 opt/app/sub/',
    '-rw-r--r-- 3000000/7 7 1970-01-01 00:00:00 opt/app/sub.txt',
    '-rw-r--r-- 3000000/7 5 1970-01-01 00:00:00 opt/app/sub/b',
    '-rw-r--r-- 3000000/7 1 1970-01-01 00:00:00 opt/app/z',
  ]);
  assert.equal((await listing(project.store, second)).length, 3);
});

test('dates: 1970, no later than SOURCE_DATE_EPOCH, or as they are', {
  skip: missing('tar'),
}, async (t) => {
  const project = await startProject(t);
  await project.write('old', 'old');
  await project.write('young', 'young');
  await utimes(path.join(project.context, 'old'), 1_000_000_000, 1_000_000_000.7);
  await utimes(path.join(project.context, 'young'), 1_600_000_000, 1_600_000_000);
  const text = 'FROM scratch\nCOPY old young /';
  const dates = async (changes: Parameters<typeof project.build>[1]) => {
    const root = await project.build(text, changes);
    const lines = await listing(project.store, (await project.layers(root))[0]);
    const { created } = await project.config(root);
    return [created, ...lines.map((line) => line.split(' ').slice(3, 5).join(' '))];
  };
  const old = '2001-09-09 01:46:40';
  const epoch = ['2017-07-14T02:40:00Z', old, '2017-07-14 02:40:00'];
  assert.deepEqual(await dates({}), [
    '1970-01-01T00:00:00Z',
    ...Array(2).fill('1970-01-01 00:00:00'),
  ]);
  assert.deepEqual(await dates({ timestamps: 1_500_000_000 }), epoch);
  const args = [{ name: 'SOURCE_DATE_EPOCH', value: '1500000000', isFromEnvironment: false }];
  assert.deepEqual(await dates({ args }), epoch);
  assert.deepEqual((await dates({ timestamps: 'keep' })).slice(1), [old, '2020-09-13 12:26:40']);
  const wrong = [{ name: 'SOURCE_DATE_EPOCH', value: 'now', isFromEnvironment: false }];
  await assert.rejects(project.build(text, { args: wrong }), { code: 'USAGE' });
});

test('a build again compresses nothing; one changed file makes one layer', async (t) => {
  const project = await startProject(t);
  await project.write('a', 'a');
  await project.write('b', 'b');
  const text = 'FROM scratch\nCOPY a /\nCOPY b /';
  const first = await project.build(text);
  const again = await project.build(text);
  assert.equal(again.digest, first.digest);
  await project.write('b', 'changed');
  const changed = await project.build(text);
  assert.notEqual(changed.digest, first.digest);
  assert.deepEqual(project.steps(), [
    ...['FROM scratch', 'COPY a /', 'COPY b /'],
    ...['FROM scratch', 'COPY a / (cached)', 'COPY b / (cached)'],
    ...['FROM scratch', 'COPY a / (cached)', 'COPY b /'],
  ]);
  assert.deepEqual((await project.layers(changed))[0], (await project.layers(first))[0]);
  project.events.length = 0;
  await project.build(text, { noCache: true });
  assert.ok(!project.steps().includes('COPY a / (cached)'));
});

test('a cached layer whose bytes changed is no hit', async (t) => {
  const project = await startProject(t);
  await project.write('a', 'a'.repeat(1000));
  const text = 'FROM scratch\nCOPY a /';
  const root = await project.build(text);
  const [layer] = await project.layers(root);
  const file = blobFile(project.store.dir, layer?.digest ?? '');
  const bytes = await readFile(file);
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  await rm(file);
  await writeFile(file, bytes);
  project.events.length = 0;
  const again = await project.build(text);
  assert.deepEqual(project.steps(), ['FROM scratch', 'COPY a /']);
  await named(project.store, again, 'again');
  await verifyImage(project.store, 'again', { deep: true });
});

test('a table that names another blob for a layer costs time, and nothing else', async (t) => {
  const project = await startProject(t);
  await project.write('a', 'a');
  await project.write('b', 'b');
  const text = 'FROM scratch\nCOPY a /';
  const right = await project.build(text);
  const [other] = await project.layers(await project.build('FROM scratch\nCOPY b /'));
  assert.ok(other !== undefined);
  const { rootfs } = await project.config(right);
  for (const size of [other.size, other.size + 1]) {
    project.table.set(
      parseDigest(rootfs.diff_ids[0] ?? ''),
      { format: 'gzip' },
      { ...other, size },
    );
    assert.equal((await project.build(text)).digest, right.digest);
    assert.equal(await project.store.blobSize(other.digest), other.size);
  }
});

test('a file that changes while it is packed makes no image', async (t) => {
  const project = await startProject(t);
  const big = path.join(project.context, 'z-big');
  await project.write('a', 'x'.repeat(20_000_000));
  await project.write('z-big', 'y'.repeat(1000));
  const build = project.build('FROM scratch\nCOPY . /');
  let isDone = false;
  const settled = build
    .then(
      () => undefined,
      (error: unknown) => error,
    )
    .finally(() => {
      isDone = true;
    });
  const writing = (async () => {
    while (!isDone) {
      appendFileSync(big, 'more');
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const error = await settled;
  await writing;
  assert.ok(error !== undefined, 'an image was made of a file that changed all the time');
  await assert.rejects(build, { code: 'SIZE_MISMATCH', message: /changed while it was packed/ });
});

test('a folder that turns into a link while it is packed lets nothing from outside in', async (t) => {
  const project = await startProject(t);
  const outside = path.join(project.dir, 'outside');
  await mkdir(outside);
  await writeFile(path.join(outside, 'file'), 'SECRET');
  const at = (name: string) => path.join(project.context, name);
  await project.write('folder/file', 'public');
  const tries = LONG ? 1000 : 60;
  for (let count = 0; count < tries; count++) {
    let isDone = false;
    const building = project
      .build('FROM scratch\nCOPY . /', { noCache: true })
      .catch((error: { code?: string }) => {
        assert.match(error.code ?? String(error), /^(SIZE_MISMATCH|FILE_NOT_FOUND)$/);
        return undefined;
      })
      .finally(() => {
        isDone = true;
      });
    while (!isDone) {
      renameSync(at('folder'), path.join(project.dir, 'aside'));
      symlinkSync(outside, at('folder'));
      await new Promise((resolve) => setImmediate(resolve));
      await rm(at('folder'));
      renameSync(path.join(project.dir, 'aside'), at('folder'));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const root = await building;
    if (root === undefined) continue;
    for (const layer of await project.layers(root)) {
      const tar = await mustRun('tar', ['-xzOf', blobFile(project.store.dir, layer.digest)]);
      assert.ok(!tar.includes('SECRET'));
    }
  }
});

test('several platforms are one index, bases are chosen by platform, and hosts do not matter', async (t) => {
  const { registry, registries } = await testRegistry(t);
  const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }));
  const maker = await startProject(t);
  await maker.write('a', 'a');
  const base = await maker.build(
    'FROM scratch\nARG TARGETARCH\nLABEL of=$TARGETARCH\nCOPY a /etc/$TARGETARCH',
    { platforms },
  );
  assert.match(base.mediaType, /index/);
  const repository = registries.repository({ host: registry.host, path: 'team/base' });
  await copyGraph(graphOf(maker.store, base, 'base'), repository);
  const { bytes } = await readManifest(maker.store, base);
  await repository.tag(base, '1', (offset) => fromMemory(bytes, offset));

  const project = await startProject(t, async () => registries);
  const text = [
    `FROM --platform=$BUILDPLATFORM ${registry.host}/team/base:1 AS tools`,
    `FROM ${registry.host}/team/base:1`,
    'ARG TARGETPLATFORM',
    'COPY --from=tools /etc /tools',
    'ENV FOR=$TARGETPLATFORM',
  ].join('\n');
  const root = await project.build(text, { platforms });
  const { document } = await readManifest(project.store, root);
  assert.ok(document.kind === 'index');
  assert.deepEqual(
    document.manifests.map(({ platform }) => platform),
    platforms,
  );
  for (const [at, manifest] of document.manifests.entries()) {
    const { config, architecture, history } = await project.config(manifest);
    assert.equal(architecture, platforms[at]?.architecture);
    assert.deepEqual(config.Labels, { of: architecture });
    assert.ok((config.Env as readonly string[]).includes(`FOR=linux/${architecture}`));
    const filled = history.filter((line) => line.empty_layer !== true);
    assert.equal(filled.length, (await project.layers(manifest)).length);
  }
  await named(project.store, root, 'made');
  await verifyImage(project.store, 'made', { deep: true });
});

test('a tar context gives the same image as its folder, and holds its Dockerfile', {
  skip: missing('tar'),
}, async (t) => {
  const project = await startProject(t);
  const dockerfile = 'FROM scratch\nCOPY . /\n';
  await project.write('Dockerfile', dockerfile);
  await project.write('sub/a', 'a');
  await project.write('no.log', 'no');
  await project.write('.dockerignore', '*.log');
  await symlink('a', path.join(project.context, 'sub/link'));
  const bytes = Buffer.from(dockerfile);
  const ignore = Buffer.from('*.log');
  const folder = await project.build('', { dockerfile: { name: 'Dockerfile', bytes, ignore } });
  const file = path.join(project.dir, 'context.tar');
  await mustRun('tar', ['-C', project.context, '--owner=5', '--group=6', '-cf', file, '.']);
  const handle = await open(file);
  try {
    const { size: sizeBytes } = await handle.stat();
    const { dockerfile: _, ...request } = project.request('', {
      context: { kind: 'tar', name: 'standard input', handle, sizeBytes },
    });
    assert.equal((await project.run(request)).digest, folder.digest);
  } finally {
    await handle.close();
  }
});

test('two processes in two folders and two time zones give one digest', async (t) => {
  const project = await startProject(t);
  await project.write('app/main', 'main');
  const root = path.resolve(import.meta.dirname, '../../..');
  const program = `
    const { createNativeEngine } = await import('${root}/src/build/native/engine.ts');
    const { openLayout } = await import('${root}/src/layout/layout.ts');
    const store = await openLayout('../store', { create: true });
    const engine = createNativeEngine({ registries: () => Promise.reject(new Error('none')) });
    const bytes = Buffer.from('FROM scratch\\nCOPY app /app\\nWORKDIR /w\\nENV A=1\\nCMD ["/app/main"]');
    const request = {
      context: { kind: 'folder', path: process.cwd() }, dockerfile: { name: 'D', bytes },
      args: [], platforms: [{ os: 'linux', architecture: 'arm64' }], noCache: false, pull: false,
      secrets: [], ssh: [], cacheFrom: [], cacheTo: [],
    };
    const made = await engine.build(request, { store, spoolDir: '..', emit() {} });
    process.stdout.write(made.digest);
    await store.close();
  `;
  const digests: string[] = [];
  for (const zone of ['Asia/Kolkata', 'America/Caracas']) {
    const folder = path.join(project.dir, zone.replace('/', '-'), 'context');
    await mkdir(folder, { recursive: true });
    await cp(project.context, folder, { recursive: true });
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', program],
      { cwd: folder, env: { TZ: zone, LC_ALL: 'C', UV_THREADPOOL_SIZE: '1' } },
    );
    digests.push(stdout);
  }
  assert.equal(digests[0], digests[1]);
  assert.match(digests[0] ?? '', /^sha256:/);
});

test('a base with a layer that is damaged is not built on', async (t) => {
  const project = await startProject(t);
  await project.write('a', 'a'.repeat(1000));
  const base = await project.build('FROM scratch\nCOPY a /');
  await named(project.store, base, 'docker.io/library/base:latest');
  const [layer] = await project.layers(base);
  const file = blobFile(project.store.dir, layer?.digest ?? '');
  const bytes = await readFile(file);
  bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 1;
  await rm(file);
  await writeFile(file, bytes);
  assert.notEqual(digestOf(bytes), layer?.digest);
  await assert.rejects(project.build('FROM base\nCOPY a /b'), { code: 'DIGEST_MISMATCH' });
});
