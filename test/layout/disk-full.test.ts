import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { openLayout } from '../../src/layout/layout.ts';
import { openHints } from '../../src/state/hints.ts';
import { mountSmallDisk } from '../rig/small-disk.ts';
import { atEnd, tempFolder } from '../state/folders.ts';
import { filesIn, makeImage, piece, pushImage, pushPiece } from './images.ts';

const run = promisify(execFile);

test('a full disk is NO_SPACE, leaves nothing behind and the layout readable', async (t) => {
  const dir = join(await tempFolder(t), 'disk');
  await mkdir(dir);
  const unmount = await mountSmallDisk(t, dir, '5m');
  if (unmount === undefined) return;
  atEnd(t, unmount);
  const layout = await openLayout(join(dir, 'layout'), { create: true });
  const [a, b] = [makeImage('a'), makeImage('b')];
  await pushImage(layout, a, 'v1');
  const before = await filesIn(dir);
  const big = piece(randomBytes(6_000_000), 'application/octet-stream');
  const noSpace = (error: { code?: string; hint?: string; facts?: { path?: string } }) => {
    assert.equal(error.code, 'NO_SPACE');
    assert.ok(error.facts?.path?.startsWith(dir));
    assert.ok(error.hint);
    return true;
  };
  await assert.rejects(pushPiece(layout, big), noSpace);
  assert.deepEqual(await filesIn(dir), before);

  // So full that not even a new index.json fits.
  for (const part of [...b.below, b.manifest]) await pushPiece(layout, part);
  await run('sh', ['-c', `head -c 6000000 /dev/zero > ${dir}/filler 2>/dev/null || true`]);
  assert.ok((await stat(join(dir, 'filler'))).size > 1_000_000);
  await assert.rejects(pushImage(layout, b, 'v2'), noSpace);
  const again = await openLayout(join(dir, 'layout'));
  assert.deepEqual(await Array.fromAsync(again.list()), ['v1']);
  assert.equal(await again.exists(a.manifest.descriptor), true);
  openHints(dir).set('a', 'b', 'c'.repeat(50_000));

  await rm(join(dir, 'filler'));
  await pushImage(layout, b, 'v2');
  assert.deepEqual(await Array.fromAsync(again.list()), ['v1', 'v2']);
  await layout.close();
  await writeFile(join(dir, 'filler'), '');
});
