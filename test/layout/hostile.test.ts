import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { collect } from '../../src/bytes/stream.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { DOCUMENT_LIMITS } from '../../src/oci/json.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { tempFolder } from '../state/folders.ts';
import { filesIn, makeImage, opener, piece, pushImage, pushPiece } from './images.ts';

const NAME = 'org.opencontainers.image.ref.name';

/** A layout that somebody else wrote, with this `index.json`. */
async function layoutOf(t: Parameters<typeof tempFolder>[0], index: string) {
  const dir = await tempFolder(t);
  await mkdir(join(dir, 'blobs', 'sha256'), { recursive: true });
  await writeFile(join(dir, 'oci-layout'), '{"imageLayoutVersion": "1.0.0"}\n');
  await writeFile(join(dir, 'index.json'), index);
  return dir;
}

const entry = (fields: object) => ({
  mediaType: MEDIA_TYPE.ociManifest,
  digest: digestOf('x'),
  size: 1,
  ...fields,
});
const indexOf = (...manifests: unknown[]) => JSON.stringify({ schemaVersion: 2, manifests });

test('an index.json that breaks the rules is refused, and the file is named', async (t) => {
  const cases: [string, string, string][] = [
    ['not JSON', '{', 'CONTENT_INVALID'],
    ['an array', '[]', 'CONTENT_INVALID'],
    ['manifests is no list', '{"schemaVersion":2,"manifests":{}}', 'CONTENT_INVALID'],
    ['schema version 1', '{"schemaVersion":1,"manifests":[]}', 'CONTENT_INVALID'],
    [
      'an image manifest',
      `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE.ociManifest}"}`,
      'CONTENT_INVALID',
    ],
    ['twin keys', '{"schemaVersion":2,"manifests":[],"Manifests":[]}', 'CONTENT_INVALID'],
    ['null entry', indexOf(null), 'CONTENT_INVALID'],
    ['path as digest', indexOf(entry({ digest: 'sha256:../../etc/passwd' })), 'CONTENT_INVALID'],
    [
      'upper-case digest',
      indexOf(entry({ digest: digestOf('x').toUpperCase() })),
      'CONTENT_INVALID',
    ],
    ['unknown algorithm', indexOf(entry({ digest: `md5:${'0'.repeat(32)}` })), 'CONTENT_INVALID'],
    ['negative size', indexOf(entry({ size: -1 })), 'CONTENT_INVALID'],
    ['size 1e3 as text', indexOf(entry({ size: '1000' })), 'CONTENT_INVALID'],
    [
      'annotation of another kind',
      indexOf(entry({ annotations: { [NAME]: 1 } })),
      'CONTENT_INVALID',
    ],
    [
      'deep',
      `{"schemaVersion":2,"manifests":[],"x":${'['.repeat(100)}${']'.repeat(100)}}`,
      'LIMIT_EXCEEDED',
    ],
    ['too long', `${indexOf()}${' '.repeat(DOCUMENT_LIMITS.manifestBytes)}`, 'LIMIT_EXCEEDED'],
  ];
  for (const [what, text, code] of cases) {
    const dir = await layoutOf(t, text);
    const layout = await openLayout(dir);
    for (const use of [() => layout.entries(), () => layout.resolve('v1')]) {
      await assert.rejects(use, (error: { code?: string; message?: string }) => {
        assert.equal(error.code, code, what);
        assert.ok(error.message?.includes(join(dir, 'index.json')), `${what}: ${error.message}`);
        return true;
      });
    }
    const image = makeImage('a');
    await assert.rejects(pushImage(layout, image, 'v1'), { code }, what);
    assert.equal(await readFile(join(dir, 'index.json'), 'utf8'), text, 'it is left as it was');
    await layout.close();
  }
});

test('keys like __proto__ change nothing but themselves', async (t) => {
  const dir = await layoutOf(
    t,
    `{"schemaVersion":2,"__proto__":{"manifests":[1]},"manifests":[{"mediaType":"${MEDIA_TYPE.ociManifest}","digest":"${digestOf('x')}","size":1,"annotations":{"__proto__":"evil","constructor":"evil"}}]}`,
  );
  const layout = await openLayout(dir);
  assert.equal((await layout.entries()).length, 1);
  assert.deepEqual(await Array.fromAsync(layout.list()), []);
  await assert.rejects(layout.resolve('evil'), { code: 'NOT_FOUND' });
  await pushImage(layout, makeImage('a'), 'v1');
  assert.deepEqual(await Array.fromAsync(layout.list()), ['v1']);
  assert.equal(({} as { evil?: unknown }).evil, undefined);
  await layout.close();
});

test('a name of two images is refused until it is given again', async (t) => {
  const dir = await layoutOf(t, indexOf());
  const layout = await openLayout(dir);
  const [a, b] = [makeImage('a'), makeImage('b')];
  await pushImage(layout, a, 'a');
  await pushImage(layout, b, 'b');
  const twice = [a, b].map(({ manifest }) => ({
    ...manifest.descriptor,
    annotations: { [NAME]: 'v1' },
  }));
  await writeFile(join(dir, 'index.json'), indexOf(...twice));
  await assert.rejects(layout.resolve('v1'), { code: 'CONTENT_INVALID' });
  assert.equal((await layout.resolve(a.manifest.descriptor.digest)).digest, twice[0]?.digest);
  await writeFile(join(dir, 'index.json'), indexOf(twice[0], twice[0]));
  assert.equal((await layout.resolve('v1')).digest, twice[0]?.digest);
  await writeFile(join(dir, 'index.json'), indexOf(...twice));
  await layout.tag(b.manifest.descriptor, 'v1', opener(b.manifest.bytes));
  assert.equal((await layout.resolve('v1')).digest, b.manifest.descriptor.digest);
  await layout.close();
});

