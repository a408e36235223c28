import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { fromMemory, readFileBytes, readHandleBytes } from '../../src/bytes/stream.ts';
import { indexTar, type TarIndex } from '../../src/bytes/tar-index.ts';
import { readTar } from '../../src/bytes/tar-read.ts';
import { TAR_END, tarHeader, tarPadding } from '../../src/bytes/tar-write.ts';
import { type ErrorCode, isSlipwayError } from '../../src/errors.ts';
import { all, chunked, noise } from './samples.ts';
import { paddedData, RAW_END, rawFile, rawHeader, rawPax } from './tar-fixture.ts';

let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'slipway-tar-'));
});
after(() => rm(dir, { recursive: true }));

async function index(path: string, maxEntries?: number): Promise<TarIndex> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    return await indexTar(handle, { what: 'a.tar', sizeBytes: size, maxEntries });
  } finally {
    await handle.close();
  }
}

async function indexOf(...parts: readonly Uint8Array[]): Promise<TarIndex> {
  const path = join(dir, 'made.tar');
  await writeFile(path, Buffer.concat(parts));
  return index(path);
}

const refused = (work: Promise<unknown>, code: ErrorCode = 'ARCHIVE_INVALID', message?: RegExp) =>
  assert.rejects(
    work,
    (error) => isSlipwayError(error, code) && (message?.test(error.message) ?? true),
  );

const ok = rawFile('ok.txt', 'ok');
const LONG = `deep/${'long-name-'.repeat(20)}end`;

