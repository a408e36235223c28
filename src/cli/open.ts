import { join } from 'node:path';
import { openArchive } from '../archive/archive.ts';
import { createArchive } from '../archive/write.ts';
import { type CompressionSettings, compressLayers } from '../content/derivations/compress.ts';
import { reducePlatforms } from '../content/derivations/platforms.ts';
import { convertTypes } from '../content/derivations/types.ts';
import { joinVariants } from '../content/derivations/variants.ts';
import { type Graph, graphOf } from '../content/graph.ts';
import type { Source } from '../content/transport.ts';
import { createEngineTarget, keepsWholeImages } from '../engine/target.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { openLayout } from '../layout/layout.ts';
import { isDigest } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import {
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
} from '../oci/reference.ts';
import type { Destination } from '../publish/publication.ts';
import { createCompressionTable } from '../state/compressions.ts';
import type { Context } from './context.ts';
import { openFromEngine, openInEngine } from './engine-images.ts';
import { compressionSettings, type ImageFlags, wantedPlatforms } from './flags.ts';
import { type Location, refuseDigest } from './location.ts';
import { collectLessOften } from './v8.ts';

/**
 * Opens the image at a location.
 *
 * @throws SlipwayError with side `source`: `NOT_FOUND`, `FILE_NOT_FOUND`, `ARCHIVE_INVALID` …
 */
export async function openImage(context: Context, location: Location): Promise<Graph> {
  try {
    return await open(context, location);
  } catch (error) {
    throw error instanceof SlipwayError ? error.with({ side: 'source' }) : error;
  }
}

async function open(context: Context, location: Location): Promise<Graph> {
  const { signal } = context;
  const resolved = async (source: Source, reference: string, name: string): Promise<Graph> =>
    graphOf(source, await source.resolve(reference, { signal }), name);
  switch (location.transport) {
    case 'docker': {
      const { reference } = location;
      const repository = (await context.registries()).source(reference);
      const name = formatReference(reference);
      const graph = await resolved(repository, reference.digest ?? reference.tag ?? '', name);
      return { ...graph, from: repository.repository };
    }
    case 'store': {
      const { reference } = location;
      try {
        return await openStored(context, reference);
      } catch (error) {
        if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
        return await openInEngine(context, reference);
      }
    }
    case 'docker-daemon':
      return await openFromEngine(context, location.name);
    case 'oci': {
      const layout = await openLayout(location.path);
      context.onClose(() => layout.close());
      return await resolved(layout, location.name ?? '', location.path);
    }
    default: {
      const archive = await openArchive(location.path, { spoolDir: await context.home(), signal });
      context.onClose(() => archive.close());
      for (const message of archive.warnings) context.emit({ type: 'warning', message });
      return await resolved(archive, location.name ?? '', location.path);
    }
  }
}

/**
 * Opens an image of the local store, and looks nowhere else.
 *
 * @throws SlipwayError `NOT_FOUND`
 */
export async function openStored(context: Context, reference: Reference): Promise<Graph> {
  const { signal } = context;
  const store = await context.store();
  const shown = familiarReference(reference);
  // A digest says more than the tag beside it.
  const wanted = reference.digest ?? formatReference(reference);
  const root = await store.resolve(wanted, { signal }).catch((error: unknown) => {
    if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
    throw new SlipwayError('NOT_FOUND', `no such local image: ${shown}`, {
      side: 'source',
      hint: 'slipway images shows those there are; slipway load -i FILE or slipway pull REF gets one',
    });
  });
  return graphOf(store, root, shown);
}

/** The image as it should be published: the wanted platforms, layers compressed. */
export async function derive(
  context: Context,
  graph: Graph,
  flags: ImageFlags & { readonly dryRun?: boolean },
): Promise<Graph> {
  const { signal } = context;
  // A plan tells how large its layers are.
  if (flags.dryRun === true) await graph.root();
  const platforms = wantedPlatforms(flags);
  const single = flags.single === true;
  const reduced =
    platforms === undefined ? graph : await reducePlatforms(graph, platforms, { single, signal });
  const typed =
    flags.types === undefined ? reduced : await convertTypes(reduced, flags.types, { signal });
  return await compress(context, typed, compressionSettings(flags), flags.forceCompression);
}

