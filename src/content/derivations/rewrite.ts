import { fromMemory } from '../../bytes/stream.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { describe } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { isJsonObject, type JsonObject } from '../../oci/json.ts';
import { encodeDocument, type ImageManifest } from '../../oci/manifest.ts';
import { isManifestType } from '../../oci/mediatype.ts';
import { readManifest } from '../graph.ts';
import { canLook, type Fetcher, type Looker, type Signalled } from '../transport.ts';

/** Documents that a derivation made; they stand before the source's own content. */
export interface Documents {
  /** Adds a document and tells its descriptor. */
  put(json: object, mediaType: string): Descriptor;
  /** A source that has the new documents as well as all that `source` has. */
  over(source: Fetcher): Fetcher & Partial<Looker>;
}

/** Makes an empty set of documents. */
export function createDocuments(): Documents {
  const made = new Map<Digest, Uint8Array>();
  return {
    put(json, mediaType) {
      const bytes = encodeDocument(json);
      const descriptor = describe(bytes, mediaType);
      made.set(descriptor.digest, bytes);
      return descriptor;
    },
    over: (source) => ({
      ...(canLook(source)
        ? {
            has: async (descriptor, how) =>
              made.has(descriptor.digest) || source.has(descriptor, how),
          }
        : {}),
      fetch(descriptor, options) {
        const bytes = made.get(descriptor.digest);
        return bytes === undefined
          ? source.fetch(descriptor, options)
          : fromMemory(bytes, options?.offset);
      },
    }),
  };
}

/** Says what an image's manifest becomes; undefined leaves it as it is, byte for byte. */
export type ChangeImage = (
  manifest: ImageManifest,
  documents: Documents,
) => Promise<JsonObject | undefined>;

export interface RewriteOptions extends Signalled {
  /** the type of an index whose entries changed, by what they are now; undefined: as it was */
  readonly indexType?: (children: readonly Descriptor[]) => string | undefined;
}

/**
 * Changes the images below `root`, and the indexes above those that changed. What isn't changed
 * keeps its bytes and its digest.
 *
 * @returns the new root; the same descriptor if nothing changed
 */
export async function rewriteImages(
  source: Fetcher,
  root: Descriptor,
  documents: Documents,
  change: ChangeImage,
  options: RewriteOptions = {},
): Promise<Descriptor> {
  const done = new Map<Digest, Descriptor>();
  const visit = async (descriptor: Descriptor): Promise<Descriptor> => {
    const known = done.get(descriptor.digest);
    if (known !== undefined) return known;
    if (!isManifestType(descriptor.mediaType)) return descriptor;
    const { document } = await readManifest(source, descriptor, options);
    let result = descriptor;
    if (document.kind === 'manifest') {
      const json = await change(document, documents);
      if (json !== undefined) {
        const { mediaType = document.mediaType } = json;
        result = documents.put(json, String(mediaType));
      }
    } else {
      const children: Descriptor[] = [];
      for (const child of document.manifests) children.push(await visit(child));
      const isSame = children.every((child, at) => child.digest === document.manifests[at]?.digest);
      if (!isSame) {
        const entries = document.json.manifests as readonly unknown[];
        const manifests = entries.map((entry, at) => pointTo(entry, children[at]));
        const mediaType = options.indexType?.(children) ?? document.mediaType;
        const own = mediaType === document.mediaType ? {} : { mediaType };
        result = documents.put({ ...document.json, ...own, manifests }, mediaType);
      }
    }
    done.set(descriptor.digest, result);
    return result;
  };
  return await visit(root);
}

/**
 * An entry of a document, now naming other content; its other fields stay as they are.
 *
 * @param isRetyped the content is the same, and its media type is another one
 */
export function pointTo(entry: unknown, to: Descriptor | undefined, isRetyped = false): unknown {
  if (to === undefined || !isJsonObject(entry)) return entry;
  if (entry.digest === to.digest) {
    return isRetyped ? { ...entry, mediaType: to.mediaType } : entry;
  }
  // Embedded data was that of the old content.
  const { data: _, ...rest } = entry;
  return { ...rest, mediaType: to.mediaType, digest: to.digest, size: to.size };
}