test('names that could rewrite a screen appear in no message', async (t) => {
  const evil = '\u001b[2Jevil\n::set-output';
  const dir = await layoutOf(t, indexOf(entry({ annotations: { [NAME]: evil } })));
  const layout = await openLayout(dir);
  await assert.rejects(layout.resolve('v1'), (error: { message?: string; hint?: string }) => {
    assert.ok(!`${error.message}${error.hint}`.includes('evil'));
    return true;
  });
  await assert.rejects(layout.resolve(evil.replace('evil', 'x')), (error: { message?: string }) => {
    assert.ok(!error.message?.includes('\u001b'));
    return true;
  });
});

test('indexes nested sixty-four times get no name and stop nothing', async (t) => {
  const layout = await openLayout(await layoutOf(t, indexOf()));
  let top = piece(
    { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [] },
    MEDIA_TYPE.ociIndex,
  );
  await pushPiece(layout, top);
  for (let level = 0; level < 64; level++) {
    top = piece(
      { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [top.descriptor] },
      MEDIA_TYPE.ociIndex,
    );
    await pushPiece(layout, top);
  }
  await assert.rejects(layout.tag(top.descriptor, 'v1', opener(top.bytes)), {
    code: 'LIMIT_EXCEEDED',
  });
  assert.equal(await layout.exists(top.descriptor), false);
  await layout.close();
  assert.equal((await layout.prune()).blobs.length, 65);
});

test('a blob that is a link to a file of the user gives nothing away', async (t) => {
  const dir = await layoutOf(t, indexOf());
  const secret = join(await tempFolder(t), 'secret');
  await writeFile(secret, 'S'.repeat(1_000_000));
  const digest = digestOf('something else');
  await symlink(secret, join(dir, 'blobs', 'sha256', digest.slice(7)));
  const layout = await openLayout(dir);
  const descriptor = { mediaType: MEDIA_TYPE.ociLayer, digest, size: 1_000_000 };
  let seen = 0;
  await assert.rejects(
    async () => {
      for await (const chunk of layout.fetch(descriptor)) seen += chunk.byteLength;
    },
    { code: 'DIGEST_MISMATCH' },
  );
  assert.equal(seen, 0);
  // Tools that make layouts of links make right ones.
  const right = digestOf('S'.repeat(1_000_000));
  await symlink(secret, join(dir, 'blobs', 'sha256', right.slice(7)));
  const bytes = await collect(layout.fetch({ ...descriptor, digest: right }), 2e6, 'blob');
  assert.equal(digestOf(bytes), right);
});

test('pipes and folders in the place of files are refused and block nothing', async (t) => {
  const dir = await layoutOf(t, indexOf());
  const layout = await openLayout(dir);
  const digest = digestOf('pipe');
  const path = join(dir, 'blobs', 'sha256', digest.slice(7));
  await promisify(execFile)('mkfifo', [path]);
  const descriptor = { mediaType: MEDIA_TYPE.ociLayer, digest, size: 4 };
  await assert.rejects(collect(layout.fetch(descriptor), 100, 'pipe'), { code: 'ARCHIVE_INVALID' });
  assert.equal(await layout.exists(descriptor), false);
  await rm(join(dir, 'index.json'));
  await promisify(execFile)('mkfifo', [join(dir, 'index.json')]);
  await assert.rejects(layout.entries(), { code: 'ARCHIVE_INVALID' });
  await rm(join(dir, 'oci-layout'));
  await mkdir(join(dir, 'oci-layout'));
  await assert.rejects(openLayout(dir), { code: 'ARCHIVE_INVALID' });
});

test('nothing is written through a hidden folder that is a link, or a lock with content', async (t) => {
  const dir = await layoutOf(t, indexOf());
  const elsewhere = await tempFolder(t);
  await symlink(elsewhere, join(dir, '.slipway'));
  const image = makeImage('a');
  await assert.rejects(pushImage(await openLayout(dir), image, 'v1'), { code: 'ARCHIVE_INVALID' });
  assert.deepEqual(await filesIn(elsewhere), []);
  await rm(join(dir, '.slipway'));
  await mkdir(join(dir, '.slipway'));
  await writeFile(join(dir, '.slipway', 'lock'), 'a journal could stand beside this');
  await assert.rejects(pushImage(await openLayout(dir), image, 'v1'), { code: 'CONFIG_INVALID' });
});

test('a folder that is no layout, no folder or not there is said to be so', async (t) => {
  const dir = await tempFolder(t);
  await writeFile(join(dir, 'file'), '');
  await mkdir(join(dir, 'empty'));
  await mkdir(join(dir, 'newer'));
  await writeFile(join(dir, 'newer', 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
  await assert.rejects(openLayout(join(dir, 'none')), { code: 'FILE_NOT_FOUND' });
  for (const name of ['empty', 'newer', 'file']) {
    await assert.rejects(openLayout(join(dir, name)), { code: 'ARCHIVE_INVALID' }, name);
  }
  for (const name of ['newer', 'file']) {
    await assert.rejects(openLayout(join(dir, name), { create: true }), {
      code: 'ARCHIVE_INVALID',
    });
  }
  const created = await openLayout(join(dir, 'empty'), { create: true });
  assert.deepEqual(await created.entries(), []);
});
