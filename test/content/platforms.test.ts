import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../src/bytes/stream.ts';
import { reducePlatforms } from '../../src/content/derivations/platforms.ts';
import { type Graph, graphOf, readManifest } from '../../src/content/graph.ts';
import type { SlipwayError } from '../../src/errors.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import type { ImageIndex } from '../../src/oci/manifest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import type { Owner } from '../rig/lifetime.ts';
import { putImage, putIndex } from './images.ts';
import { freshLayout } from './places.ts';

/** An index for the given platforms (TV-FINCH of the platform rules), and what else is given. */
async function prepare(owner: Owner, names: readonly string[], more: object = {}) {
  const store = await freshLayout(owner);
  const images: Descriptor[] = [];
  for (const name of names) {
    images.push(
      await putImage(store, { layers: [Buffer.from(name)], platform: parsePlatform(name) }),
    );
  }
  const root = await putIndex(store, images, more);
  return { store, images, root, graph: graphOf(store, root, 'hello') };
}

const wanted = (...names: readonly string[]) => names.map((name) => parsePlatform(name));

async function entriesOf(graph: Graph): Promise<readonly Descriptor[]> {
  const { document } = await readManifest(graph.source, await graph.root());
  return (document as ImageIndex).manifests;
}

test('if nothing is dropped, the bytes and the digest stay', async (t) => {
  const { graph, root } = await prepare(t, ['linux/arm64', 'linux/amd64']);
  for (const names of [
    ['linux/arm64', 'linux/amd64'],
    ['linux/amd64', 'linux/aarch64'],
  ]) {
    assert.equal(await reducePlatforms(graph, wanted(...names)), graph);
  }
  assert.deepEqual(await graph.root(), root);
});

test('one platform of two is an index with one entry and another digest', async (t) => {
  const { graph, root, images } = await prepare(t, ['linux/arm64', 'linux/amd64'], {
    annotations: { 'org.example.kept': 'yes' },
    'org.example.unknown': { a: [1] },
  });
  const reduced = await reducePlatforms(graph, wanted('linux/arm64/v8'));
  const top = await reduced.root();
  assert.notEqual(top.digest, root.digest);
  assert.deepEqual(
    (await entriesOf(reduced)).map(({ digest }) => digest),
    [images[0]?.digest],
  );
  const bytes = await collect(reduced.source.fetch(top), 100_000, 'index');
  const json = JSON.parse(bytes.toString());
  assert.deepEqual(json['org.example.unknown'], { a: [1] });
  assert.deepEqual(json.annotations, { 'org.example.kept': 'yes' });
  assert.equal(bytes.toString(), JSON.stringify(json), 'encoded compactly');
});

test('attestations go, entries without a platform stay', async (t) => {
  const { store, images } = await prepare(t, ['linux/amd64', 'linux/arm64']);
  const [amd64, arm64] = images as [Descriptor, Descriptor];
  const attestation = await putImage(store, { layers: [Buffer.from('provenance')] });
  const unknown = { os: 'unknown', architecture: 'unknown' };
  const { platform: _, ...bare } = await putImage(store, { layers: [Buffer.from('bare')] });
  const entries = [amd64, { ...attestation, platform: unknown }, bare, arm64];
  const root = await putIndex(store, entries);
  const reduced = await reducePlatforms(
    graphOf(store, root, 'hello'),
    wanted('linux/amd64', 'linux/arm64'),
  );
  assert.deepEqual(
    (await entriesOf(reduced)).map(({ digest }) => digest),
    [amd64.digest, bare.digest, arm64.digest],
  );
});

test('a plain manifest is left alone, whatever is asked for', async (t) => {
  const { store, images } = await prepare(t, ['linux/amd64']);
  const graph = graphOf(store, images[0] as Descriptor, 'hello');
  assert.equal(await reducePlatforms(graph, wanted('windows/amd64')), graph);
});

test('a platform that is not there lists those that are', async (t) => {
  const { graph } = await prepare(t, ['linux/arm64', 'linux/arm/v7', 'linux/amd64']);
  for (const asked of [['linux/s390x'], ['linux/amd64', 'linux/s390x']]) {
    await assert.rejects(reducePlatforms(graph, wanted(...asked)), (error: SlipwayError) => {
      assert.equal(error.code, 'PLATFORM_NOT_FOUND');
      assert.match(error.message, /linux\/s390x/);
      assert.equal(error.hint, 'it has linux/arm64, linux/arm/v7, linux/amd64');
      return true;
    });
  }
});

test('--single is the bare manifest, as it is', async (t) => {
  const { graph, images } = await prepare(t, ['linux/arm64', 'linux/amd64']);
  const amd64 = images[1] as Descriptor;
  const single = await (
    await reducePlatforms(graph, wanted('linux/amd64'), { single: true })
  ).root();
  assert.deepEqual(single, { mediaType: amd64.mediaType, digest: amd64.digest, size: amd64.size });
});
