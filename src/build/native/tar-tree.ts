import type { Bytes } from '../../bytes/stream.ts';
import type { TarEntry } from '../../bytes/tar-entries.ts';
import { invalidTar } from '../../bytes/tar-header.ts';
import { shownName } from '../../bytes/tar-name.ts';
import {
  type Attributes,
  attributesOf,
  type DirectoryNode,
  directory,
  type Node,
  PLAIN_DIRECTORY,
  partsOf,
} from './nodes.ts';
import { follow } from './walk.ts';

/** An entry and how its data is read. */
export interface OpenableEntry extends TarEntry {
  readonly open: () => Bytes;
}

export interface TarTreeOptions {
  /** names the archive in errors */
  readonly what: string;
  /** marks of removed files take files of the layers below away (image-spec, layer.md) */
  readonly whiteouts: boolean;
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/**
 * Puts the entries of an archive into a tree, in their order; nothing is unpacked. Links above an
 * entry are followed inside the tree.
 *
 * @throws SlipwayError `ARCHIVE_INVALID`
 */
export async function addTar(
  root: DirectoryNode,
  entries: AsyncIterable<OpenableEntry>,
  { what, whiteouts }: TarTreeOptions,
): Promise<void> {
  const added = new Set<Node>();
  let last: { readonly path: string; readonly children: Map<string, Node> } | undefined;
  const childrenOf = async (parts: readonly string[], where: string) => {
    const path = parts.join('/');
    if (last?.path === path) return last.children;
    const children = await folderAt(root, parts, added, what, where);
    last = { path, children };
    return children;
  };
  for await (const entry of entries) {
    const where = `${what}: the entry ${shownName(entry.name)}`;
    const parts = safe(entry.name, where);
    const name = parts.at(-1);
    if (name === undefined) continue;
    const children = await childrenOf(parts.slice(0, -1), where);
    const before = children.get(name);
    if (whiteouts && name.startsWith(WHITEOUT)) {
      last = undefined;
      if (name === OPAQUE) await dropLower(children, added);
      else {
        const gone = name.slice(WHITEOUT.length);
        if (!added.has(children.get(gone) as Node)) children.delete(gone);
      }
      continue;
    }
    if (entry.type === 'directory') last = undefined;
    const node =
      entry.type === 'hardlink'
        ? await linked(root, entry, what, where)
        : await nodeOf(entry, before);
    added.add(node);
    children.set(name, node);
  }
}

/** Takes away what lower layers have in a folder, at every depth: the mark can come last. */
async function dropLower(children: Map<string, Node>, added: ReadonlySet<Node>): Promise<void> {
  for (const [name, node] of children) {
    if (!added.has(node)) children.delete(name);
    else if (node.kind === 'directory') await dropLower(await node.children(), added);
  }
}

async function nodeOf(entry: OpenableEntry, before: Node | undefined): Promise<Node> {
  const attributes = attributesOf(entry);
  switch (entry.type) {
    case 'directory':
      return directory(
        attributes,
        before?.kind === 'directory' ? await before.children() : undefined,
      );
    case 'symlink':
      return { ...attributes, kind: 'symlink', target: entry.linkName };
    case 'file':
      return { ...attributes, kind: 'file', sizeBytes: entry.sizeBytes, open: entry.open };
    default:
      return { ...attributes, kind: 'special' };
  }
}

async function linked(
  root: DirectoryNode,
  entry: OpenableEntry,
  what: string,
  where: string,
): Promise<Node> {
  const target = safe(entry.linkName, where);
  const { node } = await follow(root, target, { what, followLast: false });
  if (node === undefined || node.kind === 'directory') {
    throw invalidTar(where, `is a hard link to ${shownName(entry.linkName)}, which isn't there`);
  }
  return node;
}

async function folderAt(
  root: DirectoryNode,
  parts: readonly string[],
  added: Set<Node>,
  what: string,
  where: string,
): Promise<Map<string, Node>> {
  const found = await follow(root, parts, { what });
  if (found.node?.kind === 'directory') return found.node.children();
  if (found.node !== undefined) throw invalidTar(where, 'is below something that is no folder');
  let children = await root.children();
  for (const name of found.parts) {
    let child = children.get(name);
    if (child?.kind !== 'directory') {
      child = directory(PLAIN_DIRECTORY as Attributes);
      added.add(child);
      children.set(name, child);
    }
    children = await child.children();
  }
  return children;
}

function safe(name: string, where: string): readonly string[] {
  const parts = partsOf(name);
  if (parts.includes('..')) throw invalidTar(where, 'has a name that leads out of the archive');
  return parts;
}
