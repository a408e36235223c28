import { SlipwayError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import {
  compressionOf,
  isConfigType,
  isNonDistributable,
  MEDIA_TYPE,
  type MediaTypeFamily,
  withFamily,
} from '../../oci/mediatype.ts';
import { derived, type Graph } from '../graph.ts';
import type { Signalled } from '../transport.ts';
import { createDocuments, pointTo, rewriteImages } from './rewrite.ts';

export interface ConvertTypesOptions extends Signalled {
  /** images whose layers are compressed were made here, too */
  readonly compressedToo?: boolean;
}

/**
 * Gives the media types of a family to the manifests that are made here: those of images with
 * layers that aren't compressed yet, as archives of docker have them. All others were made
 * elsewhere, unless `compressedToo` says more, and stay as they are.
 *
 * @throws SlipwayError `UNSUPPORTED` for a layer that the family has no type for
 */
export async function convertTypes(
  graph: Graph,
  family: MediaTypeFamily,
  { compressedToo = false, ...options }: ConvertTypesOptions = {},
): Promise<Graph> {
  const documents = createDocuments();
  const isDocker = family === 'docker';
  const own = isDocker ? MEDIA_TYPE.dockerManifest : MEDIA_TYPE.ociManifest;
  const changed = (entry: unknown, descriptor: Descriptor): unknown => {
    const { mediaType } = descriptor;
    const config = isDocker ? MEDIA_TYPE.dockerConfig : MEDIA_TYPE.ociConfig;
    const to = isConfigType(mediaType) ? config : withFamily(mediaType, family);
    if (to === undefined) {
      throw new SlipwayError('UNSUPPORTED', `${mediaType} has no form of ${family}`, {
        digest: descriptor.digest,
      });
    }
    return pointTo(entry, { ...descriptor, mediaType: to }, true);
  };
  const root = await rewriteImages(
    graph.source,
    await graph.root(),
    documents,
    async ({ json, mediaType, config, layers }) => {
      const isOther = mediaType !== own && isConfigType(config.mediaType);
      if (!layers.some(isRaw) && !(compressedToo && isOther)) return undefined;
      const entries = (json.layers ?? []) as readonly unknown[];
      return {
        ...json,
        mediaType: own,
        config: changed(json.config, config),
        layers: layers.map((layer, at) => changed(entries[at], layer)),
      };
    },
    {
      ...options,
      indexType: (children) => {
        if (!children.every(({ mediaType }) => mediaType === own)) return undefined;
        return isDocker ? MEDIA_TYPE.dockerIndex : MEDIA_TYPE.ociIndex;
      },
    },
  );
  return derived(graph, documents.over(graph.source), root);
}

function isRaw({ mediaType }: Descriptor): boolean {
  return compressionOf(mediaType) === 'none' && !isNonDistributable(mediaType);
}
