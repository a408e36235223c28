import assert from 'node:assert/strict';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { withTemporaryFile } from '../../src/build/engines/temporary.ts';
import { tempDir } from '../rig/lifetime.ts';

test('a folder of a build is gone after it, and so is what a killed one left yesterday', async (t) => {
  const parent = await tempDir(t);
  const at = (name: string) => path.join(parent, name);
  for (const name of ['build-aaaaaa', 'build-bbbbbb', 'builds', 'store']) {
    await mkdir(at(name));
    await writeFile(at(`${name}/file`), '');
  }
  const yesterday = Date.now() / 1000 - 25 * 60 * 60;
  for (const name of ['build-aaaaaa', 'builds', 'store'])
    await utimes(at(name), yesterday, yesterday);
  const failing = withTemporaryFile(parent, 'file', Buffer.from('x'), async (file) => {
    assert.ok(path.dirname(path.dirname(file)) === parent);
    throw new Error('the build failed');
  });
  await assert.rejects(failing, /the build failed/);
  assert.deepEqual((await readdir(parent)).toSorted(), ['build-bbbbbb', 'builds', 'store']);
});
