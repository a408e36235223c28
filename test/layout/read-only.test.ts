import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { walk } from '../../src/content/graph.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { mountSmallDisk } from '../rig/small-disk.ts';
import { atEnd, tempFolder } from '../state/folders.ts';
import { filesIn, makeImage, makeIndex, pushImage } from './images.ts';

const run = promisify(execFile);

test('reading a layout writes nothing', async (t) => {
  const dir = join(await tempFolder(t), 'layout');
  const image = makeIndex(makeImage('a'), makeImage('b'));
  const writer = await openLayout(dir, { create: true });
  await pushImage(writer, image, 'v1');
  await writer.close();
  await rm(join(dir, '.slipway'), { recursive: true });
  const before = await filesIn(dir);

  const layout = await openLayout(dir);
  const root = await layout.resolve('v1');
  assert.equal(await layout.exists(root), true);
  assert.equal((await walk(layout, root)).blobs.length, 4);
  assert.deepEqual(await layout.prune({ dryRun: true }), { blobs: [], bytes: 0, entries: [] });
  await layout.close();
  assert.deepEqual(await filesIn(dir), before);
});

test('a layout on a read-only file system can be read, and says why it can not be written', async (t) => {
  const dir = join(await tempFolder(t), 'disk');
  await mkdir(dir);
  const unmount = await mountSmallDisk(t, dir, '5m');
  if (unmount === undefined) return;
  atEnd(t, unmount);
  const writer = await openLayout(join(dir, 'layout'), { create: true });
  await pushImage(writer, makeImage('a'), 'v1');
  await writer.close();
  await run('mount', ['-o', 'remount,ro', dir]);

  for (const options of [{}, { create: true }]) {
    const layout = await openLayout(join(dir, 'layout'), options);
    assert.equal((await layout.entries()).length, 1);
    assert.equal(await layout.exists(await layout.resolve('v1')), true);
    await assert.rejects(pushImage(layout, makeImage('b'), 'v2'), { code: 'FILE_NOT_FOUND' });
    await layout.close();
  }
  const layout = await openLayout(join(dir, 'layout'));
  assert.equal(await layout.exists(await layout.resolve('v1')), true);
});
