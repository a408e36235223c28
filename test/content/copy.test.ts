import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { copyGraph } from '../../src/content/copy.ts';
import { graphOf, walk } from '../../src/content/graph.ts';
import type { Target } from '../../src/content/transport.ts';
import type { SlipwayError } from '../../src/errors.ts';
import type { SlipwayEvent } from '../../src/events.ts';
import type { Layout } from '../../src/layout/layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestHex } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { bytesOf, put, putImage, putIndex, putJson } from './images.ts';
import { freshLayout, testRegistry } from './places.ts';

const blobFile = (layout: Layout, { digest }: Descriptor) =>
  path.join(layout.dir, 'blobs/sha256', digestHex(digest));

/** An index of two images that share a layer, one below a nested index. */
async function putNested(layout: Layout) {
  const shared = bytesOf('shared', 5_000);
  const amd64 = await putImage(layout, { layers: [shared, bytesOf('amd64', 3_000)] });
  const arm64 = await putImage(layout, {
    layers: [shared, bytesOf('arm64', 4_000)],
    platform: { os: 'linux', architecture: 'arm64' },
  });
  const inner = await putIndex(layout, [arm64]);
  return { amd64, arm64, inner, root: await putIndex(layout, [amd64, inner]) };
}

test('an index goes to a registry and back with every byte, children before parents', async (t) => {
  const from = await freshLayout(t);
  const to = await freshLayout(t);
  const { root, inner, amd64, arm64 } = await putNested(from);
  const { repository, lines } = await testRegistry(t);
  const target = repository('team/app');

  const { isPresent, bytesSent } = await copyGraph(graphOf(from, root, 'it'), target);
  assert.equal(isPresent, false);
  const walked = await walk(from, root);
  const total = [...walked.manifests.map((node) => node.descriptor), ...walked.blobs];
  assert.equal(
    bytesSent,
    total.reduce((sum, { size }) => sum + size, 0),
  );

  const puts = lines('PUT');
  const manifestPuts = puts.filter((line) => line.includes('/manifests/'));
  const at = ({ digest }: Descriptor) => manifestPuts.findIndex((line) => line.endsWith(digest));
  assert.equal(manifestPuts.length, 4);
  assert.ok(at(arm64) < at(inner) && at(inner) < at(root) && at(amd64) < at(root));
  const firstManifest = puts.findIndex((line) => line.includes('/manifests/'));
  assert.ok(firstManifest > 0, 'blobs come first');

  await copyGraph(graphOf(target, root, 'back'), to);
  await to.tag(root, 'back', (offset) => from.fetch(root, { offset }));
  for (const descriptor of total) {
    assert.deepEqual(
      await readFile(blobFile(to, descriptor)),
      await readFile(blobFile(from, descriptor)),
    );
  }
});

test('a digest that several images name is transferred once', async (t) => {
  const from = await freshLayout(t);
  const { root } = await putNested(from);
  const { repository, lines } = await testRegistry(t);
  const done: string[] = [];
  const emit = (event: SlipwayEvent) => {
    if (event.type === 'transfer.done') done.push(event.digest);
  };
  await copyGraph(graphOf(from, root, 'it'), repository('app'), { emit });
  const { blobs, manifests } = await walk(from, root);
  assert.deepEqual(
    done.toSorted(),
    [...blobs, ...manifests.map((node) => node.descriptor)].map(({ digest }) => digest).toSorted(),
  );
  assert.equal(lines('POST').length, blobs.length);
});

test('a present manifest spares everything below it', async (t) => {
  const from = await freshLayout(t);
  const { root, inner } = await putNested(from);
  const { repository, lines, requests } = await testRegistry(t);
  const target = repository('app');
  await copyGraph(graphOf(from, inner, 'inner'), target);
  requests.length = 0;
  await copyGraph(graphOf(from, root, 'it'), target);
  const { blobs } = await walk(from, inner);
  const own = (await walk(from, root)).blobs.length - blobs.length;
  assert.equal(lines('PUT').filter((line) => line.includes('/blobs/')).length, own);

  requests.length = 0;
  const again = await copyGraph(graphOf(from, root, 'it'), target);
  assert.deepEqual(lines(), [`HEAD /v2/app/manifests/${root.digest}`]);
  assert.equal(again.isPresent, true);
  assert.equal(again.bytesSent, 0);
});

test('layers that may not be distributed stay behind unless they are asked for', async (t) => {
  const from = await freshLayout(t);
  const layer = await put(from, bytesOf('foreign', 2_000), MEDIA_TYPE.ociLayerForeignGzip);
  const foreign = { ...layer, urls: ['https://example.com/layer'] };
  const config = await putJson(from, { rootfs: { type: 'layers' } }, MEDIA_TYPE.ociConfig);
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config };
  const root = await putJson(from, { ...manifest, layers: [foreign] }, MEDIA_TYPE.ociManifest);
  const { repository } = await testRegistry(t);
  await copyGraph(graphOf(from, root, 'it'), repository('without'));
  assert.equal(await repository('without').exists(layer), false);
  await copyGraph(graphOf(from, root, 'it'), repository('with'), { nonDistributable: true });
  assert.equal(await repository('with').exists(layer), true);
});

