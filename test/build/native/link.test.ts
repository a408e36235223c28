import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fromMemory } from '../../../src/bytes/stream.ts';
import { readManifest } from '../../../src/content/graph.ts';
import { blobFile } from '../../rig/layouts.ts';
import { startProject } from './project.ts';

test('COPY --link needs nothing of the image below; what follows finds both', async (t) => {
  const project = await startProject(t);
  await project.write('a', 'a');
  await project.write('b', 'b');
  const base = await project.build('FROM scratch\nCOPY a /folder/a\n');
  const { bytes } = await readManifest(project.store, base);
  const name = 'docker.io/library/base:latest';
  await project.store.tag(base, name, (offset) => fromMemory(bytes, offset));

  const linked = 'FROM base AS linked\nCOPY --link b /folder/b\n';
  const both = await project.build(`${linked}FROM scratch\nCOPY --from=linked /folder /\n`);
  const direct = await project.build('FROM scratch\nCOPY a b /\n');
  assert.deepEqual(await project.layers(both), await project.layers(direct));
  const whole = await project.build(linked);

  const [layer] = await project.layers(base);
  // Damaged, so that reading it would be noticed.
  const file = blobFile(project.store.dir, layer?.digest ?? '');
  await writeFile(file, Buffer.alloc(layer?.size ?? 0));
  assert.deepEqual(await project.build(linked), whole);
  await assert.rejects(project.build(linked.replace('--link ', '')), { code: 'DIGEST_MISMATCH' });
});
