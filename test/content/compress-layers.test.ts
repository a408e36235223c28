import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { collect } from '../../src/bytes/stream.ts';
import { copyGraph } from '../../src/content/copy.ts';
import { copyImages } from '../../src/content/delivery.ts';
import {
  type CompressionSettings,
  type CompressionTable,
  compressLayers,
} from '../../src/content/derivations/compress.ts';
import { type Graph, graphOf, readManifest, walk } from '../../src/content/graph.ts';
import { readDocument } from '../../src/content/verify.ts';
import { isSlipwayError, SlipwayError } from '../../src/errors.ts';
import type { Emit, SlipwayEvent } from '../../src/events.ts';
import type { Layout } from '../../src/layout/layout.ts';
import { parseConfig } from '../../src/oci/config.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import type { Owner } from '../rig/lifetime.ts';
import { bytesOf, type ImageParts, putImage, putIndex } from './images.ts';
import { freshLayout, testRegistry } from './places.ts';

const GZIP: CompressionSettings = { format: 'gzip' };

function createTable(): CompressionTable & {
  readonly rows: Map<string, { digest: Digest; size: number }>;
} {
  const rows = new Map<string, { digest: Digest; size: number }>();
  const key = (diffId: Digest, settings: CompressionSettings) => diffId + JSON.stringify(settings);
  return {
    rows,
    get: (diffId, settings) => rows.get(key(diffId, settings)),
    set: (diffId, settings, made) => void rows.set(key(diffId, settings), made),
  };
}

/** A store, and an image in it whose layers aren't compressed. */
async function prepare(owner: Owner, parts: ImageParts) {
  const store = await freshLayout(owner);
  const root = await putImage(store, { compression: 'none', ...parts });
  return { store, root, graph: graphOf(store, root, 'raw') };
}

async function imageOf(graph: Graph | Layout, root: Descriptor) {
  const source = 'source' in graph ? graph.source : graph;
  const { document } = await readManifest(source, root);
  assert.equal(document.kind, 'manifest');
  const config = parseConfig(await readDocument(source, document.config));
  return { layers: document.layers, config, json: document.json };
}

/** Files that a store is still writing. */
const beingWritten = (store: Layout) => readdir(path.join(store.dir, '.slipway/ingest'));

const TEXT = Buffer.from('a layer that becomes smaller '.repeat(2_000));

for (const { format, unpack, mediaType } of [
  { format: 'gzip', unpack: gunzipSync, mediaType: MEDIA_TYPE.ociLayerGzip },
  { format: 'zstd', unpack: zstdDecompressSync, mediaType: MEDIA_TYPE.ociLayerZstd },
] as const) {
  test(`layers come out as ${format}, and unpack to what the config says`, async (t) => {
    const layers = [TEXT, bytesOf('a', 1_500_000)];
    const { store, graph } = await prepare(t, { layers, manifest: { 'org.example.x': 1 } });
    const derived = await compressLayers(graph, { settings: { format }, store });
    assert.equal(derived.pending.length, 2);
    const { repository } = await testRegistry(t);
    const target = repository('app');
    const { root, bytesSent } = await copyGraph(derived, target, { includeRoot: true });
    const image = await imageOf(derived, root.descriptor);
    assert.equal(image.json['org.example.x'], 1);
    for (const [at, layer] of image.layers.entries()) {
      assert.equal(layer.mediaType, mediaType);
      const bytes = await collect(target.fetch(layer), layer.size, 'layer');
      assert.equal(digestOf(bytes), layer.digest);
      assert.equal(digestOf(unpack(bytes)), image.config.diffIds[at]);
    }
    const sizes = [...image.layers, root.descriptor].reduce((sum, { size }) => sum + size, 0);
    assert.ok(bytesSent >= sizes);
  });
}

test('compressed layers stay as they are, and an image of only those is returned as it is', async (t) => {
  const { store, graph } = await prepare(t, { layers: [TEXT], compression: 'gzip' });
  assert.equal(await compressLayers(graph, { settings: GZIP, store }), graph);
});

