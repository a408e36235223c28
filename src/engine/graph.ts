import { fromMemory } from '../bytes/stream.ts';
import type { ArrivedLayer } from '../content/arriving.ts';
import { type Graph, readManifest, walk } from '../content/graph.ts';
import type { Fetcher, Open, PushOutcome, Signalled } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isConfigType } from '../oci/mediatype.ts';
import { createArriving, type ExportArriving } from './arriving.ts';
import type { Engine } from './client.ts';
import type { EngineImage } from './images.ts';
import { type ExportOptions, exportBytes, exportFound } from './source.ts';
import { keepsWholeImages } from './target.ts';
import { openWhole, type WholeImage } from './whole.ts';

/** What is remembered of engines' images: their tops by id, and their documents. */
export interface EngineMemory {
  readonly table: {
    get(id: Digest): Descriptor | undefined;
    set(id: Digest, root: Descriptor): void;
  };
  readonly store: Fetcher & {
    blobSize(digest: Digest): Promise<number | undefined>;
    push(descriptor: Descriptor, open: Open, options?: Signalled): Promise<PushOutcome>;
  };
}

/** An image of an engine, and what ends its use. */
export interface EngineGraph {
  readonly graph: Graph;
  close(): Promise<void>;
}

/**
 * An image of an engine as it can be copied. What it consists of is remembered, so that one whose
 * layers are all known is not exported at all. An engine that keeps images as they came gives their
 * blobs. Of another one, layers that have to be compressed are taken from the export as it comes;
 * whoever wants more than that gets a copy of it in a nameless file.
 *
 * @throws SlipwayError `NETWORK`, and what the engine says
 */
export async function openEngineGraph(
  engine: Engine,
  image: EngineImage,
  name: string,
  { table, store, ...options }: EngineMemory & ExportOptions,
): Promise<EngineGraph> {
  const { id, diffIds } = image;
  const { signal } = options;
  const remembered = await recall(image, { table, store });
  const isKeptWhole =
    image.isWhole || (remembered ? remembered.root.digest === id : await isWhole(engine, options));
  const documents = new Map<Digest, Uint8Array>();
  let opening: Promise<WholeImage> | undefined;

  const whole = (): Promise<WholeImage> => {
    opening ??= (async () =>
      (isKeptWhole ? await openWhole(engine, image, options) : undefined) ??
      (await exportWhole(engine, image, options)))();
    return opening;
  };
  const remember = async (source: Fetcher, root: Descriptor): Promise<Descriptor> => {
    // A part of what the id means says nothing about the next export.
    if (image.isWhole && root.digest !== id) return root;
    try {
      await keepDocuments(source, root, store, signal);
      table.set(id, root);
    } catch (error) {
      signal?.throwIfAborted();
      // It costs an export next time.
      if (!(error instanceof SlipwayError)) throw error;
    }
    return root;
  };
  const wholeRoot = async (): Promise<Descriptor> => {
    const { source: from, root } = await whole();
    return await remember(from, root);
  };
  const arrivedRoot = async (arriving: ExportArriving): Promise<Descriptor> => {
    const found = await arriving.documents();
    if (found === undefined) return await wholeRoot();
    for (const [digest, bytes] of found.documents) documents.set(digest, bytes);
    return await remember(source, found.root);
  };

  const source: Fetcher = {
    async *fetch(descriptor, how = {}) {
      const { digest, size } = descriptor;
      const bytes = documents.get(digest);
      if (bytes !== undefined) yield* fromMemory(bytes, how.offset);
      else if ((await store.blobSize(digest)) === size) yield* store.fetch(descriptor, how);
      else yield* (await whole()).source.fetch(descriptor, how);
    },
  };
  const arriving =
    diffIds.length === 0 || isKeptWhole
      ? undefined
      : createArriving({
          id,
          diffIds,
          sizes: remembered?.sizes ?? new Map(),
          what: `what ${engine.name} exports`,
          signal,
          open: () => exportBytes(engine, image, options),
          lost: async (diffId) => layerOf(engine, await whole(), diffId, signal),
        });
  let top = remembered && Promise.resolve(remembered.root);
  const graph: Graph = {
    source,
    name,
    pending: [],
    root() {
      top ??= arriving?.isBegun === true ? arrivedRoot(arriving) : wholeRoot();
      return top;
    },
    arriving() {
      if (arriving === undefined || opening !== undefined) return undefined;
      return {
        layers: arriving.layers,
        turn: arriving.turn,
        root() {
          top ??= arrivedRoot(arriving);
          return top;
        },
      };
    },
  };
  return {
    graph,
    close: async () => (await opening?.catch(() => undefined))?.close(),
  };
}

async function exportWhole(
  engine: Engine,
  image: EngineImage,
  options: ExportOptions,
): Promise<WholeImage> {
  const archive = await exportFound(engine, image, options);
  try {
    const root = await archive.resolve('', options);
    return { source: archive, root, close: () => archive.close() };
  } catch (error) {
    await archive.close();
    throw error;
  }
}

/** Newer Dockers may tell no digest of what was built there. */
async function isWhole(engine: Engine, options: Signalled = {}): Promise<boolean> {
  return engine.product === 'docker' && (await keepsWholeImages(engine, options));
}

async function layerOf(
  { name }: Engine,
  { source, root }: WholeImage,
  diffId: Digest,
  signal: AbortSignal | undefined,
): Promise<ArrivedLayer> {
  const { document } = await readManifest(source, root, { signal });
  const layers = document.kind === 'manifest' ? document.layers : [];
  const layer = layers.find(({ digest }) => digest === diffId);
  if (layer !== undefined) {
    return { size: layer.size, bytes: source.fetch(layer, { signal }) };
  }
  throw new SlipwayError('CONTENT_MISSING', `what ${name} exports lacks the layer ${diffId}`, {
    side: 'source',
    digest: diffId,
    hint: 'the engine tells other layers than it exports; save the image into a file and push that',
  });
}

async function keepDocuments(
  source: Fetcher,
  root: Descriptor,
  store: EngineMemory['store'],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { manifests, blobs } = await walk(source, root, { signal });
  for (const { descriptor, bytes } of manifests) {
    await store.push(descriptor, (offset) => fromMemory(bytes, offset), { signal });
  }
  for (const config of blobs.filter(({ mediaType }) => isConfigType(mediaType))) {
    await store.push(config, (offset) => source.fetch(config, { offset, signal }), { signal });
  }
}

/** What is remembered of an image, if all its documents are still there. */
async function recall(
  { id, isWhole: isOwn }: EngineImage,
  { table, store }: EngineMemory,
): Promise<{ readonly root: Descriptor; readonly sizes: ReadonlyMap<Digest, number> } | undefined> {
  const root = table.get(id);
  if (root === undefined || (isOwn && root.digest !== id)) return undefined;
  try {
    const { manifests, blobs } = await walk(store, root);
    const configs = blobs.filter(({ mediaType }) => isConfigType(mediaType));
    for (const { digest, size } of configs) {
      if ((await store.blobSize(digest)) !== size) return undefined;
    }
    if (!isOwn && !configs.some(({ digest }) => digest === id) && root.digest !== id) {
      return undefined;
    }
    const layers = manifests.flatMap(({ document }) =>
      document.kind === 'manifest' ? document.layers : [],
    );
    return { root, sizes: new Map(layers.map(({ digest, size }) => [digest, size])) };
  } catch (error) {
    if (error instanceof SlipwayError) return undefined;
    throw error;
  }
}
