import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLayout } from '../../src/layout/layout.ts';
import { DOCUMENT_LIMITS } from '../../src/oci/json.ts';
import { tempFolder } from '../state/folders.ts';
import { makeImage, pushImage } from './images.ts';

const LIMIT = DOCUMENT_LIMITS.manifestBytes;
const NAME = 'org.opencontainers.image.ref.name';

test('a layout of ten thousand names stays usable, and one too large is never written', async (t) => {
  const layout = await openLayout(join(await tempFolder(t), 'layout'), { create: true });
  const image = makeImage('a');
  await pushImage(layout, image, 'first');
  const manifests = (count: number, name: string) =>
    Array.from({ length: count }, (_, n) => ({
      ...image.manifest.descriptor,
      annotations: { [NAME]: `${name}${n}` },
    }));
  const path = join(layout.dir, 'index.json');
  const write = (entries: object[]) =>
    writeFile(path, JSON.stringify({ schemaVersion: 2, manifests: entries }));
  await write(manifests(10_000, 'registry.example.com/team/application:'));

  const since = performance.now();
  for (let turn = 0; turn < 20; turn++) await pushImage(layout, image, `new${turn}`);
  const tagMs = (performance.now() - since) / 20;
  assert.equal((await layout.entries()).length, 10_020);
  assert.equal(
    (await layout.resolve('registry.example.com/team/application:9999')).digest,
    image.manifest.descriptor.digest,
  );
  t.diagnostic(`one tag beside 10,000 takes ${tagMs.toFixed(1)} ms`);
  assert.ok(tagMs < 500, `one tag takes ${tagMs} ms`);

  const full = manifests(20_000, 'v');
  let length = JSON.stringify({ schemaVersion: 2, manifests: full }).length;
  while (length > LIMIT - 2000) length -= JSON.stringify(full.pop()).length + 1;
  await write(full);
  await assert.rejects(
    async () => {
      for (let turn = 0; turn < 10; turn++) await pushImage(layout, image, 'n'.repeat(500) + turn);
    },
    { code: 'LIMIT_EXCEEDED' },
  );
  assert.ok((await layout.entries()).length > full.length, 'what is there can still be read');
  await layout.close();
});