test('tar: what GNU tar writes in each of its formats is found where it is', async () => {
  const folder = join(dir, 'in');
  await mkdir(join(folder, 'deep'), { recursive: true });
  const content = noise(70_000);
  await writeFile(join(folder, 'a'), content);
  await writeFile(join(folder, 'empty'), '');
  await writeFile(join(folder, 'deep', 'b'), 'b');
  await symlink('../a', join(folder, 'deep', 'link'));
  execFileSync('ln', [join(folder, 'a'), join(folder, 'zhard')]);
  for (const format of ['v7', 'oldgnu', 'ustar', 'gnu', 'posix']) {
    const path = join(dir, `${format}.tar`);
    if (format !== 'v7' && format !== 'ustar') await writeFile(join(folder, LONG), 'long');
    execFileSync('tar', ['--sort=name', `--format=${format}`, '-cf', path, '-C', folder, '.']);
    await rm(join(folder, LONG), { force: true });
    const { files, hasEndMarker } = await index(path);
    assert.ok(hasEndMarker);
    const handle = await open(path);
    for (const name of ['a', 'deep/link', 'zhard']) {
      const file = files.get(name);
      assert.ok(file, `${format}: ${name}`);
      const range = { start: file.offset, length: file.sizeBytes };
      assert.ok((await all(readHandleBytes(handle, path, range))).equals(content));
    }
    await handle.close();
    assert.equal(files.get('empty')?.sizeBytes, 0);
    assert.equal(files.get(LONG)?.sizeBytes, /v7|ustar/.test(format) ? undefined : 4);
    const streamed: string[] = [];
    for await (const entry of readTar(readFileBytes(path), { what: 'a.tar' })) {
      streamed.push(entry.name.replace(/^\.\//, '').replace(/\/$/, ''));
    }
    for (const name of files.keys()) assert.ok(streamed.includes(name), `${format}: ${name}`);
  }
});

test('tar: our own headers are read by GNU tar and by us, long names and 9 GiB included', async () => {
  const path = join(dir, 'own.tar');
  const handle = await open(path, 'w');
  const large = 9 * 1024 ** 3 + 5;
  const entries = [
    { name: 'blobs/', sizeBytes: 0, type: 'directory' as const },
    { name: LONG, sizeBytes: 3 },
    { name: 'large', sizeBytes: large },
    { name: 'last', sizeBytes: 0 },
  ];
  let position = 0;
  for (const entry of entries) {
    const header = tarHeader(entry);
    await handle.write(header, 0, header.byteLength, position);
    position += header.byteLength + entry.sizeBytes + tarPadding(entry.sizeBytes).byteLength;
  }
  await handle.write(TAR_END, 0, TAR_END.byteLength, position);
  await handle.close();
  const { files } = await index(path);
  assert.deepEqual(
    [...files.values()].map(({ name, sizeBytes }) => [name, sizeBytes]),
    [
      [LONG, 3],
      ['large', large],
      ['last', 0],
    ],
  );
  const listed = execFileSync('tar', ['--numeric-owner', '--utc', '-tvf', path]).toString();
  assert.deepEqual(
    listed
      .trim()
      .split('\n')
      .map((line) => line.replace(/\s+/g, ' ')),
    [
      'drwxr-xr-x 0/0 0 1970-01-01 00:00 blobs/',
      `-rw-r--r-- 0/0 3 1970-01-01 00:00 ${LONG}`,
      `-rw-r--r-- 0/0 ${large} 1970-01-01 00:00 large`,
      '-rw-r--r-- 0/0 0 1970-01-01 00:00 last',
    ],
  );
  await rm(path);
});

test('tar: a large pax size may stand over an open field, and over nothing else', async () => {
  const large = 8 * 1024 ** 3;
  for (const [field, isFine] of [
    ['00000000000\0', true],
    ['77777777777\0', true],
    ['00000001000\0', false],
  ] as const) {
    const path = join(dir, 'pax-size.tar');
    const head = Buffer.concat([
      rawPax({ size: String(large) }),
      rawHeader({ name: 'large', sizeField: Buffer.from(field) }),
    ]);
    const handle = await open(path, 'w');
    await handle.write(head);
    await handle.write(RAW_END, 0, 1024, head.byteLength + large);
    await handle.close();
    if (isFine) assert.equal((await index(path)).files.get('large')?.sizeBytes, large);
    else await refused(index(path), 'ARCHIVE_INVALID', /two different sizes/);
    await rm(path);
  }
});

test('tar: names that lead out of the archive are refused', async () => {
  const names = ['../x', 'a/../x', 'a/..', '..', '/x', '//x', 'C:/x', 'c:x', 'a\\b', '\\\\host\\x'];
  for (const name of names) {
    await refused(indexOf(ok, rawFile(name, 'x'), RAW_END));
    await refused(indexOf(ok, rawPax({ path: name }), rawFile('x', 'x'), RAW_END));
  }
  await refused(indexOf(rawFile('', 'x'), RAW_END), 'ARCHIVE_INVALID', /empty name/);
  const deep = `${'a/'.repeat(300)}f`;
  await refused(indexOf(rawPax({ path: deep }), rawFile('x', 'x'), RAW_END));
  await refused(indexOf(rawPax({ path: 'n'.repeat(4097) }), rawFile('x', 'x'), RAW_END));
  await refused(
    indexOf(rawHeader({ name: Buffer.from([0xff, 0xfe]) }), RAW_END),
    'ARCHIVE_INVALID',
    /UTF-8/,
  );
});

test('tar: names are the same with and without ./ and repeated slashes', async () => {
  const { files } = await indexOf(
    rawHeader({ name: './', type: '5' }),
    rawHeader({ name: '/', type: '5' }),
    rawFile('./a//./b', 'x'),
    RAW_END,
  );
  assert.deepEqual([...files.keys()], ['a/b']);
});

test('tar: a link names a regular file of the archive in one step, before or after it', async () => {
  const link = (name: string, to: string, type = '2') => rawHeader({ name, type, link: to });
  const found = await indexOf(
    link('one/layer.tar', '../two/layer.tar'),
    rawFile('two/layer.tar', 'data'),
    link('hard', 'two/layer.tar', '1'),
    RAW_END,
  );
  assert.equal(found.files.get('one/layer.tar')?.offset, found.files.get('two/layer.tar')?.offset);
  assert.equal(found.files.get('hard')?.name, 'two/layer.tar');
  const bad: ReadonlyArray<readonly Buffer[]> = [
    [link('a', '/etc/passwd')],
    [link('a', '../x'), rawFile('x', '')],
    [link('d/a', '../../x'), rawFile('x', '')],
    [link('a', 'missing')],
    [link('a', '')],
    [link('a', 'b'), link('b', 'a')],
    [link('a', 'a')],
    [link('a', 'b'), link('b', 'ok.txt')],
    [link('a', 'd'), rawHeader({ name: 'd', type: '5' })],
    [link('a', 'ok.txt'), rawFile('a/below', 'x')],
    [rawFile('a/below', 'x'), link('a', 'ok.txt')],
    [rawFile('ok.txt/below', 'x')],
    [link('a', 'ok.txt'), rawFile('a', 'x')],
    [link('p/h', 'q', '1'), rawFile('p/q', 'x')],
    [link('.', 'ok.txt')],
    [link('/', 'ok.txt')],
    [link('a', 'ok\\txt')],
  ];
  for (const entries of bad) await refused(indexOf(ok, ...entries, RAW_END));
});

test('tar: types that have no place in an image are refused', async () => {
  for (const type of ['3', '4', '6', '7', 'S', 'D', 'M', 'V', 'z', '\x01', '_']) {
    await refused(indexOf(ok, rawHeader({ name: 'x', type }), RAW_END));
  }
  await refused(
    indexOf(rawHeader({ name: 'd', type: '5', size: 5 }), paddedData('12345'), RAW_END),
  );
  await refused(indexOf(rawFile('d/', 'abc'), RAW_END));
  const device = rawHeader({ name: 'null', type: '3' });
  await refused(indexOf(ok, device, RAW_END), 'ARCHIVE_INVALID', /is a device/);
});

test('tar: records that readers understand in different ways are refused', async () => {
  const long = rawFile('././@LongLink', 'long\0', { type: 'L', magic: 'ustar  \0' });
  const bad: ReadonlyArray<readonly Buffer[]> = [
    [rawPax({ size: '2' }), long, rawFile('x', '12')],
    [long, rawPax({ size: '2' }), rawFile('x', '12')],
    [long, long, rawFile('x', '')],
    [rawPax({ path: 'a' }), rawPax({ path: 'b' }), rawFile('x', '')],
    [rawPax({ path: 'a' }), rawPax({ comment: 'b' }, 'g'), rawFile('x', '')],
    [rawPax({ path: 'a' })],
    [long],
    [rawPax({ path: 'a' }, 'g'), rawFile('x', '')],
    [rawPax({ size: '1' }, 'g'), rawFile('x', '1')],
    [rawPax({ path: 'a\0b' }), rawFile('x', '')],
    [rawPax({ path: '' }), rawFile('x', '')],
    [rawPax({ size: '-1' }), rawFile('x', '')],
    [rawPax({ size: '0x1' }), rawFile('x', '1')],
    [rawPax({ size: '1536' }), rawHeader({ name: 'x' }), rawFile('hidden', 'hidden'), RAW_END],
    [rawPax({ 'GNU.sparse.major': '1' }), rawFile('x', '')],
    [rawFile('PaxHeader', '99 path=abc\n', { type: 'x' }), rawFile('x', '')],
    [rawFile('PaxHeader', '10 path=a\n9 path=b\n', { type: 'x' }), rawFile('x', '')],
    [rawFile('PaxHeader', '+9 path=b\n', { type: 'x' }), rawFile('x', '')],
    [rawFile('PaxHeader', '4 =b\n', { type: 'x' }), rawFile('x', '')],
    [Buffer.alloc(512), rawFile('x', '')],
    [rawHeader({ name: 'x', prefix: 'p', magic: 'ustar\0 \0' })],
  ];
  for (const [at, entries] of bad.entries()) {
    await assert.rejects(
      indexOf(ok, ...entries, RAW_END),
      (error) => isSlipwayError(error, 'ARCHIVE_INVALID'),
      `case ${at}`,
    );
  }
  const comment = await indexOf(rawPax({ comment: 'deadbeef' }, 'g'), ok, RAW_END);
  assert.deepEqual([...comment.files.keys()], ['ok.txt']);
});

test('tar: a streamed archive gives no name that readers could cut short', async () => {
  for (const records of [{ path: 'a\0b' }, { path: '' }, { linkpath: 'a\0b' }]) {
    await refused(drain(Buffer.concat([rawPax(records), rawFile('x', ''), RAW_END])));
  }
});

test('tar: numbers that no file has are refused', async () => {
  for (const field of [
    Buffer.alloc(12, 0xff),
    Buffer.from('80000000 7fffffffffffffff'.replace(' ', ''), 'hex'),
    Buffer.from('0000000000z\0'),
    Buffer.from('-0000000001\0'),
    Buffer.from('1 1        \0'),
  ]) {
    await assert.rejects(indexOf(ok, rawHeader({ name: 'x', sizeField: field }), RAW_END));
  }
  await refused(indexOf(ok, rawHeader({ name: 'x', checksum: 1 }), RAW_END));
});

test('tar: an archive that is cut anywhere is found out, or misses only its end marker', async () => {
  const parts = [rawPax({ path: 'a' }), rawFile('x', 'data'), rawFile('second', 'b'.repeat(600))];
  const whole = Buffer.concat([...parts, RAW_END]);
  const complete = whole.byteLength - RAW_END.byteLength;
  const first = parts[0]!.byteLength + parts[1]!.byteLength;
  for (let end = 1; end < whole.byteLength; end += 7) {
    const cut = whole.subarray(0, end);
    if (end >= complete) assert.equal((await indexOf(cut)).files.size, 2);
    else await refused(indexOf(cut), 'SIZE_MISMATCH');
    await drain(cut).then(
      () => assert.ok(end >= complete, `streamed, cut at ${end}`),
      (error) => assert.ok(isSlipwayError(error, 'SIZE_MISMATCH')),
    );
  }
  const between = await indexOf(whole.subarray(0, first));
  assert.equal(between.hasEndMarker, false);
  assert.equal((await indexOf(whole)).hasEndMarker, true);
});

test('tar: what follows the end marker stays unseen', async () => {
  const found = await indexOf(ok, RAW_END, rawFile('second', 'x'), Buffer.from('GARBAGE'));
  assert.deepEqual([...found.files.keys()], ['ok.txt']);
});

test('tar: a name that comes twice is refused, unless both may be the same file', async () => {
  await refused(indexOf(rawFile('a', '1'), rawFile('a', '22'), RAW_END));
  await refused(indexOf(rawFile('a', ''), rawHeader({ name: 'a', type: '5' }), RAW_END));
  await refused(indexOf(rawFile('caf\u00e9', '1'), rawFile('cafe\u0301', '1'), RAW_END));
  const twins = await indexOf(rawFile('a', '1'), rawFile('a', '2'), RAW_END);
  assert.equal(twins.files.get('a')?.twinOffsets.length, 1);
  assert.equal((await indexOf(rawFile('A', '1'), rawFile('a', '1'), RAW_END)).files.size, 2);
});

test('tar: caps hold for entries, and for records and names of one entry', async () => {
  const entries = Array.from({ length: 20 }, (_, at) => rawHeader({ name: `e${at}` }));
  const path = join(dir, 'many.tar');
  await writeFile(path, Buffer.concat([...entries, RAW_END]));
  assert.equal((await index(path, 20)).entryCount, 20);
  await refused(index(path, 19), 'LIMIT_EXCEEDED');
  const MIB = 1024 * 1024;
  await refused(
    indexOf(rawPax({ comment: 'A'.repeat(MIB) }), rawFile('x', ''), RAW_END),
    'LIMIT_EXCEEDED',
  );
  const most = indexOf(rawPax({ comment: 'A'.repeat(MIB - 100) }), rawFile('x', ''), RAW_END);
  assert.equal((await most).files.size, 1);
  const long = (type: string) => rawFile('././@LongLink', 'x'.repeat(MIB / 2 + 1), { type });
  await refused(indexOf(long('L'), long('K'), rawFile('x', ''), RAW_END), 'LIMIT_EXCEEDED');
});

test('tar: bytes that changed never end in anything but a Slipway error', async () => {
  const whole = Buffer.concat([rawPax({ path: LONG }), rawFile('x', 'data'), ok, RAW_END]);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: whole.byteLength - 1 }),
      fc.integer({ min: 0, max: 255 }),
      fc.boolean(),
      async (at, value, fixChecksum) => {
        const changed = Buffer.from(whole);
        changed[at] = value;
        if (fixChecksum) {
          const start = at - (at % 512);
          changed.fill(0x20, start + 148, start + 156);
          const sum = changed.subarray(start, start + 512).reduce((total, byte) => total + byte, 0);
          changed.write(`${sum.toString(8).padStart(6, '0')}\0 `, start + 148);
        }
        const noted = (error: unknown) => assert.ok(isSlipwayError(error), String(error));
        await indexOf(changed).catch(noted);
        await drain(changed).catch(noted);
      },
    ),
    { numRuns: 300 },
  );
});

test('tar: a streamed archive gives the data that is read and skips what is not', async () => {
  const data = noise(300_000);
  const whole = Buffer.concat([
    rawFile('skipped', noise(200_000)),
    rawFile('read', data),
    rawFile('partly', data),
    rawFile('last', 'end'),
    RAW_END,
  ]);
  for (const cut of [1000, 65_536, whole.byteLength]) {
    const seen = new Map<string, number>();
    for await (const entry of readTar(chunked(whole, cut), { what: 'a.tar' })) {
      seen.set(entry.name, entry.sizeBytes);
      if (entry.name === 'read') assert.ok((await all(entry.read())).equals(data));
      if (entry.name === 'partly') for await (const _ of entry.read()) break;
      if (entry.name === 'last') assert.equal((await all(entry.read())).toString(), 'end');
    }
    assert.deepEqual([...seen.keys()], ['skipped', 'read', 'partly', 'last']);
  }
});

async function drain(bytes: Uint8Array): Promise<void> {
  for await (const entry of readTar(fromMemory(bytes), { what: 'a.tar' })) {
    for await (const _ of entry.read());
  }
}
