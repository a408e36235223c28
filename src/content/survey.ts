import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { childrenOf } from '../oci/manifest.ts';
import { isManifestType, isNonDistributable } from '../oci/mediatype.ts';
import { type Graph, type ManifestNode, readManifest } from './graph.ts';
import { atSide } from './side.ts';
import type { Signalled } from './transport.ts';

/** What a place lacks of an image, as far as its manifests tell. */
export interface Survey {
  readonly root: ManifestNode;
  /** the place has the top manifest, and with it everything */
  readonly isPresent: boolean;
  /** manifests below the top that it lacks, children before parents, each digest once */
  readonly manifests: readonly ManifestNode[];
  /** manifests that it has, and with them everything below */
  readonly present: readonly Descriptor[];
  /** what the missing manifests name, each digest once: the place may have some of them */
  readonly blobs: readonly Descriptor[];
}

export interface SurveyOptions extends Signalled {
  /** also layers that their owner doesn't allow to be redistributed */
  readonly nonDistributable?: boolean;
  /** Which configs and layers are meant; all if left out. */
  readonly wants?: ((blob: Descriptor) => boolean) | undefined;
}

/** Each is held in memory until all below it is there. */
const MANIFESTS_AT_ONCE = 8;

/**
 * Looks what a place lacks of an image. Nothing below a manifest that is there is looked at.
 *
 * @param exists asks the place
 * @throws SlipwayError what source and place say; `LIMIT_EXCEEDED` for indexes nested too deep
 */
export async function surveyGraph(
  graph: Graph,
  exists: (descriptor: Descriptor) => Promise<boolean>,
  options: SurveyOptions = {},
): Promise<Survey> {
  const { signal } = options;
  const read = (descriptor: Descriptor): Promise<ManifestNode> =>
    atSide('source', () => readManifest(graph.source, descriptor, { signal }));
  const manifests = new Map<string, ManifestNode>();
  const present = new Map<string, Descriptor>();
  const blobs = new Map<string, Descriptor>();
  const seen = new Set<string>();

  const below = async (node: ManifestNode, depth: number): Promise<void> => {
    const wanted = childrenOf(node.document).filter((child) => isWanted(child, options));
    const nested = wanted.filter((child) => {
      if (isManifestType(child.mediaType)) return true;
      if (options.wants?.(child) !== false) blobs.set(child.digest, child);
      return false;
    });
    const fresh = nested.filter(({ digest }) => !seen.has(digest) && seen.add(digest));
    for (let at = 0; at < fresh.length; at += MANIFESTS_AT_ONCE) {
      const some = fresh.slice(at, at + MANIFESTS_AT_ONCE);
      const nodes = await Promise.all(
        some.map(async (child) => {
          if (depth >= DOCUMENT_LIMITS.nestedIndexes) throw nestedTooDeep(child);
          if (!(await exists(child))) return await read(child);
          present.set(child.digest, child);
          return undefined;
        }),
      );
      for (const child of nodes) {
        if (child === undefined) continue;
        await below(child, depth + 1);
        manifests.set(child.descriptor.digest, child);
      }
    }
  };

  const root = await read(await atSide('source', () => graph.root()));
  const isPresent = await exists(root.descriptor);
  if (!isPresent) await below(root, 0);
  return {
    root,
    isPresent,
    manifests: [...manifests.values()],
    present: [...present.values()],
    blobs: [...blobs.values()],
  };
}

function isWanted(child: Descriptor, options: SurveyOptions): boolean {
  return options.nonDistributable === true || !isNonDistributable(child.mediaType);
}

function nestedTooDeep({ digest }: Descriptor): SlipwayError {
  return new SlipwayError(
    'LIMIT_EXCEEDED',
    `indexes are nested deeper than ${DOCUMENT_LIMITS.nestedIndexes} levels`,
    { digest, side: 'source' },
  );
}
