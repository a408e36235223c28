import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { decompress, sniffCompression } from '../../src/bytes/inflate.ts';
import { createRing } from '../../src/bytes/ring.ts';
import { type Bytes, collect, fromMemory } from '../../src/bytes/stream.ts';
import { createThrottle } from '../../src/bytes/throttle.ts';
import { copyImages, type DeliveryOptions } from '../../src/content/delivery.ts';
import { compressLayers } from '../../src/content/derivations/compress.ts';
import { graphOf } from '../../src/content/graph.ts';
import { createSharedReads } from '../../src/content/shared-reads.ts';
import type { FetchOptions } from '../../src/content/transport.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { createRegistries, type RegistriesOptions } from '../../src/registry/registries.ts';
import { type Quirk, startFakeRegistry } from '../registry/fake-registry.ts';
import { atEnd, type Owner } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { reset } from '../rig/reset.ts';
import { startTlsFront } from '../rig/tls-front.ts';
import { bytesOf, putImage } from './images.ts';
import { freshLayout } from './places.ts';

const MIB = 1024 * 1024;
/** Long enough for memory to be filled again several times. */
const LAYERS = [bytesOf('one', 9 * MIB + 7), bytesOf('two', 8 * MIB)];

/** A registry whose socket is full again and again: much waits to be sent. */
const slowly: Quirk = async ({ what, request, body }) => {
  if (what !== 'PUT upload') return false;
  const timer = setInterval(() => {
    request.pause();
    setImmediate(() => request.resume());
  }, 3);
  try {
    await body();
  } finally {
    clearInterval(timer);
  }
  return false;
};

/** Cuts each layer in its middle, twice. */
function cutting(): Quirk {
  const cuts = new Map<string, number>();
  return ({ what, request, url }) => {
    const digest = url.searchParams.get('digest') ?? '';
    const times = cuts.get(digest) ?? 0;
    const isLayer = Number(request.headers['content-length']) > MIB;
    if (what !== 'PUT upload' || !isLayer || times === 2) return false;
    cuts.set(digest, times + 1);
    let bytes = 0;
    const count = (chunk: Buffer): void => {
      bytes += chunk.byteLength;
      if (bytes < 5 * MIB) return;
      request.off('data', count);
      reset(request.socket);
    };
    request.on('data', count);
    return true;
  };
}

async function sends(
  owner: Owner,
  quirk: Quirk,
  options: DeliveryOptions = {},
  reach: (host: string) => Promise<[string, RegistriesOptions]> = async (host) => [host, {}],
): Promise<void> {
  const layout = await freshLayout(owner);
  const root = await putImage(layout, { layers: LAYERS, compression: 'none' });
  const registry = await startFakeRegistry(owner, quirk);
  const [host, more] = await reach(registry.host);
  const registries = createRegistries({ retry: { baseMs: 1, maxMs: 5 }, ...more });
  atEnd(owner, () => registries.close());
  const target = registries.repository(parseRepository(`${host}/team/app`));
  const shipment = { graph: graphOf(layout, root, 'it'), target, host };
  const { items } = await copyImages([shipment], { ...options, tops: true });
  assert.equal(items[0]?.error, undefined);
  const sent = [...registry.blobs.values()];
  for (const layer of LAYERS) assert.ok(sent.some((blob) => blob.equals(layer)));
}

test('every byte arrives although memory is filled again while much waits to be sent', (t) =>
  sends(t, slowly));

test('every byte arrives at a rate that is held back', (t) =>
  sends(t, () => false, { throttle: createThrottle(20 * MIB) }));

test('every byte arrives after cuts', (t) => sends(t, cutting()));

test('every byte arrives over TLS', { skip: missing('nginx', 'openssl') }, (t) =>
  sends(t, slowly, {}, async (plain) => {
    const front = await startTlsFront(t, plain);
    return [front.host, { scheme: () => 'https', tls: () => ({ skipVerify: true }) }];
  }),
);

test('every byte of a layer arrives that is sent while it is being made', async (t) => {
  const layout = await freshLayout(t);
  // Made in pieces so short that a socket takes several before it has sent one.
  const short = Array.from({ length: 200 }, (_, at) => [
    bytesOf(`${at % 7}`, 30_000),
    Buffer.alloc(MIB - 30_000, at),
  ]);
  const layers = [...LAYERS, Buffer.concat(short.flat())];
  const root = await putImage(layout, { layers, compression: 'none' });
  const registry = await startFakeRegistry(t, async ({ what }) => {
    // Meanwhile all that the sockets hold is filled.
    if (what === 'PATCH upload') await delay(700);
    return false;
  });
  const registries = createRegistries({ retry: { baseMs: 1, maxMs: 5 } });
  atEnd(t, () => registries.close());
  const target = registries.repository(parseRepository(`${registry.host}/team/app`));
  const store = await freshLayout(t);
  const graph = await compressLayers(graphOf(layout, root, 'it'), {
    settings: { format: 'gzip' },
    store,
  });
  const { items } = await copyImages([{ graph, target, host: registry.host }], { tops: true });
  assert.equal(items[0]?.error, undefined);
  const sent = [...registry.blobs.values()];
  const packed = sent.filter((blob) => sniffCompression(blob) === 'gzip');
  const unpacked = await Promise.all(
    packed.map((blob) => collect(decompress(fromMemory(blob), 'gzip'), 300 * MIB, 'it')),
  );
  for (const layer of layers) assert.ok(unpacked.some((bytes) => bytes.equals(layer)));
});

test('only who reads alone gives memory to read into', async () => {
  const offered: boolean[] = [];
  const bytes = bytesOf('it', 1_000);
  const source = {
    async *fetch(_: unknown, { into }: FetchOptions = {}): Bytes {
      offered.push(into !== undefined);
      await delay(0);
      yield bytes;
    },
  };
  const blob = { mediaType: '', digest: 'sha256:it', size: bytes.length } as never;
  const read = (opened: Bytes) => collect(opened, MIB, 'it');
  const both = createSharedReads(source, new Set(['one', 'two']));
  await Promise.all(
    ['one', 'two'].map((name) => read(both.opener(blob, name, { roomOf: createRing })(0))),
  );
  const alone = createSharedReads(source, new Set(['one']));
  await read(alone.opener(blob, 'one', { roomOf: createRing })(0));
  assert.deepEqual(offered, [false, true]);
});
