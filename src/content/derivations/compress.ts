import { prepareCompression } from '../../bytes/compress.ts';
import { SlipwayError } from '../../errors.ts';
import { parseConfig } from '../../oci/config.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { DOCUMENT_LIMITS } from '../../oci/json.ts';
import type { ImageManifest } from '../../oci/manifest.ts';
import {
  compressionOf,
  isConfigType,
  isNonDistributable,
  withCompression,
} from '../../oci/mediatype.ts';
import { type Graph, walk } from '../graph.ts';
import { canLook, type Fetcher, type Looker } from '../transport.ts';
import { readDocument } from '../verify.ts';
import {
  type CompressedLayer,
  type CompressionSettings,
  type CompressionTable,
  compressedLayer,
  type LayerOptions,
  type LayerOrigin,
  recall,
} from './compressed-layer.ts';
import { createDocuments, pointTo, rewriteImages } from './rewrite.ts';

export type { CompressionSettings, CompressionTable };

/** The layers that one run compresses, by diffID, settings and family. */
export interface CompressionRun {
  readonly layers: Map<string, CompressedLayer>;
}

/** A run that has compressed nothing yet. */
export function createCompressionRun(): CompressionRun {
  return { layers: new Map() };
}

export interface CompressLayersOptions extends LayerOptions {
  /** what else this run compresses: a layer of several images is compressed once */
  readonly run?: CompressionRun;
  /** also layers that are compressed already: the digests of the image change */
  readonly again?: boolean;
}

/**
 * Compresses every layer that isn't compressed yet; all others stay as they are, unless they are to
 * be compressed again.
 *
 * A layer that was compressed before has a digest at once, and its bytes are made again only if
 * somebody reads them. The others are `pending`: each is made once, checked against its diffID, and
 * the manifests above wait for the last one. Of an image that still arrives, only these are taken.
 * What compresses them is started at once, to be there when they are read.
 * An image without such layers is returned as it is.
 *
 * @throws SlipwayError from `root` and `make`: `DIGEST_MISMATCH` (a layer that doesn't match its
 * diffID), `SIZE_MISMATCH`, `NO_SPACE`
 */
export async function compressLayers(graph: Graph, options: CompressLayersOptions): Promise<Graph> {
  const { settings, table, signal } = options;
  const arriving = graph.arriving?.();
  const raws = arriving?.layers ?? (await rawLayers(graph, signal));
  const layers = new Map<Digest, CompressedLayer>();
  for (const layer of raws) {
    layers.set(layer.digest, inRun(layer, arriving ?? graph.source, options));
  }
  if (options.again === true && arriving === undefined) {
    for (const { packed, raw } of await packedLayers(graph, signal)) {
      layers.set(packed.digest, inRun(raw, { packed, source: graph.source }, options));
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
  if (unknown.length > 0) {
    const sizes = unknown.map(({ from }) => from.size);
    await prepareCompression(settings.format, sizes, settings);
  }
  const rewrite = async (): Promise<Descriptor> => {
    // What arrives goes by once: all that is wanted of it is taken now.
    if (arriving !== undefined) await Promise.all(unknown.map((layer) => layer.make()));
    const root = await (arriving ?? graph).root();
    return await rewriteImages(graph.source, root, documents, changeImage, { signal });
  };
  let top: Promise<Descriptor> | undefined;
  const { arriving: _, ...rest } = graph;
  return {
    ...rest,
    root() {
      top ??= rewrite();
      return top;
    },
    pending: unknown,
    source: documents.over(withLayers(graph.source, [...layers.values()])),
  };
}

/** The layers of an image that aren't compressed, each once. */
async function rawLayers(
  graph: Graph,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  const layers = new Map<Digest, Descriptor>();
  const { manifests } = await walk(graph.source, await graph.root(), { signal });
  for (const { document } of manifests) {
    if (document.kind === 'index') continue;
    for (const layer of document.layers) if (isRaw(layer)) layers.set(layer.digest, layer);
  }
  return [...layers.values()];
}

/** The layers of images that are compressed, each once, and what they are without. */
async function packedLayers(
  graph: Graph,
  signal: AbortSignal | undefined,
): Promise<readonly { readonly packed: Descriptor; readonly raw: Descriptor }[]> {
  const layers = new Map<Digest, { packed: Descriptor; raw: Descriptor }>();
  const { manifests } = await walk(graph.source, await graph.root(), { signal });
  for (const { descriptor, document } of manifests) {
    // What isn't an image, an artifact say, has layers that nobody unpacks.
    if (document.kind === 'index' || !isConfigType(document.config.mediaType)) continue;
    if (!document.layers.some(isPacked)) continue;
    const maxBytes = DOCUMENT_LIMITS.configBytes;
    const bytes = await readDocument(graph.source, document.config, { signal, maxBytes });
    const { diffIds } = parseConfig(bytes);
    if (diffIds.length !== document.layers.length) {
      throw new SlipwayError(
        'CONTENT_INVALID',
        `${descriptor.digest} has ${document.layers.length} layers, and its config ${diffIds.length}`,
        { digest: descriptor.digest, side: 'source' },
      );
    }
    for (const [at, packed] of document.layers.entries()) {
      const mediaType = withCompression(packed.mediaType, 'none');
      const digest = diffIds[at];
      if (mediaType === undefined || digest === undefined || !isPacked(packed)) continue;
      layers.set(packed.digest, { packed, raw: { mediaType, digest, size: packed.size } });
    }
  }
  return [...layers.values()];
}

function isPacked(layer: Descriptor): boolean {
  const compression = compressionOf(layer.mediaType);
  return (
    compression !== undefined && compression !== 'none' && !isNonDistributable(layer.mediaType)
  );
}

function isRaw(layer: Descriptor): boolean {
  return compressionOf(layer.mediaType) === 'none' && !isNonDistributable(layer.mediaType);
}

function inRun(
  from: Descriptor,
  origin: LayerOrigin,
  options: CompressLayersOptions,
): CompressedLayer {
  const { settings, run } = options;
  const key = `${from.digest} ${from.mediaType} ${settings.format} ${settings.level ?? ''}`;
  const known = run?.layers.get(key);
  const layer = known ?? compressedLayer(from, origin, options);
  run?.layers.set(key, layer);
  return layer;
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
      ? { has: (descriptor, how) => source.has(layerOf(descriptor)?.source ?? descriptor, how) }
      : {}),
    fetch(descriptor, options) {
      const made = layerOf(descriptor);
      return made === undefined
        ? source.fetch(descriptor, options)
        : made.open(options?.offset ?? 0, options?.into);
    },
  };
}