test('a damaged blob stops the copy, names the source, and leaves no manifest', async (t) => {
  const from = await freshLayout(t);
  const { root, amd64 } = await putNested(from);
  const layer = (await walk(from, amd64)).blobs[2] as Descriptor;
  const bytes = await readFile(blobFile(from, layer));
  bytes[100] = (bytes[100] as number) ^ 1;
  await writeFile(blobFile(from, layer), bytes);

  const { repository, lines } = await testRegistry(t);
  const to = await freshLayout(t);
  for (const target of [repository('app'), to]) {
    await assert.rejects(copyGraph(graphOf(from, root, 'it'), target), (error: SlipwayError) => {
      assert.equal(error.code, 'DIGEST_MISMATCH');
      assert.equal(error.facts.side, 'source');
      assert.equal(error.facts.digest, layer.digest);
      return true;
    });
    assert.equal(await target.exists(layer), false);
    assert.equal(await target.exists(root), false);
  }
  assert.deepEqual(
    lines('PUT').filter((line) => line.endsWith(root.digest) || line.endsWith(amd64.digest)),
    [],
  );
});

test('a blob that is missing in the source says so, with the side', async (t) => {
  const from = await freshLayout(t);
  const { root, amd64 } = await putNested(from);
  const layer = (await walk(from, amd64)).blobs[1] as Descriptor;
  await rm(blobFile(from, layer));
  const { repository } = await testRegistry(t);
  await assert.rejects(
    copyGraph(graphOf(from, root, 'it'), repository('app')),
    (error: SlipwayError) => error.code === 'NOT_FOUND' && error.facts.side === 'source',
  );
});

test('what the registry refuses is the side of the destination', async (t) => {
  const from = await freshLayout(t);
  const { root } = await putNested(from);
  const { repository } = await testRegistry(t, { readOnly: true });
  await assert.rejects(
    copyGraph(graphOf(from, root, 'it'), repository('app')),
    (error: SlipwayError) => error.code === 'UNSUPPORTED' && error.facts.side === 'destination',
  );
});

test('a target that is gone is the side of the destination, too', async (t) => {
  const from = await freshLayout(t);
  const { root } = await putNested(from);
  const { registry, repository } = await testRegistry(t);
  const target = repository('app');
  await registry.close();
  await assert.rejects(
    copyGraph(graphOf(from, root, 'it'), target),
    (error: SlipwayError) => error.code === 'NETWORK' && error.facts.side === 'destination',
  );
});

test('the first failure keeps the rest from beginning', async (t) => {
  const from = await freshLayout(t);
  const layers = Array.from({ length: 60 }, (_, at) => bytesOf(`layer ${at}`, 500));
  const root = await putImage(from, { layers });
  let begun = 0;
  const target: Target = {
    name: 'a target that breaks',
    exists: async () => false,
    async push(_, __, { signal } = {}) {
      const number = ++begun;
      await delay(5);
      if (number === 3) throw new Error('broken');
      await delay(20_000, undefined, signal === undefined ? {} : { signal });
      return { status: 'uploaded', bytesSent: 0 };
    },
    tag: async () => {},
  };
  await assert.rejects(copyGraph(graphOf(from, root, 'it'), target), { message: 'broken' });
  assert.ok(begun < layers.length, `${begun} pieces were begun`);
});

test('an abort ends the copy with its reason, and nothing becomes visible', async (t) => {
  const from = await freshLayout(t);
  const root = await putImage(from, { layers: [bytesOf('large', 4_000_000)] });
  const layer = (await walk(from, root)).blobs[1] as Descriptor;
  const { repository } = await testRegistry(t);
  const to = await freshLayout(t);
  for (const target of [repository('app'), to]) {
    const stopping = new AbortController();
    const reason = new Error('enough');
    const emit = (event: SlipwayEvent) => {
      if (event.type === 'transfer.progress' && event.digest === layer.digest) {
        stopping.abort(reason);
      }
    };
    const copying = copyGraph(graphOf(from, root, 'it'), target, { signal: stopping.signal, emit });
    await assert.rejects(copying, reason);
    assert.equal(await target.exists(layer), false);
    assert.equal(await target.exists(root), false);
  }
});

test('indexes nested too deep are refused, also beside content that fails', async (t) => {
  const from = await freshLayout(t);
  const image = await putImage(from, { layers: [bytesOf('a', 100)] });
  let root = await putIndex(from, [image]);
  for (let depth = 0; depth < 9; depth++) root = await putIndex(from, [image, root]);
  const layer = (await walk(from, image)).blobs[1] as Descriptor;
  const to = await freshLayout(t);
  await assert.rejects(copyGraph(graphOf(from, root, 'deep'), to), { code: 'LIMIT_EXCEEDED' });
  await rm(blobFile(from, layer));
  await assert.rejects(copyGraph(graphOf(from, root, 'deep'), await freshLayout(t)));
});

test('of an index whose content is not wanted only the children are copied', async (t) => {
  const from = await freshLayout(t);
  const { root, inner, amd64 } = await putNested(from);
  const to = await freshLayout(t);
  const result = await copyGraph(graphOf(from, root, 'it'), to, { includeRoot: false });
  assert.equal(await to.exists(root), false);
  assert.equal(await to.exists(inner), true);
  assert.equal(await to.exists(amd64), true);
  assert.deepEqual(Buffer.from(result.root.bytes), await readFile(blobFile(from, root)));
});
