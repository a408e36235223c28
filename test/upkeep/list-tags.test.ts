import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fromMemory } from '../../src/bytes/stream.ts';
import { copyGraph } from '../../src/content/copy.ts';
import { graphOf, readManifest } from '../../src/content/graph.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { ANNOTATION } from '../../src/oci/annotations.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestHex } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { createRegistries } from '../../src/registry/registries.ts';
import type { Repository } from '../../src/registry/repository.ts';
import { listManifests, listTags } from '../../src/upkeep/list-tags.ts';
import { bytesOf, putImage, putIndex } from '../content/images.ts';
import { freshLayout, testRegistry } from '../content/places.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';

/** Publishes one small image under so many tags. */
async function publishTags(owner: Owner, repository: Repository, count: number) {
  const layout = await freshLayout(owner);
  const root = await putImage(layout, { layers: [bytesOf('a', 100)] });
  await copyGraph(graphOf(layout, root, 'it'), repository);
  const { bytes } = await readManifest(layout, root);
  const tags = Array.from({ length: count }, (_, at) => `v${String(at).padStart(5, '0')}`);
  for (let at = 0; at < count; at += 16) {
    const some = tags.slice(at, at + 16);
    const open = (offset: number) => fromMemory(bytes, offset);
    await Promise.all(some.map((tag) => repository.tag(root, tag, open)));
  }
  return { root, tags };
}

async function expectTags(repository: Repository, root: Descriptor, tags: readonly string[]) {
  const found = await listTags(repository);
  assert.deepEqual(found.map(({ tag }) => tag).toSorted(), tags);
  for (const { descriptor } of found) assert.equal(descriptor.digest, root.digest);
}

test('more tags than a page has are all listed: the embedded registry', async (t) => {
  const storage = await tempDir(t);
  const dir = path.join(storage, 'app');
  const layout = await openLayout(dir, { create: true });
  const root = await putImage(layout, { layers: [bytesOf('a', 100)] });
  await layout.close();
  // One write instead of a thousand.
  const tags = Array.from({ length: 1_003 }, (_, at) => `v${String(at).padStart(5, '0')}`);
  const manifests = tags.map((tag) => ({ ...root, annotations: { [ANNOTATION.refName]: tag } }));
  await writeFile(path.join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  const { repository, lines } = await testRegistry(t, { storage });
  await expectTags(repository('app'), root, tags);
  assert.equal(lines('GET').length, 2);
});

test('more tags than a page has are all listed: docker-registry', {
  skip: missing('docker-registry'),
}, async (t) => {
  const { host } = await startDockerRegistry(t);
  const registries = createRegistries();
  atEnd(t, () => registries.close());
  const repository = registries.repository(parseRepository(`${host}/team/app`));
  const { root, tags } = await publishTags(t, repository, 130);
  await expectTags(repository, root, tags);
});

test('a tag that goes away while tags are listed is left out', async (t) => {
  const { repository } = await testRegistry(t);
  const place = repository('app');
  const { tags } = await publishTags(t, place, 3);
  const vanishing = {
    ...place,
    async *list() {
      yield* place.list();
      yield 'gone';
    },
  };
  assert.deepEqual(
    (await listTags(vanishing)).map(({ tag }) => tag),
    tags,
  );
});

test('every manifest that tags reach stands once, also where one is missing', async (t) => {
  const layout = await freshLayout(t);
  const images: Descriptor[] = [];
  for (const architecture of ['amd64', 'arm64', 's390x']) {
    const layers = [Buffer.from(architecture)];
    images.push(await putImage(layout, { layers, platform: { os: 'linux', architecture } }));
  }
  const [amd64, arm64, s390x] = images as [Descriptor, Descriptor, Descriptor];
  const index = await putIndex(layout, [amd64, arm64]);
  const other = await putIndex(layout, [index, s390x]);
  const { registry, repository } = await testRegistry(t);
  const place = repository('app');
  await copyGraph(graphOf(layout, other, 'it'), place);
  for (const [tag, root] of Object.entries({ amd: amd64, multi: index, all: other })) {
    const { bytes } = await readManifest(layout, root);
    await place.tag(root, tag, (offset) => fromMemory(bytes, offset));
  }
  await rm(path.join(registry.storage, 'app/blobs/sha256', digestHex(s390x.digest)));
  const found = (await listManifests(place)).map(({ descriptor, tags }) => [
    descriptor.digest,
    tags,
  ]);
  assert.deepEqual(
    found.toSorted(),
    [
      [amd64.digest, ['amd']],
      [arm64.digest, []],
      [index.digest, ['multi']],
      [other.digest, ['all']],
    ].toSorted(),
  );
});
