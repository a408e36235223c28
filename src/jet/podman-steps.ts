import { openArchive } from '../archive/archive.ts';
import { buildIndex } from '../build/image.ts';
import { copyGraph } from '../content/copy.ts';
import { type Graph, graphOf, readManifest } from '../content/graph.ts';
import type { Signalled } from '../content/transport.ts';
import type { Engine } from '../engine/client.ts';
import { findEngineImage } from '../engine/images.ts';
import { createEngineTarget } from '../engine/target.ts';
import { isSlipwayError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json.ts';
import type { Tools } from './tools.ts';

/** Nobody writes more instructions. */
const MOST_STEPS = 200;

/**
 * The steps of an image that Podman has built, each of them an image to it, as an index with the
 * image itself in front: with them another Podman goes on where this one was. Their layers are those
 * of the image. Undefined where there are none.
 *
 * @param image in the store
 */
export async function stepsOf(image: Graph, tools: Tools): Promise<Graph | undefined> {
  const { signal } = tools;
  const engine = await tools.engine();
  if (engine.product !== 'podman') return undefined;
  const root = await image.root();
  const id = await configOf(image, { signal });
  const steps = id === undefined ? [] : await ancestors(engine, id, { signal });
  if (steps.length === 0) return undefined;
  const store = await tools.store();
  const names = steps.map((step) => `names=${encodeURIComponent(step)}`).join('&');
  const path = `/images/get?${names}`;
  const answer = await engine.send({ method: 'GET', path, what: 'export images', signal });
  const spoolDir = await tools.home();
  const stdinName = `what ${engine.name} exports`;
  const archive = await openArchive('-', { stdin: answer.body, stdinName, spoolDir, signal });
  try {
    const manifests = [{ ...root, platform: await engine.platform({ signal }) }];
    for (const { key } of archive.images()) {
      const found = graphOf(archive, await archive.resolve(key, { signal }), key);
      const step = await tools.compressed(found);
      const copied = await copyGraph(step, store, { signal, nonDistributable: true });
      manifests.push(copied.root.descriptor as (typeof manifests)[number]);
    }
    const index = await buildIndex(store, manifests, { signal });
    return graphOf(store, index, `the steps of ${image.name}`);
  } finally {
    await archive.close();
  }
}

/** Brings the steps of an earlier build to Podman; what is no index of steps is left alone. */
export async function bringSteps(
  engine: Engine,
  graph: Graph,
  { signal }: Signalled,
): Promise<void> {
  const { document } = await readManifest(graph.source, await graph.root(), { signal });
  // Where two engines run, the one that is asked need not be the one that builds.
  if (document.kind === 'manifest' || engine.product !== 'podman') return;
  const missing: Graph[] = [];
  for (const entry of document.manifests.slice(0, MOST_STEPS)) {
    const step = graphOf(graph.source, entry, graph.name);
    const id = await configOf(step, { signal });
    if (id === undefined || (await findEngineImage(engine, id, { signal })) !== undefined) continue;
    missing.push(step);
  }
  if (missing.length === 0) return;
  const target = await createEngineTarget(engine, { signal, isWhole: false });
  try {
    for (const step of missing) await copyGraph(step, target, { signal, nonDistributable: true });
    await target.finish();
  } finally {
    await target.abort();
  }
}

async function configOf(image: Graph, { signal }: Signalled): Promise<Digest | undefined> {
  const { document } = await readManifest(image.source, await image.root(), { signal });
  return document.kind === 'manifest' ? document.config.digest : undefined;
}

/** The images that an image was made of, the last step first. */
async function ancestors(
  engine: Engine,
  id: string,
  { signal }: Signalled,
): Promise<readonly string[]> {
  const all: string[] = [];
  for (let at = id; all.length < MOST_STEPS; ) {
    const path = `/images/${encodeURIComponent(at)}/json`;
    const told = await engine
      .json({ method: 'GET', path, what: 'look at an image', signal })
      .catch((error: unknown) => {
        if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
        throw error;
      });
    const parent = isJsonObject(told) ? told.Parent : undefined;
    const [, hex] = /^(?:sha256:)?([0-9a-f]{64})$/.exec(String(parent)) ?? [];
    if (hex === undefined || all.includes(`sha256:${hex}`)) break;
    at = `sha256:${hex}`;
    all.push(at);
  }
  return all;
}
