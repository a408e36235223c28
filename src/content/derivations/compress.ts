import { type CompressOptions, compress } from '../../bytes/compress.ts';
import type { Bytes } from '../../bytes/stream.ts';
import { SlipwayError } from '../../errors.ts';
import { type Emit, silent } from '../../events.ts';
import { type Descriptor, sameContent } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ImageManifest } from '../../oci/manifest.ts';
import { compressionOf, isNonDistributable, withCompression } from '../../oci/mediatype.ts';
import { type Graph, type PendingBlob, walk } from '../graph.ts';
import type { Ingest, IngestTarget } from '../ingest.ts';
import { openAtSource } from '../side.ts';
import { canLook, type Fetcher, type Looker, type Signalled } from '../transport.ts';
import { fetching, verifiedOpen } from '../verify.ts';
import { createDocuments, pointTo, rewriteImages } from './rewrite.ts';

/** What decides the bytes of a compressed layer. */
export interface CompressionSettings extends CompressOptions {
  readonly format: 'gzip' | 'zstd';
}

/** Remembers what a layer became, between runs: by diffID and settings. */
export interface CompressionTable {
  get(diffId: Digest, settings: CompressionSettings): { digest: Digest; size: number } | undefined;
  set(
    diffId: Digest,
    settings: CompressionSettings,
    made: { readonly digest: Digest; readonly size: number },
  ): void;
}

/** The layers that one run compresses, by diffID, settings and family. */
export interface CompressionRun {
  readonly layers: Map<string, PendingBlob>;
}

/** A run that has compressed nothing yet. */
export function createCompressionRun(): CompressionRun {
  return { layers: new Map() };
}

export interface CompressLayersOptions extends Signalled {
  readonly settings: CompressionSettings;
  /** where compressed layers are written and read again */
  readonly store: IngestTarget &
    Fetcher & { blobSize(digest: Digest): Promise<number | undefined> };
  readonly table?: CompressionTable;
  /** what else this run compresses: a layer of several images is compressed once */
  readonly run?: CompressionRun;
  readonly emit?: Emit;
}

/**
 * Compresses every layer that isn't compressed yet; all others stay as they are.
 *
 * A layer that was compressed before has a digest at once, and its bytes are made again only if
 * somebody reads them. The others are `pending`: each is made once, checked against its diffID, and
 * the manifests above wait for the last one. An image without such layers is returned as it is.
 *
 * @throws SlipwayError from `root` and `make`: `DIGEST_MISMATCH` (a layer that doesn't match its
 * diffID), `SIZE_MISMATCH`, `NO_SPACE`
 */
export async function compressLayers(graph: Graph, options: CompressLayersOptions): Promise<Graph> {
  const { settings, table, signal } = options;
  const root = await graph.root();
  const { manifests } = await walk(graph.source, root, { signal });
  const layers = new Map<Digest, CompressedLayer>();
  for (const { document } of manifests) {
    if (document.kind === 'index') continue;
    for (const layer of document.layers) {
      if (!isRaw(layer) || layers.has(layer.digest)) continue;
      layers.set(layer.digest, inRun(graph.source, layer, options));
    }
  }
  if (layers.size === 0) return graph;

  const documents = createDocuments();
  const changeImage = async (manifest: ImageManifest) => {
    if (!manifest.layers.some((layer) => layers.has(layer.digest))) return undefined;
    const entries = manifest.json.layers as readonly unknown[];
    const changed: unknown[] = [];
    for (const [at, layer] of manifest.layers.entries()) {
      const compressed = layers.get(layer.digest);
      changed.push(compressed ? pointTo(entries[at], await compressed.described()) : entries[at]);
    }
    return { ...manifest.json, layers: changed };
  };
  const unknown = [...layers.values()].filter(
    ({ from }) => recall(table, from, settings) === undefined,
  );
  let top: Promise<Descriptor> | undefined;
  return {
    ...graph,
    root() {
      top ??= rewriteImages(graph.source, root, documents, changeImage, { signal });
      return top;
    },
    pending: unknown,
    source: documents.over(withLayers(graph.source, [...layers.values()])),
  };
}

function isRaw(layer: Descriptor): boolean {
  return compressionOf(layer.mediaType) === 'none' && !isNonDistributable(layer.mediaType);
}

/** What the table says, unless nothing compressed can be like that. */
function recall(
  table: CompressionTable | undefined,
  { digest }: Descriptor,
  settings: CompressionSettings,
): { readonly digest: Digest; readonly size: number } | undefined {
  const found = table?.get(digest, settings);
  return found === undefined || found.size <= 0 ? undefined : found;
}

