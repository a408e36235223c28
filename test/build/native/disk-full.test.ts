import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createNativeEngine } from '../../../src/build/native/engine.ts';
import { openLayout } from '../../../src/layout/layout.ts';
import { mountSmallDisk } from '../../rig/small-disk.ts';
import { startProject } from './project.ts';

test('a full disk is told as such, and a build with room follows', async (t) => {
  const project = await startProject(t);
  const dir = path.join(project.dir, 'small');
  await mkdir(dir);
  const unmount = await mountSmallDisk(t, dir, '2m');
  if (unmount === undefined) return;
  try {
    const store = await openLayout(path.join(dir, 'store'), { create: true });
    const engine = createNativeEngine({
      registries: () => Promise.reject(new Error('no registry')),
    });
    const build = () =>
      engine.build(project.request('FROM scratch\nCOPY data /'), {
        store,
        spoolDir: dir,
        emit: () => {},
      });
    await project.write('data', randomBytes(6_000_000));
    await assert.rejects(build(), { code: 'NO_SPACE' });
    await project.write('data', randomBytes(600_000));
    assert.ok(await store.exists(await build()));
    await store.close();
  } finally {
    await unmount();
  }
});
