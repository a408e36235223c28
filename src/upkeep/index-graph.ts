import { type Bytes, fromMemory } from '../bytes/stream.ts';
import { type Graph, originOf, readManifest } from '../content/graph.ts';
import { atSide } from '../content/side.ts';
import {
  canLook,
  type Fetcher,
  type FetchOptions,
  type Looker,
  type Signalled,
} from '../content/transport.ts';
import { readDocument } from '../content/verify.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { childrenOf, type ManifestDocument, parseManifest } from '../oci/manifest.ts';
import { isManifestType } from '../oci/mediatype.ts';
import {
  type EncodedIndex,
  encodeIndex,
  entriesOf,
  type IndexContent,
  type IndexPiece,
} from './index-entries.ts';

/** What an index is made from. */
export interface IndexGraphParts {
  /** images whose entries are wanted; what is below them is read from where they are */
  readonly pieces: readonly Graph[];
  /** where everything else that the index names is read */
  readonly base?: Fetcher;
  /**
   * Says what the index holds, when the entries of the pieces are known; or which one of `base` it
   * is, if nothing has to change.
   */
  content(pieces: readonly IndexPiece[]): IndexContent | Descriptor;
}

/**
 * The graph of an index that is nowhere yet: its document is made when all pieces are known, and
 * everything below it stays in their sources.
 *
 * @throws SlipwayError what reading the pieces and `content` throw (from `root()`)
 */
export function indexGraph(
  name: string,
  parts: IndexGraphParts,
  { signal }: Signalled = {},
): Graph {
  const { pieces, base } = parts;
  const owners = new Map<Digest, Graph>();
  const claim = (owner: Graph, document: ManifestDocument): void => {
    for (const { digest } of childrenOf(document)) {
      if (!owners.has(digest)) owners.set(digest, owner);
    }
  };

  const make = async (): Promise<Partial<EncodedIndex> & Pick<EncodedIndex, 'root'>> => {
    const found: IndexPiece[] = [];
    for (const piece of pieces) {
      const node = await atSide('source', async () =>
        readManifest(piece.source, await piece.root(), { signal }),
      );
      owners.set(node.descriptor.digest, piece);
      claim(piece, node.document);
      found.push({ name: piece.name, entries: await entriesOf(piece.source, node, { signal }) });
    }
    const content = parts.content(found);
    return 'digest' in content ? { root: content } : encodeIndex(content);
  };
  let making: ReturnType<typeof make> | undefined;
  const made = (): ReturnType<typeof make> => {
    making ??= make();
    return making;
  };

  async function* fetch(descriptor: Descriptor, options: FetchOptions = {}): Bytes {
    const { root, bytes } = await made();
    if (bytes !== undefined && descriptor.digest === root.digest)
      return yield* fromMemory(bytes, options.offset);
    const owner = owners.get(descriptor.digest);
    const source = owner?.source ?? base ?? NOWHERE;
    if (owner === undefined || !isManifestType(descriptor.mediaType)) {
      return yield* source.fetch(descriptor, options);
    }
    const document = await readDocument(source, descriptor, options);
    claim(owner, parseManifest(document, descriptor.mediaType));
    yield* fromMemory(document, options.offset);
  }

  const canTell = base === undefined && pieces.every(({ source }) => canLook(source));
  const has = async (descriptor: Descriptor, options?: Signalled): Promise<boolean> => {
    if (descriptor.digest === (await made()).root.digest) return true;
    const source = owners.get(descriptor.digest)?.source;
    return source !== undefined && canLook(source) && (await source.has(descriptor, options));
  };

  const source: Fetcher & Partial<Looker> = canTell ? { fetch, has } : { fetch };
  return {
    source,
    name,
    root: async () => (await made()).root,
    pending: [...new Set(pieces.flatMap(({ pending }) => pending))],
    originOf(digest) {
      const owner = owners.get(digest);
      return owner === undefined ? undefined : originOf(owner, digest);
    },
  };
}

/** The source of an index without entries of its own. */
const NOWHERE: Fetcher = { fetch: () => fromMemory(new Uint8Array(0)) };
