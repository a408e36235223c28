import { fromMemory } from '../bytes/stream.ts';
import { copyGraph } from '../content/copy.ts';
import type { Graph } from '../content/graph.ts';
import type { Signalled } from '../content/transport.ts';
import { type Emit, silent } from '../events.ts';
import type { Repository } from '../registry/repository.ts';
import { entriesOf, type IndexPiece } from './index-entries.ts';

export interface PieceOptions extends Signalled {
  readonly emit?: Emit;
}

/**
 * Brings an image into the repository where an index is to name it: what other repositories of the
 * same registry have is mounted, what is there isn't sent. No tag is set.
 */
export async function bringPiece(
  target: Repository,
  graph: Graph,
  { emit = silent, signal }: PieceOptions = {},
): Promise<IndexPiece> {
  const isSibling = graph.from?.host === target.repository.host;
  const copied = await copyGraph(graph, target, {
    emit,
    signal,
    includeRoot: false,
    ...(graph.from !== undefined && isSibling ? { mountFrom: [graph.from.path] } : {}),
  });
  const { root, isPresent } = copied;
  // Of an index only the entries are wanted.
  if (root.document.kind === 'manifest' && !isPresent) {
    const open = (offset: number) => fromMemory(root.bytes, offset);
    await target.push(root.descriptor, open, { signal });
  }
  return { name: graph.name, entries: await entriesOf(target, root, { signal }) };
}
