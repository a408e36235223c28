import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRepositories } from '../../src/server/repositories.ts';
import { temporaryFolder } from './rig.ts';

const bytes = Buffer.from('the same in all');

test('more repositories than are kept open are served, and none that is in use is closed', async (t) => {
  const dir = await temporaryFolder(t);
  const repositories = createRepositories(dir, { private: true, readOnly: false, maxOpen: 2 });
  t.after(() => repositories.close());
  const held = await repositories.hold('held/one');
  const ingest = await held.layout.ingest();
  await ingest.write(bytes);
  const names = Array.from({ length: 6 }, (_, index) => `many/r${index}`);
  const layouts = new Set();
  for (const name of [...names, ...names]) {
    layouts.add(await repositories.write(name, async (layout) => layout));
  }
  assert.ok(layouts.size > names.length, 'some were closed and opened again');
  const again = await repositories.hold('held/one');
  assert.equal(again.layout, held.layout);
  const { digest } = await ingest.commit();
  assert.equal(await held.layout.blobSize(digest), bytes.byteLength);
  for (const { release } of [held, again, held]) release();
});

test('a folder that takes the place of another one is opened anew', async (t) => {
  const dir = await temporaryFolder(t);
  const repositories = createRepositories(dir, { private: true, readOnly: false });
  t.after(() => repositories.close());
  const push = (name: string, content: Buffer) =>
    repositories.write(name, async (layout) => {
      const ingest = await layout.ingest();
      await ingest.write(content);
      return (await ingest.commit()).digest;
    });
  const [one, two] = [await push('a', bytes), await push('b', Buffer.from('other'))];
  await rename(join(dir, 'a'), join(dir, 'c'));
  await rename(join(dir, 'b'), join(dir, 'a'));
  const sizes = await repositories.read('a', async (layout) => [
    await layout.blobSize(one),
    await layout.blobSize(two),
  ]);
  assert.deepEqual(sizes, [undefined, 5]);
  assert.equal(await repositories.read('b', async () => true), undefined);
});

test('changes of one repository are done one after the other', async (t) => {
  const dir = await temporaryFolder(t);
  const repositories = createRepositories(dir, { private: true, readOnly: false });
  t.after(() => repositories.close());
  let inHand = 0;
  const change = () =>
    repositories.replace('a', async () => {
      inHand++;
      assert.equal(inHand, 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inHand--;
    });
  const failing = repositories.replace('a', async () => {
    throw new Error('refused');
  });
  await Promise.all([change(), assert.rejects(failing, /refused/), change(), change()]);
});
