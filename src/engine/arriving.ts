import { setImmediate } from 'node:timers/promises';
import { imageOf } from '../archive/docker-images.ts';
import { type Bytes, collect, untilAborted } from '../bytes/stream.ts';
import { readTar, type StreamedEntry } from '../bytes/tar-read.ts';
import type { ArrivedLayer, Arriving } from '../content/arriving.ts';
import { parseConfig } from '../oci/config.ts';
import { type Descriptor, describe } from '../oci/descriptor.ts';
import { type Digest, digestOf } from '../oci/digest.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { MEDIA_TYPE } from '../oci/mediatype.ts';
import { createLayerPaths, isConfigPath } from './layer-paths.ts';

/** An image's documents: its config, and the manifest that is made here. */
export interface ExportedDocuments {
  readonly root: Descriptor;
  readonly documents: ReadonlyMap<Digest, Uint8Array>;
}

export interface ArrivingOptions {
  /** the engine's id of the image: its config's digest */
  readonly id: Digest;
  /** its layers as the engine tells them, lowest first */
  readonly diffIds: readonly Digest[];
  /** sizes that are known from before */
  readonly sizes: ReadonlyMap<Digest, number>;
  /** what arrives, for errors */
  readonly what: string;
  readonly signal: AbortSignal | undefined;
  /** Asks the engine for the export. */
  readonly open: () => Promise<Bytes>;
  /** Gives a layer that has gone by, or whose place in the export nobody knows. */
  readonly lost: (diffId: Digest) => Promise<ArrivedLayer>;
}

/** An export on its way. */
export interface ExportArriving extends Omit<Arriving, 'root'> {
  /** true once the engine was asked */
  readonly isBegun: boolean;
  /** What the export says of the image; undefined if it is of a form that isn't known. */
  documents(): Promise<ExportedDocuments | undefined>;
}

const MAX_TELLING_BYTES = 1024 * 1024;

/** Takes an engine's export as it comes. Nothing is asked for before somebody waits for something. */
export function createArriving(options: ArrivingOptions): ExportArriving {
  const { id, diffIds, sizes: knownSizes, what, signal, open, lost } = options;
  const paths = createLayerPaths(diffIds);
  const waiting = new Map<Digest, PromiseWithResolvers<ArrivedLayer>>();
  const sizes = new Map<Digest, number>();
  let config: Buffer | undefined;
  let passing: Promise<void> | undefined;
  let isOver = false;

  const take = async (entry: StreamedEntry): Promise<void> => {
    if (entry.type !== 'file') return;
    if (isConfigPath(entry.name, id)) {
      config = await collect(entry.read(), DOCUMENT_LIMITS.configBytes, `${what}: the config`);
    } else if (paths.tells(entry.name)) {
      paths.take(entry.name, await collect(entry.read(), MAX_TELLING_BYTES, entry.name));
    }
    const diffId = paths.layerAt(entry.name);
    if (diffId === undefined) return;
    sizes.set(diffId, entry.sizeBytes);
    const waiter = waiting.get(diffId);
    if (waiter === undefined) return;
    waiting.delete(diffId);
    await hand(entry, waiter.resolve, signal);
  };

  const pass = async (): Promise<void> => {
    // All that is wanted is asked for within one turn of the loop.
    await setImmediate();
    try {
      const bytes = untilAborted(await open(), signal);
      for await (const entry of readTar(bytes, { what, signal })) await take(entry);
      // Those that the export hides, or calls by names that nobody knows.
      for (const [diffId, { resolve, reject }] of waiting) lost(diffId).then(resolve, reject);
    } catch (error) {
      for (const { reject } of waiting.values()) reject(error);
      throw error;
    } finally {
      isOver = true;
    }
  };

  const begin = (): Promise<void> => {
    passing ??= pass();
    passing.catch(() => {});
    return passing;
  };

  return {
    get isBegun() {
      return passing !== undefined;
    },
    layers: [...new Set(diffIds)].map((digest) => ({
      mediaType: MEDIA_TYPE.ociLayer,
      digest,
      size: knownSizes.get(digest) ?? 0,
    })),
    turn(diffId) {
      if (isOver || sizes.has(diffId)) return lost(diffId);
      const waiter = waiting.get(diffId) ?? Promise.withResolvers<ArrivedLayer>();
      waiting.set(diffId, waiter);
      begin();
      return waiter.promise;
    },
    async documents() {
      await begin();
      return documentsOf(id, config, sizes);
    },
  };
}

/** Gives a layer to who waits for it, and waits until it has been read. */
async function hand(
  entry: StreamedEntry,
  give: (layer: ArrivedLayer) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { promise: isDone, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const bytes = (async function* (): Bytes {
    try {
      yield* entry.read();
    } catch (error) {
      reject(error);
      throw error;
    } finally {
      resolve();
    }
  })();
  give({ size: entry.sizeBytes, bytes });
  try {
    signal?.throwIfAborted();
    await isDone;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function documentsOf(
  id: Digest,
  config: Buffer | undefined,
  sizes: ReadonlyMap<Digest, number>,
): ExportedDocuments | undefined {
  if (config === undefined || digestOf(config) !== id) return undefined;
  const { diffIds } = parseConfig(config);
  if (!diffIds.every((diffId) => sizes.has(diffId))) return undefined;
  const layers = diffIds.map((digest) => ({
    mediaType: MEDIA_TYPE.ociLayer,
    digest,
    size: sizes.get(digest) ?? 0,
  }));
  const manifest = imageOf(describe(config, MEDIA_TYPE.ociConfig), layers);
  const root = describe(manifest, MEDIA_TYPE.ociManifest);
  return {
    root,
    documents: new Map<Digest, Uint8Array>([
      [id, config],
      [root.digest, manifest],
    ]),
  };
}
