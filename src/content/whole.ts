import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { childrenOf } from '../oci/manifest.ts';
import { isManifestType, isNonDistributable } from '../oci/mediatype.ts';
import { formatPlatform, isUnknownPlatform } from '../oci/platform.ts';
import { type Graph, readManifest } from './graph.ts';
import { atSide } from './side.ts';
import type { SurveyOptions } from './survey.ts';
import { canLook, type Target } from './transport.ts';

/**
 * Finds what an image needs and neither its source nor the place has, before anything is sent. A
 * source that can't tell without reading is taken to be whole.
 *
 * @throws SlipwayError `CONTENT_MISSING`, with the platforms that are whole
 */
export async function checkWhole(
  graph: Graph,
  target: Target,
  options: SurveyOptions = {},
): Promise<void> {
  const { source } = graph;
  if (!canLook(source)) return;
  const { signal } = options;
  const known = new Map<string, Promise<Descriptor | undefined>>();

  /** The first piece at or below that is nowhere. */
  const lacking = (descriptor: Descriptor): Promise<Descriptor | undefined> => {
    const earlier = known.get(descriptor.digest);
    if (earlier !== undefined) return earlier;
    const found = look(descriptor);
    known.set(descriptor.digest, found);
    return found;
  };
  const look = async (descriptor: Descriptor): Promise<Descriptor | undefined> => {
    const isWanted = options.nonDistributable === true || !isNonDistributable(descriptor.mediaType);
    if (!isWanted) return undefined;
    if (!(await source.has(descriptor, { signal }))) {
      const isThere = await atSide('destination', () => target.exists(descriptor, { signal }));
      return isThere ? undefined : descriptor;
    }
    if (!isManifestType(descriptor.mediaType)) return undefined;
    const { document } = await readManifest(source, descriptor, { signal });
    for (const child of childrenOf(document)) {
      const missing = await lacking(child);
      if (missing !== undefined) return missing;
    }
    return undefined;
  };

  await atSide('source', async () => {
    const root = await graph.root();
    const missing = await lacking(root);
    if (missing === undefined) return;
    const whole: string[] = [];
    const { document } = await readManifest(source, root, { signal });
    for (const child of document.kind === 'index' ? document.manifests : []) {
      if (child.platform === undefined || isUnknownPlatform(child.platform)) continue;
      if ((await lacking(child)) === undefined) whole.push(formatPlatform(child.platform));
    }
    throw new SlipwayError(
      'CONTENT_MISSING',
      `${graph.name} needs ${missing.digest}, which is neither in its source nor at ${target.name}`,
      {
        digest: missing.digest,
        hint:
          whole.length === 0
            ? 'get the image again from where it was made'
            : `whole are ${whole.join(', ')}: publish them with --platform ${whole.join(',')}`,
      },
    );
  });
}
