import { SlipwayError } from '../../errors.ts';
import { quoted } from '../dockerfile/text.ts';
import type { LayerEntry } from '../layer.ts';
import { attributesOf, type Node } from './nodes.ts';

/** Entries of a layer; of files with several names the first one holds the content. */
export function layerEntries(
  nodes: readonly (readonly [string, Node])[],
  timeOf: (seconds: number) => number,
): readonly LayerEntry[] {
  const firsts = new Map<Node, string>();
  return nodes.map(([name, node]): LayerEntry => {
    const shared = {
      ...attributesOf(node),
      mtimeSeconds: timeOf(node.mtimeSeconds),
      sizeBytes: 0,
    };
    if (node.kind === 'directory') return { ...shared, name: `${name}/`, type: 'directory' };
    if (node.kind === 'symlink') {
      return { ...shared, name, type: 'symlink', linkName: node.target };
    }
    const first = firsts.get(node);
    if (first !== undefined) return { ...shared, name, type: 'hardlink', linkName: first };
    firsts.set(node, name);
    if (node.kind === 'file') {
      return { ...shared, name, type: 'file', sizeBytes: node.sizeBytes, open: node.open };
    }
    throw new SlipwayError('INTERNAL', `a device was put into a layer: ${quoted(name)}`);
  });
}