test('what was made once is remembered: nothing is pending, and the digest is the same', async (t) => {
  const { store, root, graph } = await prepare(t, { layers: [TEXT, bytesOf('b', 10_000)] });
  const table = createTable();
  const first = await (await compressLayers(graph, { settings: GZIP, store, table })).root();
  const unreadable = {
    fetch(descriptor: Descriptor) {
      assert.notEqual(descriptor.mediaType, MEDIA_TYPE.ociLayer, 'no raw layer may be read');
      return store.fetch(descriptor);
    },
  };
  const again = await compressLayers(graphOf(unreadable, root, 'raw'), {
    settings: GZIP,
    store,
    table,
  });
  assert.deepEqual(again.pending, []);
  assert.deepEqual(await again.root(), first);
  const { repository } = await testRegistry(t);
  await copyGraph(again, repository('app'));
});

test('a remembered layer that the store lost is made again when it is read', async (t) => {
  const { store, graph } = await prepare(t, { layers: [TEXT] });
  const table = createTable();
  await (await compressLayers(graph, { settings: GZIP, store, table })).root();
  for (const { digest } of table.rows.values()) await store.removeBlob(digest);
  const again = await compressLayers(graph, { settings: GZIP, store, table });
  assert.deepEqual(again.pending, []);
  const { repository } = await testRegistry(t);
  const { root } = await copyGraph(again, repository('app'));
  assert.equal(await repository('app').exists(root.descriptor), true);
});

test('other settings are another layer', async (t) => {
  const { store, graph } = await prepare(t, { layers: [TEXT] });
  const table = createTable();
  await (await compressLayers(graph, { settings: GZIP, store, table })).root();
  const settings = { format: 'gzip', level: 1 } as const;
  assert.equal((await compressLayers(graph, { settings, store, table })).pending.length, 1);
});

test('an entry that nothing compressed can be is passed over', async (t) => {
  const { store, graph } = await prepare(t, { layers: [TEXT] });
  const table = createTable();
  table.set(digestOf(TEXT), GZIP, { digest: digestOf('something else'), size: 0 });
  assert.equal((await compressLayers(graph, { settings: GZIP, store, table })).pending.length, 1);
});

for (const size of [1, 14, 1_000_000]) {
  const wrong = { digest: digestOf('something else'), size };
  test(`a wrong entry of ${size} bytes costs a second run, and publishes nothing wrong`, async (t) => {
    const { store, graph, root } = await prepare(t, { layers: [TEXT] });
    const table = createTable();
    table.set(digestOf(TEXT), GZIP, wrong);
    const { repository } = await testRegistry(t);
    const target = repository('app');
    const first = await compressLayers(graph, { settings: GZIP, store, table });
    await assert.rejects(copyGraph(first, target), (error: SlipwayError) => {
      assert.equal(error.code, 'DIGEST_MISMATCH');
      assert.match(error.hint ?? '', /run the same command again/);
      return true;
    });
    const second = await compressLayers(graphOf(store, root, 'raw'), {
      settings: GZIP,
      store,
      table,
    });
    const copied = await copyGraph(second, target);
    const { layers } = await imageOf(second, copied.root.descriptor);
    const layer = layers[0] as Descriptor;
    const bytes = await collect(target.fetch(layer), layer.size, 'layer');
    assert.deepEqual(gunzipSync(bytes), TEXT);
  });
}

test('a layer that does not match its diffID fails, and leaves nothing', async (t) => {
  const { store, graph, root } = await prepare(t, { layers: [TEXT, bytesOf('b', 3_000_000)] });
  const { layers } = await imageOf(store, root);
  const damaged = {
    async *fetch(descriptor: Descriptor) {
      const isFirst = descriptor.digest === layers[0]?.digest;
      for await (const chunk of store.fetch(descriptor)) {
        yield isFirst ? Buffer.from(chunk).fill(0x21, 0, 1) : chunk;
      }
    },
  };
  const { repository, lines } = await testRegistry(t);
  const places = [repository('app'), await freshLayout(t)];
  for (const target of places) {
    const derived = await compressLayers({ ...graph, source: damaged }, { settings: GZIP, store });
    await assert.rejects(copyGraph(derived, target), (error: SlipwayError) => {
      assert.equal(error.code, 'DIGEST_MISMATCH');
      assert.equal(error.facts.side, 'source');
      assert.equal(error.facts.digest, digestOf(TEXT));
      return true;
    });
    await Promise.allSettled(derived.pending.map((layer) => layer.make()));
  }
  assert.deepEqual(
    lines('PUT').filter((line) => line.includes('/manifests/')),
    [],
  );
  assert.deepEqual(await beingWritten(store), []);
});

