import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { openArchive } from '../../src/archive/archive.ts';
import { chunked } from '../bytes/samples.ts';
import { RAW_END, rawFile } from '../bytes/tar-fixture.ts';
import { dockerSave, failing, layer, readAll, readImages, scratch } from './images.ts';

const ENTRIES = dockerSave([layer('a', 200_000), layer('b')], ['app:1']);
const PLAIN = Buffer.concat([...ENTRIES, RAW_END]);

test('input: plain, gzip and zstd files give the same image, and nothing is left behind', async (t) => {
  const dir = await scratch(t);
  const spoolDir = join(dir, 'spool');
  await mkdir(spoolDir);
  const digests = new Set<string>();
  for (const [name, bytes] of [
    ['plain', PLAIN],
    ['gzip', gzipSync(PLAIN)],
    ['zstd', zstdCompressSync(PLAIN)],
  ] as const) {
    await writeFile(join(dir, name), bytes);
    const archive = await openArchive(join(dir, name), { spoolDir });
    assert.equal(archive.name, join(dir, name));
    assert.deepEqual(await readdir(spoolDir), []);
    for (const digest of await readImages(archive)) digests.add(digest);
    await archive.close();
  }
  assert.equal(digests.size, 1);
});

test('input: standard input is read in any pieces, packed or not', async () => {
  for (const bytes of [PLAIN, gzipSync(PLAIN), zstdCompressSync(PLAIN)]) {
    for (const cut of [1, 65_536]) {
      const stdin = chunked(bytes, cut, 65_536);
      const archive = await openArchive('-', { stdin });
      assert.equal(archive.name, 'standard input');
      assert.equal((await readImages(archive)).length, 1);
      await archive.close();
    }
  }
});

test('input: a pipe with a name is read once', async (t) => {
  const dir = await scratch(t);
  const fifo = join(dir, 'fifo');
  execFileSync('mkfifo', [fifo]);
  await writeFile(join(dir, 'file'), PLAIN);
  const writer = spawn('sh', ['-c', 'cat "$1" > "$2"', 'sh', join(dir, 'file'), fifo]);
  const ended = once(writer, 'exit');
  assert.equal((await readAll(fifo)).length, 1);
  await ended;
});

test('input: what is no archive is told from an archive, with what it is', async (t) => {
  const dir = await scratch(t);
  const cases: ReadonlyArray<readonly [string | Uint8Array, RegExp]> = [
    ['', /empty/],
    ['hello\n', /text/],
    ['x'.repeat(5000), /text/],
    ['<!DOCTYPE html><html></html>', /web page/],
    ['{"errors":[]}', /JSON/],
    ['\x7fELF\x02\x01\x01'.padEnd(4096, '\0'), /program/],
    ['PK\x03\x04', /zip/],
    [Buffer.from('fd377a585a0000', 'hex'), /xz -d/],
    [gzipSync(gzipSync(PLAIN)), /gzip inside gzip/],
    [gzipSync(''), /empty/],
    [Buffer.alloc(5000, 0xfe), /no tar file/],
    [RAW_END, /holds no image/],
    [Buffer.concat([rawFile('app/index.json', '{}'), RAW_END]), /tar -C/],
    [Buffer.concat([rawFile('bin/sh', ''), RAW_END]), /docker export/],
  ];
  for (const [bytes, text] of cases) {
    await writeFile(join(dir, 'file'), bytes);
    await assert.rejects(openArchive(join(dir, 'file')), failing('ARCHIVE_INVALID', text));
  }
});

test('input: folders and missing files are told', async (t) => {
  const dir = await scratch(t);
  await assert.rejects(openArchive(dir), failing('ARCHIVE_INVALID', /is a folder/));
  await writeFile(join(dir, 'oci-layout'), '{}');
  await assert.rejects(
    openArchive(dir),
    failing('ARCHIVE_INVALID', new RegExp(`write oci:${dir}`)),
  );
  await assert.rejects(openArchive(join(dir, 'none')), failing('FILE_NOT_FOUND'));
});

test('input: an archive that is cut anywhere never passes as whole', async (t) => {
  const dir = await scratch(t);
  const path = join(dir, 'cut.tar');
  const packed = gzipSync(PLAIN);
  for (let part = 0; part < 40; part++) {
    const end = Math.floor(((PLAIN.byteLength - 1025) * part) / 40);
    await writeFile(path, PLAIN.subarray(0, end));
    await assert.rejects(
      readAll(path),
      failing(end < 512 ? 'ARCHIVE_INVALID' : 'SIZE_MISMATCH'),
      `${end}`,
    );
    await writeFile(path, packed.subarray(0, Math.floor((packed.byteLength * part) / 40)));
    await assert.rejects(readAll(path), failing(part === 0 ? 'ARCHIVE_INVALID' : 'SIZE_MISMATCH'));
  }
});

test('input: an archive without end marker is read with a warning', async (t) => {
  const path = join(await scratch(t), 'no-end.tar');
  await writeFile(path, PLAIN.subarray(0, -1024));
  const archive = await openArchive(path);
  assert.match(archive.warnings.join(), /no end marker/);
  await readImages(archive);
  await archive.close();
});

test('input: an abort ends the unpacking', async (t) => {
  const spoolDir = await scratch(t);
  const aborting = new AbortController();
  const endless = async function* () {
    yield PLAIN.subarray(0, -1024);
    for (;;) {
      yield Buffer.alloc(65_536, 1);
      aborting.abort(new Error('stopped by the user'));
    }
  };
  await assert.rejects(
    openArchive('-', { stdin: endless(), spoolDir, signal: aborting.signal }),
    /stopped by the user/,
  );
  assert.deepEqual(await readdir(spoolDir), []);
});
