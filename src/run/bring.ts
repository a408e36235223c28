import { copyGraph } from '../content/copy.ts';
import { reducePlatforms } from '../content/derivations/platforms.ts';
import { type Graph, readManifest } from '../content/graph.ts';
import type { Signalled } from '../content/transport.ts';
import type { Engine } from '../engine/client.ts';
import { findEngineImage } from '../engine/images.ts';
import { createEngineTarget, keepsWholeImages } from '../engine/target.ts';
import { SlipwayError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { Digest } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';

export interface BringOptions extends Signalled {
  /** a reference; the engine gets it under this name if it has no other image of it */
  readonly name?: string | undefined;
  /** what it is to be run for, the engine's own platform if left out */
  readonly platform?: Platform | undefined;
  readonly emit?: Emit;
}

/**
 * Makes sure that an engine has an image, and gives the id that it has there. Nothing is sent if
 * it is there already, and no name of the engine's is taken from another image.
 *
 * @throws SlipwayError `PLATFORM_NOT_FOUND`, `UNSUPPORTED` for what is no image, and what source
 * and engine say
 */
export async function bringImage(
  engine: Engine,
  graph: Graph,
  { name, platform: asked, emit, signal }: BringOptions = {},
): Promise<Digest> {
  const isWhole = await keepsWholeImages(engine, { signal });
  const platform = asked ?? (await engine.platform({ signal }));
  const wanted = await reducePlatforms(graph, [platform], { single: true, signal });
  const root = await wanted.root();
  const { document } = await readManifest(wanted.source, root, { signal });
  // An engine that takes images apart knows them by their configs.
  const config = document.kind === 'manifest' ? document.config.digest : undefined;
  const id = isWhole || config === undefined ? root.digest : config;
  const there = await findEngineImage(engine, id, { signal });
  if (there !== undefined) return there.id;
  const isFree =
    name !== undefined && (await findEngineImage(engine, name, { signal })) === undefined;
  const target = await createEngineTarget(engine, { signal, isWhole });
  try {
    const progress = emit === undefined ? {} : { emit };
    const { root: copied } = await copyGraph(wanted, target, {
      ...progress,
      nonDistributable: true,
      signal,
    });
    if (isFree) {
      const open = () => wanted.source.fetch(copied.descriptor, { signal });
      await target.tag(copied.descriptor, name, open, { signal });
    }
    await target.finish();
  } finally {
    await target.abort();
  }
  const brought = await findEngineImage(engine, id, { signal });
  if (brought !== undefined) return brought.id;
  throw new SlipwayError('SERVER_ERROR', `${engine.name} took ${id} and doesn't have it`, {
    hint: 'load it by hand: slipway save NAME | docker load',
  });
}
