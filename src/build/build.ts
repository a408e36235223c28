import { addAnnotations, addLabels, annotateManifests } from '../content/derivations/labels.ts';
import { type Graph, graphOf } from '../content/graph.ts';
import { isSlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isIndexType } from '../oci/mediatype.ts';
import { chooseEngine } from './choose-engine.ts';
import type { BuildEngine, BuildOptions, BuildRequest, EngineName } from './engine.ts';

type Texts = Readonly<Record<string, string>>;

/** What is wanted beside the request, whichever engine builds. */
export interface BuildSettings {
  /** one engine, or the first that can do it */
  readonly engine: EngineName | 'auto';
  /** in the order in which `auto` asks them */
  readonly engines: readonly BuildEngine[];
  /** labels of every image config, told when the image is there */
  readonly labels?: (built: Graph) => Promise<Texts>;
  /** annotations of every image's manifest */
  readonly annotations?: Texts;
  /** annotations of the index, where several platforms are built */
  readonly indexAnnotations?: Texts;
}

/**
 * Builds an image into the store and gives it with its labels and annotations. It has no name yet,
 * and layers that an engine gives uncompressed are still so.
 *
 * @throws SlipwayError `NO_ENGINE`, `COMMAND_FAILED`, `CONFIG_INVALID` for the Dockerfile, and what
 * the registries of base images say
 */
export async function build(
  request: BuildRequest,
  wanted: BuildSettings,
  options: BuildOptions,
): Promise<Graph> {
  const { signal, store } = options;
  const root = await buildRoot(request, wanted, options);
  let graph = graphOf(store, root, 'what was built');
  const labels = await wanted.labels?.(graph);
  if (hasAny(labels)) graph = await addLabels(graph, labels, { signal });
  if (hasAny(wanted.annotations)) {
    graph = await annotateManifests(graph, wanted.annotations, { signal });
  }
  if (hasAny(wanted.indexAnnotations) && isIndexType(root.mediaType)) {
    graph = await addAnnotations(graph, wanted.indexAnnotations, { signal });
  }
  return graph;
}

/**
 * Builds with the first engine that can do it. Some things are known only in the middle: what the
 * triggers of a base image do, what a variable holds. `auto` then goes on to the next engine.
 */
async function buildRoot(
  request: BuildRequest,
  { engines, engine: name }: BuildSettings,
  options: BuildOptions,
): Promise<Descriptor> {
  const { signal, emit } = options;
  const givenUp = new Map<EngineName, { can: false; reason: string; hint?: string }>();
  for (;;) {
    const { engine, version, instead } = await chooseEngine(engines, name, request, {
      signal,
      givenUp,
    });
    emit({
      type: 'build.start',
      engine: engine.name,
      ...(version === undefined ? {} : { version }),
      ...(instead === undefined ? {} : { instead }),
    });
    try {
      return await engine.build(request, options);
    } catch (error) {
      if (name !== 'auto' || !isSlipwayError(error, 'NO_ENGINE')) throw error;
      const { message: reason, hint } = error;
      givenUp.set(engine.name, { can: false, reason, ...(hint === undefined ? {} : { hint }) });
    }
  }
}

function hasAny(texts: Texts | undefined): texts is Texts {
  return texts !== undefined && Object.keys(texts).length > 0;
}
