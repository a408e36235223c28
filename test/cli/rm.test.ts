import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openLayout } from '../../src/layout/layout.ts';
import { bytesOf, putImage } from '../content/images.ts';
import { testRegistry } from '../content/places.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { tempDir } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';

let slipway: Slipway;
let layout: string;
let digest: string;

before(async () => {
  slipway = await prepareSlipway(THIS_FILE);
  layout = `${await tempDir(THIS_FILE)}/layout`;
  const place = await openLayout(layout, { create: true });
  const image = await putImage(place, { layers: [bytesOf('a', 100)] });
  digest = image.digest;
  for (const tag of ['a', 'b']) {
    await place.tag(image, tag, (offset) => place.fetch(image, { offset }));
  }
  await place.close();
});

/** One image under the tags `a` and `b`. */
async function publish(name: string): Promise<void> {
  await slipway.must(['push', '--from', `oci:${layout}:a`, `${name}:a`, '--tag', 'b']);
}

async function tagsAt(name: string): Promise<readonly string[]> {
  const { tags } = JSON.parse((await slipway.must(['ls', '--json', name])).join('\n'));
  return tags.map(({ tag }: { tag: string }) => tag).toSorted();
}

test('a tag is deleted and its sibling stays; a dry run deletes nothing', async (t) => {
  const { repository } = await testRegistry(t);
  const { name } = repository('team/app');
  await publish(name);
  assert.deepEqual(await slipway.must(['rm', '--dry-run', `${name}:a`]), [
    `Would delete tag: ${name}:a`,
  ]);
  assert.deepEqual(await tagsAt(name), ['a', 'b']);
  assert.deepEqual(await slipway.must(['rm', `${name}:a`]), [`Deleted tag: ${name}:a`]);
  assert.deepEqual(await tagsAt(name), ['b']);
  await slipway.must(['verify', `${name}@${digest}`]);
  assert.equal((await slipway.run(['rm', `${name}:a`])).code, 12);
});

test('a manifest goes with all its tags, which are shown first; nobody to ask is an error', async (t) => {
  const { repository } = await testRegistry(t);
  const { name } = repository('team/app');
  await publish(name);
  const tags = ['a', 'b'].map((tag) => `goes with it: ${name}:${tag}`);
  assert.deepEqual(await slipway.must(['rm', '--manifest', '--dry-run', `${name}:a`]), [
    ...tags,
    `Would delete manifest: ${name}@${digest}`,
  ]);
  const unasked = await slipway.run(['rm', '--manifest', `${name}:a`]);
  assert.equal(unasked.code, 2);
  assert.match(unasked.stderr, /--force/);
  assert.deepEqual(await tagsAt(name), ['a', 'b']);
  const { code, stdout, stderr } = await slipway.run([
    'rm',
    '--manifest',
    '--force',
    `${name}@${digest}`,
  ]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, `Deleted manifest: ${name}@${digest}\n`);
  for (const line of tags) assert.ok(stderr.includes(line));
  assert.deepEqual(await tagsAt(name), []);
});

test('a digest is no tag', async (t) => {
  const { repository } = await testRegistry(t);
  const { name } = repository('team/app');
  await publish(name);
  const { code, stderr } = await slipway.run(['rm', `${name}@${digest}`]);
  assert.equal(code, 2);
  assert.match(stderr, /--manifest/);
  assert.deepEqual(await tagsAt(name), ['a', 'b']);
});

test('a registry without deletes is exit 15, and its tag is as it was', {
  skip: missing('docker-registry'),
}, async (t) => {
  const { host } = await startDockerRegistry(t, { canDelete: false });
  const name = `${host}/team/app`;
  await publish(name);
  for (const args of [[`${name}:a`], ['--manifest', '--force', `${name}:a`]]) {
    assert.equal((await slipway.run(['rm', ...args])).code, 15);
  }
  assert.deepEqual(await tagsAt(name), ['a', 'b']);
  await slipway.must(['verify', `${name}:a@${digest}`]);
});

test('a name of a layout goes too', async () => {
  await slipway.must(['rm', `oci:${layout}:b`]);
  assert.equal((await slipway.run(['verify', `oci:${layout}:b`])).code, 12);
  await slipway.must(['verify', `oci:${layout}:a`]);
});

test('what a tag should stand for is proved, and waited for', async (t) => {
  const { repository } = await testRegistry(t);
  const { name } = repository('team/app');
  const late = slipway.run(['verify', '--wait', '20', `${name}:a@${digest}`]);
  assert.equal((await slipway.run(['verify', `${name}:a@${digest}`])).code, 12);
  await publish(name);
  assert.equal((await late).code, 0);
  const other = `sha256:${'0'.repeat(64)}`;
  const startedAt = performance.now();
  assert.equal((await slipway.run(['verify', '--wait', '1', `${name}:a@${other}`])).code, 17);
  assert.ok(performance.now() - startedAt >= 1_000);
});
