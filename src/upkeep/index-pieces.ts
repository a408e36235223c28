import { fromMemory } from '../bytes/stream.ts';
import { type CopyOptions, copyGraph } from '../content/copy.ts';
import type { Graph } from '../content/graph.ts';
import type { Repository } from '../registry/repository.ts';
import { entriesOf, type IndexPiece } from './index-entries.ts';

export type PieceOptions = Omit<CopyOptions, 'includeRoot' | 'mountFrom'>;

/** An image in the repository of an index, and what it took to bring it there. */
export interface BroughtPiece extends IndexPiece {
  readonly bytesSent: number;
  readonly bytesMounted: number;
  readonly bytesPresent: number;
}

/**
 * Brings an image into the repository where an index is to name it: what other repositories of the
 * same registry have is mounted, what is there isn't sent. No tag is set.
 */
export async function bringPiece(
  target: Repository,
  graph: Graph,
  options: PieceOptions = {},
): Promise<BroughtPiece> {
  const isSibling = graph.from?.host === target.repository.host;
  const { signal } = options;
  const copied = await copyGraph(graph, target, {
    ...options,
    includeRoot: false,
    ...(graph.from !== undefined && isSibling ? { mountFrom: [graph.from.path] } : {}),
  });
  const { root, isPresent } = copied;
  // Of an index only the entries are wanted.
  if (root.document.kind === 'manifest' && !isPresent) {
    const open = (offset: number) => fromMemory(root.bytes, offset);
    await target.push(root.descriptor, open, { signal });
  }
  const { bytesSent, bytesMounted, bytesPresent } = copied;
  const entries = await entriesOf(target, root, { signal });
  return { name: graph.name, entries, bytesSent, bytesMounted, bytesPresent };
}
