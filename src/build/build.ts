import { addAnnotations, addLabels, annotateManifests } from '../content/derivations/labels.ts';
import { type Graph, graphOf } from '../content/graph.ts';
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
  const { signal, emit, store } = options;
  const chosen = await chooseEngine(wanted.engines, wanted.engine, request, { signal });
  const { engine, version, instead } = chosen;
  emit({
    type: 'build.start',
    engine: engine.name,
    ...(version === undefined ? {} : { version }),
    ...(instead === undefined ? {} : { instead }),
  });
  const root = await engine.build(request, options);
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

function hasAny(texts: Texts | undefined): texts is Texts {
  return texts !== undefined && Object.keys(texts).length > 0;
}