/** A layer that becomes a compressed one. */
interface CompressedLayer extends PendingBlob {
  /** What it is or was when it is made; starts to make it only if nobody knows. */
  described(): Promise<Descriptor>;
  /** the same, if it is known by now */
  known(): Descriptor | undefined;
}

function inRun(source: Fetcher, from: Descriptor, options: CompressLayersOptions): CompressedLayer {
  const { settings, run } = options;
  const key = `${from.digest} ${from.mediaType} ${settings.format} ${settings.level ?? ''}`;
  const known = run?.layers.get(key) as CompressedLayer | undefined;
  const layer = known ?? compressedLayer(source, from, options);
  run?.layers.set(key, layer);
  return layer;
}

function compressedLayer(
  source: Fetcher,
  from: Descriptor,
  options: CompressLayersOptions,
): CompressedLayer {
  const { settings, store, table, signal, emit = silent } = options;
  const mediaType = withCompression(from.mediaType, settings.format);
  if (mediaType === undefined) {
    throw new SlipwayError('UNSUPPORTED', `${from.mediaType} has no form with ${settings.format}`, {
      digest: from.digest,
    });
  }
  const remembered = recall(table, from, settings);
  let known: Descriptor | undefined = remembered && { mediaType, ...remembered };
  let ingesting: Promise<Ingest> | undefined;
  let making: Promise<Descriptor> | undefined;

  const make = async (): Promise<Descriptor> => {
    ingesting = store.ingest({ signal });
    const ingest = await ingesting;
    try {
      const read = openAtSource(verifiedOpen(from, fetching(source, from, { signal })));
      const raw = counted(read(0), (bytes) =>
        emit({ type: 'compress.progress', digest: from.digest, size: from.size, bytes }),
      );
      for await (const chunk of compress(raw, settings.format, settings)) await ingest.write(chunk);
      const made = await ingest.commit();
      table?.set(from.digest, settings, made);
      if (
        remembered !== undefined &&
        !sameContent({ mediaType, ...remembered }, { mediaType, ...made })
      ) {
        throw misremembered(from, remembered.digest, made.digest);
      }
      known = { mediaType, ...made };
      emit({
        type: 'compress.done',
        digest: from.digest,
        size: from.size,
        compressedDigest: made.digest,
        compressedSize: made.size,
        remembered: false,
      });
      return known;
    } catch (error) {
      await ingest.abort();
      throw error;
    }
  };
  const layer: CompressedLayer = {
    from,
    mediaType,
    make() {
      making ??= make();
      return making;
    },
    known: () => known,
    described: async () => known ?? (await layer.make()),
    open: async function* opened(offset) {
      if (remembered !== undefined) {
        // What was remembered must be right before anybody gets a byte of it.
        const isThere = (await store.blobSize(remembered.digest)) === remembered.size;
        const made = isThere ? { mediaType, ...remembered } : await layer.make();
        yield* store.fetch(made, { offset, signal });
        return;
      }
      const made = layer.make();
      // A reader may leave before it ends.
      made.catch(() => {});
      try {
        yield* (await (ingesting as Promise<Ingest>)).open(offset);
      } catch (error) {
        // Why it could not be made says more than that it was given up.
        await made;
        throw error;
      }
    },
  };
  return layer;
}

/** The table is right now, but what stands above this layer was made with the wrong entry. */
function misremembered(from: Descriptor, wrong: string, right: string): SlipwayError {
  return new SlipwayError(
    'DIGEST_MISMATCH',
    `${from.digest} was remembered to become ${wrong} when compressed, and became ${right}`,
    { digest: from.digest, hint: 'what is remembered is right now: run the same command again' },
  );
}

/** A source that has the compressed layers too. */
function withLayers(
  source: Fetcher,
  layers: readonly CompressedLayer[],
): Fetcher & Partial<Looker> {
  const layerOf = ({ digest }: Descriptor) =>
    layers.find((layer) => layer.known()?.digest === digest);
  return {
    ...(canLook(source)
      ? { has: (descriptor, how) => source.has(layerOf(descriptor)?.from ?? descriptor, how) }
      : {}),
    fetch(descriptor, options) {
      const made = layerOf(descriptor);
      return made === undefined
        ? source.fetch(descriptor, options)
        : made.open(options?.offset ?? 0);
    },
  };
}

async function* counted(bytes: Bytes, count: (bytes: number) => void): Bytes {
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.byteLength;
    count(total);
    yield chunk;
  }
}