/**
 * The image with its layers compressed, each variant; without settings as it is.
 *
 * @param again also layers that are compressed already
 */
export async function compress(
  context: Context,
  graph: Graph,
  settings: readonly CompressionSettings[],
  again = false,
): Promise<Graph> {
  const [first, second] = settings;
  if (first === undefined) return graph;
  // What comes by once can't be compressed twice.
  if (second !== undefined) await graph.root();
  if (again) {
    const message = `layers of ${graph.name} are compressed anew, so its digests change`;
    context.emit({ type: 'warning', message });
  }
  const compressed = await compressAs(context, graph, first, again);
  if (second === undefined) return compressed;
  const { source } = compressed;
  const other = await compressAs(context, { ...graph, source }, second, again);
  return joinVariants(compressed, other, { signal: context.signal });
}

async function compressAs(
  context: Context,
  graph: Graph,
  settings: CompressionSettings,
  again: boolean,
): Promise<Graph> {
  const { signal, emit } = context;
  collectLessOften();
  return await compressLayers(graph, {
    run: context.compressions,
    settings,
    again,
    store: await context.store(),
    table: createCompressionTable(await context.hints(), join(await context.home(), 'locks')),
    emit,
    signal,
  });
}

/** A place that images go to, and what ends its use. */
export interface OpenDestination {
  readonly destination: Destination;
  /** Makes it final, when everything went well. */
  finish(): Promise<void>;
  /** layers should be compressed on the way there, unless the user said otherwise */
  readonly isCompressed: boolean;
  /** What of an image this place can hold; of several platforms the one that was asked for. */
  fit?(graph: Graph, asked: Platform | undefined): Promise<Graph>;
}

/** Opens a place for an image to go to. */
export async function openDestination(
  context: Context,
  location: Location,
): Promise<OpenDestination> {
  const nothing = async () => {};
  switch (location.transport) {
    case 'docker': {
      const { reference } = location;
      refuseDigest(reference);
      const registries = await context.registries();
      registries.expect(reference);
      const target = registries.repository(reference);
      const names = reference.tag === undefined ? [] : [reference.tag];
      return {
        destination: { target, names, host: reference.host },
        finish: nothing,
        isCompressed: true,
      };
    }
    case 'store': {
      refuseDigest(location.reference);
      const target = await context.store();
      const names = [formatReference(location.reference)];
      return { destination: { target, names }, finish: nothing, isCompressed: false };
    }
    case 'oci': {
      const target = await openLayout(location.path, { create: true });
      context.onClose(() => target.close());
      const names = [location.name ?? 'latest'];
      return { destination: { target, names }, finish: nothing, isCompressed: true };
    }
    case 'docker-daemon':
      return await engineDestination(context, location.name);
    default: {
      const kind = location.transport === 'oci-archive' ? 'oci' : 'docker';
      const to = location.path === '-' ? process.stdout : location.path;
      const target = await createArchive(to, { kind, signal: context.signal });
      context.onClose(() => target.abort());
      const names = location.name === undefined ? [] : [location.name];
      return {
        destination: { target, names },
        finish: () => target.finish(),
        isCompressed: kind === 'oci',
      };
    }
  }
}

async function engineDestination(context: Context, name: string): Promise<OpenDestination> {
  const { signal } = context;
  if (isDigest(name)) {
    throw new SlipwayError('USAGE', `an engine gives ids itself: ${name} can't be a destination`, {
      hint: 'write docker-daemon:NAME:TAG',
    });
  }
  const reference = parseReference(name);
  refuseDigest(reference);
  const engine = await context.engine();
  const isWhole = await keepsWholeImages(engine, { signal });
  const target = await createEngineTarget(engine, { signal, isWhole });
  context.onClose(() => target.abort());
  const shown = `docker-daemon:${familiarReference(reference)}`;
  return {
    destination: { target: { ...target, name: shown }, names: [formatReference(reference)] },
    finish: () => target.finish(),
    isCompressed: false,
    async fit(graph, asked) {
      if (isWhole) return graph;
      const wanted = asked ?? (await engine.platform({ signal }));
      return await reducePlatforms(graph, [wanted], { single: true, signal });
    },
  };
}
