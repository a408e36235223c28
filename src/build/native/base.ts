import { copyGraph } from '../../content/copy.ts';
import { compressLayers } from '../../content/derivations/compress.ts';
import { reducePlatforms } from '../../content/derivations/platforms.ts';
import { type Graph, graphOf, readManifest } from '../../content/graph.ts';
import { readDocument } from '../../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import { parseConfig } from '../../oci/config.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { DOCUMENT_LIMITS } from '../../oci/json.ts';
import { withFamily } from '../../oci/mediatype.ts';
import { formatPlatform, matchesPlatform, type Platform } from '../../oci/platform.ts';
import {
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
} from '../../oci/reference.ts';
import { located, type Where } from '../dockerfile/text.ts';
import type { BaseImage, BuildRun } from './build-run.ts';
import { treeOfLayers } from './image-tree.ts';
import type { DirectoryNode } from './nodes.ts';

/**
 * Gets an image of one platform into the store: from the store itself, else from a running engine
 * if it was made there, else from its registry.
 *
 * @throws SlipwayError `NOT_FOUND`, `PLATFORM_NOT_FOUND`, and what the registry says, with the line
 */
export async function openBase(
  run: BuildRun,
  image: string,
  platform: Platform,
  where: Where,
): Promise<BaseImage> {
  try {
    return await open(run, parseReference(image), platform);
  } catch (error) {
    throw located(error, where);
  }
}

async function open(run: BuildRun, reference: Reference, platform: Platform): Promise<BaseImage> {
  const { store, signal, emit, settings, table } = run;
  const found = await findGraph(run, reference, platform);
  const graph = await compressLayers(found, {
    settings,
    store,
    emit,
    signal,
    ...(table === undefined ? {} : { table }),
  });
  await copyGraph(graph, store, { signal, emit });
  const { document } = await readManifest(store, await graph.root(), { signal });
  if (document.kind === 'index') {
    throw new SlipwayError('CONTENT_INVALID', `${found.name} is an index of indexes`);
  }
  const maxBytes = DOCUMENT_LIMITS.configBytes;
  const config = parseConfig(await readDocument(store, document.config, { signal, maxBytes }));
  const { diffIds } = config;
  if (diffIds.length !== document.layers.length) {
    throw new SlipwayError(
      'CONTENT_INVALID',
      `${found.name} has ${document.layers.length} layers and ${diffIds.length} diffIDs`,
    );
  }
  let tree: Promise<DirectoryNode> | undefined;
  return {
    platform: config.platform ?? platform,
    config: config.json,
    layers: document.layers.map(asOci),
    diffIds,
    tree() {
      tree ??= treeOfLayers(run, document.layers, diffIds);
      return tree;
    },
  };
}

function asOci({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType: withFamily(mediaType, 'oci') ?? mediaType, digest, size };
}

async function findGraph(run: BuildRun, reference: Reference, platform: Platform): Promise<Graph> {
  const { store, signal, pull } = run;
  const name = familiarReference(reference);
  if (!pull) {
    try {
      const wanted = reference.digest ?? formatReference(reference);
      const root = await store.resolve(wanted, { signal });
      return await ofPlatform(graphOf(store, root, name), platform, run);
    } catch (error) {
      // Another platform of it can be in the registry.
      if (!isSlipwayError(error, 'NOT_FOUND', 'PLATFORM_NOT_FOUND')) throw error;
    }
  }
  const isAsked = !pull && reference.digest === undefined;
  const inEngine = isAsked ? await run.engineImage?.(reference) : undefined;
  if (inEngine?.isFirst === true) {
    try {
      return await ofPlatform(await inEngine.open(), platform, run);
    } catch (error) {
      if (!isSlipwayError(error, 'PLATFORM_NOT_FOUND')) throw error;
    }
  }
  try {
    return await inRegistry(run, reference, platform);
  } catch (error) {
    // What docker would take without asking the registry, if the registry can't give it.
    if (inEngine === undefined || !isSlipwayError(error, ...NOT_GIVEN)) throw error;
    const message = `${name} is taken from the running engine: ${error.message}`;
    run.emit({ type: 'warning', message });
    return await ofPlatform(await inEngine.open(), platform, run);
  }
}

const NOT_GIVEN = ['AUTH_REQUIRED', 'DENIED', 'NETWORK', 'NOT_FOUND', 'RATE_LIMITED'] as const;

async function inRegistry(run: BuildRun, reference: Reference, platform: Platform): Promise<Graph> {
  const { signal } = run;
  const repository = (await run.registries()).repository(reference);
  const root = await repository.resolve(reference.digest ?? reference.tag ?? '', { signal });
  const graph = graphOf(repository, root, familiarReference(reference));
  return await ofPlatform({ ...graph, from: repository.repository }, platform, run);
}

/** The image for a platform, as a manifest. */
async function ofPlatform(graph: Graph, platform: Platform, run: BuildRun): Promise<Graph> {
  const { signal } = run;
  const reduced = await reducePlatforms(graph, [platform], { single: true, signal });
  const { document } = await readManifest(graph.source, await reduced.root(), { signal });
  if (document.kind === 'index') return reduced;
  const maxBytes = DOCUMENT_LIMITS.configBytes;
  const bytes = await readDocument(graph.source, document.config, { signal, maxBytes });
  const { platform: found } = parseConfig(bytes);
  if (found === undefined || matchesPlatform(platform, found)) return reduced;
  throw new SlipwayError(
    'PLATFORM_NOT_FOUND',
    `${graph.name} has no image for ${formatPlatform(platform)}`,
    { side: 'source', hint: `it is for ${formatPlatform(found)}: build with --platform` },
  );
}
