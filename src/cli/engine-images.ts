import type { Archive } from '../archive/archive.ts';
import type { EngineBase } from '../build/native/build-run.ts';
import { type Graph, graphOf } from '../content/graph.ts';
import { connectEngine, type Engine } from '../engine/client.ts';
import type { EngineProduct } from '../engine/find.ts';
import { openEngineGraph } from '../engine/graph.ts';
import { type EngineImage, findEngineImage, listEngineImages } from '../engine/images.ts';
import { exportFound, exportImage, notInEngine } from '../engine/source.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import {
  familiarReference,
  formatRepository,
  parseReference,
  type Reference,
} from '../oci/reference.ts';
import { createEngineImageTable } from '../state/engine-images.ts';
import type { Context } from './context.ts';
import { safeLine } from './output.ts';

/**
 * Exports an image of the running engine.
 *
 * @throws SlipwayError `NO_ENGINE`, `NOT_FOUND`
 */
export async function openEngineImage(context: Context, name: string): Promise<Archive> {
  const { signal } = context;
  const archive = await exportImage(await context.engine(), name, {
    spoolDir: await context.home(),
    signal,
  });
  context.onClose(() => archive.close());
  return archive;
}

/**
 * The image that a bare name means in a running engine.
 *
 * @throws SlipwayError `NOT_FOUND`, also where there is no engine
 */
export async function openInEngine(context: Context, reference: Reference): Promise<Graph> {
  const { signal } = context;
  const shown = familiarReference(reference);
  const engine = await context.engine().catch((error: unknown) => {
    if (!isSlipwayError(error)) throw error;
    throw notLocal(shown, error.code === 'NO_ENGINE' ? 'no engine is running' : error.message);
  });
  const image = await findEngineImage(engine, shown, { signal });
  if (image === undefined) throw notLocal(shown, `${engine.name} has none of this name either`);
  return await openFound(context, engine, image, `${shown} (${engine.name})`);
}

/**
 * An image of the running engine as it can be copied.
 *
 * @throws SlipwayError `NO_ENGINE`, `NOT_FOUND`
 */
export async function openFromEngine(context: Context, name: string): Promise<Graph> {
  const engine = await context.engine();
  const image = await findEngineImage(engine, name, { signal: context.signal });
  if (image === undefined) throw notInEngine(engine, name);
  return await openFound(context, engine, image, `docker-daemon:${name}`);
}

async function openFound(
  context: Context,
  engine: Engine,
  image: EngineImage,
  name: string,
): Promise<Graph> {
  const { signal } = context;
  const { graph, close } = await openEngineGraph(engine, image, name, {
    table: createEngineImageTable(await context.hints()),
    store: await context.store(),
    spoolDir: await context.home(),
    signal,
  });
  context.onClose(close);
  return graph;
}

/**
 * An image of a running engine that a Dockerfile names. One that was made there counts before the
 * image of that name in a registry, which somebody else may own; one that came from there doesn't,
 * unless the engine has it unchanged.
 */
export async function findBaseInEngine(
  context: Context,
  reference: Reference,
): Promise<EngineBase | undefined> {
  const { signal } = context;
  const shown = familiarReference(reference);
  try {
    const engine = await context.engine();
    const image = await findEngineImage(engine, shown, { signal });
    if (image === undefined) return undefined;
    const digests = image.digests.map((text) => parseReference(text));
    const repository = formatRepository(reference);
    const isForeign = digests.some((each) => formatRepository(each) === repository);
    const isWhole = digests.some(({ digest }) => digest === image.id);
    return {
      isFirst: isWhole || !isForeign,
      async open() {
        const store = await context.store();
        const known = await store.resolve(image.id, { signal }).catch(() => undefined);
        if (known !== undefined) return graphOf(store, known, shown);
        const archive = await exportFound(engine, image, {
          spoolDir: await context.home(),
          signal,
        });
        context.onClose(() => archive.close());
        return graphOf(archive, await archive.resolve('', { signal }), shown);
      },
    };
  } catch (error) {
    signal.throwIfAborted();
    if (isSlipwayError(error)) return undefined;
    throw error;
  }
}

/** A list must not wait for an engine that hangs. */
const GREETING_MS = 3_000;

/** The images of a running engine; undefined where there is none, which is no error. */
export async function listInEngine({
  signal,
  output,
}: Context): Promise<
  { readonly product: EngineProduct; readonly images: readonly EngineImage[] } | undefined
> {
  let engine: Engine;
  try {
    engine = await connectEngine({ signal, timeoutMs: GREETING_MS });
  } catch (error) {
    if (isSlipwayError(error)) return undefined;
    throw error;
  }
  try {
    const { product } = engine;
    return { product, images: await listEngineImages(engine, { signal }) };
  } catch (error) {
    if (!isSlipwayError(error)) throw error;
    output.err(`${safeLine(`the images of ${engine.name} are not shown: ${error.message}`)}\n`);
    return undefined;
  } finally {
    await engine.close();
  }
}

function notLocal(shown: string, why: string): SlipwayError {
  return new SlipwayError('NOT_FOUND', `no such local image: ${shown}`, {
    hint: `it isn't in the store, and ${why}; slipway images shows those there are, slipway load -i FILE or slipway pull REF gets one`,
  });
}
