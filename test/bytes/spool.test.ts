import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { spool } from '../../src/bytes/spool.ts';
import { fromMemory } from '../../src/bytes/stream.ts';
import { isSlipwayError } from '../../src/errors.ts';
import { mountSmallDisk } from '../rig/small-disk.ts';
import { all, chunked, noise } from './samples.ts';

const MIB = 1024 * 1024;
let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'slipway-spool-'));
});
after(() => rm(dir, { recursive: true }));

test('spool: bytes can be read at any place, and no file is ever seen', async () => {
  const input = noise(3 * MIB + 17);
  const spooled = await spool(chunked(input, 100_001), { dir, what: 'test' });
  assert.deepEqual(await readdir(dir), []);
  assert.equal(spooled.sizeBytes, input.byteLength);
  assert.equal((await spooled.handle.stat()).mode & 0o777, 0o600);
  assert.ok((await all(spooled.read())).equals(input));
  assert.ok((await all(spooled.read({ start: 2 * MIB }))).equals(input.subarray(2 * MIB)));
  assert.ok((await all(spooled.read({ start: 5, length: 7 }))).equals(input.subarray(5, 12)));
  await spooled.close();
});

test('spool: more bytes than the disk has are refused before any are read', async () => {
  const source = async function* () {
    assert.fail('nothing should be read');
    yield new Uint8Array(0);
  };
  await assert.rejects(
    spool(source(), { dir, what: 'big.tar.gz', atLeastBytes: 2 ** 52 }),
    (error) => isSlipwayError(error, 'NO_SPACE') && error.message.includes(dir),
  );
});

test('spool: a disk that fills up is named, and nothing is left on it', async (t) => {
  const small = join(dir, 'small');
  await mkdir(small);
  const unmount = await mountSmallDisk(t, small, '4m');
  if (unmount === undefined) return;
  try {
    await assert.rejects(
      spool(chunked(noise(6 * MIB), 65_536), { dir: small, what: 'standard input' }),
      (error) =>
        isSlipwayError(error, 'NO_SPACE') &&
        error.message.includes(small) &&
        /after \d+ bytes/.test(error.message),
    );
    assert.deepEqual(await readdir(small), []);
    const free = execFileSync('df', ['--output=avail', small]).toString();
    assert.match(free, /\n\s*4096\n/);
  } finally {
    await unmount();
  }
});

test('spool: a source that fails, a signal and a missing folder end it', async () => {
  const failing = async function* () {
    yield noise(1000);
    throw new Error('the pipe broke');
  };
  await assert.rejects(spool(failing(), { dir, what: 'test' }), /the pipe broke/);
  const signal = AbortSignal.abort(new Error('stopped'));
  await assert.rejects(spool(fromMemory(noise(9)), { dir, what: 'test', signal }), /stopped/);
  await assert.rejects(
    spool(fromMemory(noise(9)), { dir: join(dir, 'none'), what: 'x' }),
    (error) => isSlipwayError(error, 'FILE_NOT_FOUND'),
  );
});