test('a store that is closed leaves nothing of what was being compressed', async (t) => {
  const { store, graph } = await prepare(t, { layers: [bytesOf('b', 8_000_000)] });
  const derived = await compressLayers(graph, { settings: GZIP, store });
  const made = derived.pending[0]?.make();
  made?.catch(() => {});
  for await (const _ of derived.pending[0]?.open(0) ?? []) break;
  await store.close();
  assert.deepEqual(await beingWritten(store), []);
  await made?.catch(() => {});
  assert.deepEqual(await beingWritten(store), []);
});

test('identical layers of several images are made once, for all targets', async (t) => {
  const store = await freshLayout(t);
  const images = [];
  for (const architecture of ['amd64', 'arm64']) {
    images.push(
      await putImage(store, {
        layers: [TEXT, TEXT, Buffer.from(architecture)],
        compression: 'none',
        platform: { os: 'linux', architecture },
      }),
    );
  }
  const root = await putIndex(store, images);
  const done: string[] = [];
  const emit: Emit = (event: SlipwayEvent) => {
    if (event.type === 'compress.done') done.push(event.digest);
  };
  const graph = graphOf(store, root, 'raw');
  const derived = await compressLayers(graph, { settings: GZIP, store, emit });
  const { repository } = await testRegistry(t);
  const targets = [repository('one'), repository('two'), await freshLayout(t)];
  const copied = await Promise.all(targets.map((target) => copyGraph(derived, target)));
  assert.equal(done.length, 3);
  assert.equal(new Set(done).size, 3);
  const digests = new Set(copied.map((result) => result.root.descriptor.digest));
  assert.equal(digests.size, 1);
  for (const [at, target] of targets.entries()) {
    const top = copied[at]?.root.descriptor as Descriptor;
    for (const blob of (await walk(target, top)).blobs) {
      assert.equal(digestOf(await collect(target.fetch(blob), blob.size, 'blob')), blob.digest);
    }
  }
});

test('of many layers few are in hand at once', async (t) => {
  const layers = Array.from({ length: 20 }, (_, at) => bytesOf(`layer ${at}`, 70_000));
  const { store, graph } = await prepare(t, { layers });
  let most = 0;
  const counting = {
    ...store,
    fetch: store.fetch,
    blobSize: store.blobSize,
    async ingest(options = {}) {
      most = Math.max(most, (await beingWritten(store).catch(() => [])).length + 1);
      return await store.ingest(options);
    },
  };
  const derived = await compressLayers(graph, { settings: GZIP, store: counting });
  const { repository } = await testRegistry(t);
  await copyGraph(derived, repository('app'));
  assert.ok(most <= 5, `${most} layers were being compressed at once`);
});

test('a repository that refuses a layer leaves others of its host with theirs', async (t) => {
  const layers = Array.from({ length: 6 }, (_, at) => bytesOf(`refused ${at}`, 70_000));
  const { store, graph } = await prepare(t, { layers });
  const derived = await compressLayers(graph, { settings: GZIP, store });
  const { repository, registry } = await testRegistry(t);
  const refuse = async () => {
    throw new SlipwayError('DENIED', 'not yours');
  };
  const refusing = { ...repository('refused'), pushStream: refuse, push: refuse };
  const { host } = registry;
  const { items } = await copyImages(
    [refusing, repository('taken')].map((target) => ({ graph: derived, target, host })),
    { tops: true },
  );
  assert.deepEqual(
    items.map(({ error, isPlaced }) => [isSlipwayError(error, 'DENIED'), isPlaced]),
    [
      [true, false],
      [false, true],
    ],
  );
});
