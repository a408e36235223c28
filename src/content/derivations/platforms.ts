import { SlipwayError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { ImageIndex } from '../../oci/manifest.ts';
import {
  formatPlatform,
  isUnknownPlatform,
  matchesPlatform,
  type Platform,
} from '../../oci/platform.ts';
import { derived, type Graph, readManifest } from '../graph.ts';
import type { Signalled } from '../transport.ts';
import { createDocuments } from './rewrite.ts';

export interface PlatformOptions extends Signalled {
  /** with one platform: its bare manifest instead of an index with one entry */
  readonly single?: boolean;
}

/**
 * Reduces an index to some platforms, as finch and nerdctl do: entries of other platforms and
 * attestations go, entries without a platform stay. If nothing goes, the bytes and the digest stay
 * as they are; else the index is encoded anew. An image that is no index is left alone.
 *
 * @throws SlipwayError `PLATFORM_NOT_FOUND`, with the platforms that are there
 */
export async function reducePlatforms(
  graph: Graph,
  platforms: readonly Platform[],
  options: PlatformOptions = {},
): Promise<Graph> {
  const root = await graph.root();
  const { document } = await readManifest(graph.source, root, options);
  if (document.kind === 'manifest') return graph;
  const isMatch = (entry: Descriptor): boolean =>
    entry.platform !== undefined &&
    platforms.some((wanted) => matchesPlatform(wanted, entry.platform as Platform));
  for (const wanted of platforms) {
    const isThere = document.manifests.some(
      ({ platform }) => platform !== undefined && matchesPlatform(wanted, platform),
    );
    if (!isThere) throw notFound(graph, document, wanted);
  }
  if (options.single === true) {
    const chosen = document.manifests.find(isMatch) as Descriptor;
    const { platform: _, annotations: __, ...bare } = chosen;
    return derived(graph, graph.source, bare);
  }
  const keeps = document.manifests.map((entry) => entry.platform === undefined || isMatch(entry));
  if (keeps.every(Boolean)) return graph;
  const entries = document.json.manifests as readonly unknown[];
  const documents = createDocuments();
  const manifests = entries.filter((_, at) => keeps[at]);
  const reduced = documents.put({ ...document.json, manifests }, document.mediaType);
  return derived(graph, documents.over(graph.source), reduced);
}

/** The platforms of an index's images, as people write them. */
function platformsOf(index: ImageIndex): readonly string[] {
  return index.manifests.flatMap(({ platform }) =>
    platform === undefined || isUnknownPlatform(platform) ? [] : [formatPlatform(platform)],
  );
}

function notFound(graph: Graph, index: ImageIndex, wanted: Platform): SlipwayError {
  const there = platformsOf(index);
  return new SlipwayError(
    'PLATFORM_NOT_FOUND',
    `${graph.name} has no image for ${formatPlatform(wanted)}`,
    {
      side: 'source',
      hint: there.length === 0 ? 'its index names no platforms' : `it has ${there.join(', ')}`,
    },
  );
}
