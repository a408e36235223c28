import type { Bytes, Room } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { childrenOf, type ManifestDocument, parseManifest } from '../oci/manifest.ts';
import { isManifestType } from '../oci/mediatype.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { Arriving } from './arriving.ts';
import type { Fetcher, Signalled } from './transport.ts';
import { readDocument } from './verify.ts';

/**
 * An image as it can be copied: where its bytes are, and what stands at its top.
 *
 * A derivation turns one graph into another. Where a derived layer is still being made, `root()`
 * waits for the last one and `pending` lists what can be sent meanwhile.
 */
export interface Graph {
  readonly source: Fetcher;
  /** where it comes from, for people */
  readonly name: string;
  /** The top: an index or a manifest. Waits until it is known, which can need all pending blobs. */
  root(): Promise<Descriptor>;
  readonly pending: readonly PendingBlob[];
  /** the repository that it comes from, if it comes from a registry: blobs may be mounted from it */
  readonly from?: RepositoryName;
  /** the same for one blob, where the parts of an image come from several places */
  originOf?(digest: Digest): RepositoryName | undefined;
  /** The image while its layers can still be taken as they come; undefined from `root()` on. */
  arriving?(): Arriving | undefined;
}

/** The repository that a blob of an image comes from, if it comes from a registry. */
export function originOf(graph: Graph, digest: Digest): RepositoryName | undefined {
  return graph.originOf?.(digest) ?? graph.from;
}

/** A blob that is being made: its digest and size are known only at the end. */
export interface PendingBlob {
  /** the blob that it is made from; `digest` is then a diffID, `size` the raw size */
  readonly from: Descriptor;
  /** media type of what is being made */
  readonly mediaType: string;
  /** Starts to make it, once, however often it is called, and tells what came out. */
  make(): Promise<Descriptor>;
  /**
   * The same as soon as its last byte is there: `make` has yet to put it away safely. It doesn't
   * start to make it.
   */
  digested(): Promise<Descriptor>;
  /** Reads what is made, also while it is being made; follows until the end. */
  open(offset: number, into?: Room): Bytes;
  /** Waits until it can be made; the others go before. Whoever waited makes it. */
  ready?(): Promise<void>;
}

/** The graph of an image that is there as it is. */
export function graphOf(source: Fetcher, root: Descriptor, name: string): Graph {
  return { source, name, root: async () => root, pending: [] };
}

/** The same image with other content at its top: what a derivation gives. */
export function derived(graph: Graph, source: Fetcher, root: Descriptor): Graph {
  const { arriving: _, ...rest } = graph;
  return { ...rest, source, root: async () => root };
}

/** A manifest that was read: its bytes are kept, for they are what is sent on. */
export interface ManifestNode {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly document: ManifestDocument;
}

/**
 * Reads and parses a manifest or index.
 *
 * @throws SlipwayError `CONTENT_INVALID`, `DIGEST_MISMATCH`, `SIZE_MISMATCH`, `LIMIT_EXCEEDED`,
 * `NOT_FOUND`
 */
export async function readManifest(
  source: Fetcher,
  descriptor: Descriptor,
  options: Signalled = {},
): Promise<ManifestNode> {
  const bytes = await readDocument(source, descriptor, options);
  return { descriptor, bytes, document: parseManifest(bytes, descriptor.mediaType) };
}

/** All manifests of an image, children before parents, each digest once. */
export interface Walk {
  readonly manifests: readonly ManifestNode[];
  /** configs and layers, each digest once, in the order of the manifests */
  readonly blobs: readonly Descriptor[];
}

/**
 * Walks everything that `root` needs. Blobs are only listed, not read.
 *
 * @throws SlipwayError as {@link readManifest}; `LIMIT_EXCEEDED` for indexes nested too deep
 */
export async function walk(
  source: Fetcher,
  root: Descriptor,
  options: Signalled = {},
): Promise<Walk> {
  const manifests = new Map<string, ManifestNode>();
  const blobs = new Map<string, Descriptor>();
  const visit = async (descriptor: Descriptor, depth: number): Promise<void> => {
    if (manifests.has(descriptor.digest)) return;
    if (!isManifestType(descriptor.mediaType)) {
      blobs.set(descriptor.digest, descriptor);
      return;
    }
    if (depth > DOCUMENT_LIMITS.nestedIndexes) {
      throw new SlipwayError(
        'LIMIT_EXCEEDED',
        `indexes are nested deeper than ${DOCUMENT_LIMITS.nestedIndexes} levels`,
        { digest: root.digest },
      );
    }
    options.signal?.throwIfAborted();
    const node = await readManifest(source, descriptor, options);
    for (const child of childrenOf(node.document)) await visit(child, depth + 1);
    manifests.set(descriptor.digest, node);
  };
  await visit(root, 0);
  return { manifests: [...manifests.values()], blobs: [...blobs.values()] };
}
