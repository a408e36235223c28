import { SlipwayError } from '../../errors.ts';
import { quoted } from '../dockerfile/text.ts';
import {
  type Attributes,
  attributesOf,
  type DirectoryNode,
  directory,
  type Node,
} from './nodes.ts';
import { follow } from './walk.ts';

/** A tree that is being changed, and what has changed. */
export interface Draft {
  readonly root: DirectoryNode;
  /** what was put, by path; folders above it aren't in here */
  readonly changed: ReadonlyMap<string, Node>;
  /** Where a path leads, links followed. */
  follow(parts: readonly string[]): ReturnType<typeof follow>;
  /** The folder at a place whose links were followed; it and those above it are made if missing. */
  makeDirectory(parts: readonly string[], attributes: Attributes): Promise<DirectoryNode>;
  /** Puts a node at a place whose folder is there; a folder that is there keeps what is in it. */
  put(parts: readonly string[], node: Node): Promise<void>;
}

/** Names that would be read as marks of removed files in a layer (image-spec, layer.md). */
const WHITEOUT = '.wh.';

/** Starts to change a tree. */
export function startDraft(root: DirectoryNode, what: string): Draft {
  const changed = new Map<string, Node>();
  const put = async (parts: readonly string[], node: Node) => {
    const name = parts.at(-1);
    if (name === undefined) return;
    if (name.startsWith(WHITEOUT)) {
      throw new SlipwayError(
        'CONFIG_INVALID',
        `${quoted(parts.join('/'))} can't be in a layer: names with .wh. mean removed files there`,
        { hint: 'rename the file, or leave it out in .dockerignore' },
      );
    }
    const folder = await childrenAt(root, parts.slice(0, -1), what);
    const before = folder.get(name);
    const isFolder = node.kind === 'directory';
    if (before !== undefined && (before.kind === 'directory') !== isFolder) {
      const kind = isFolder ? 'a folder' : 'a file';
      const other = before.kind === 'directory' ? 'a folder' : `a ${before.kind}`;
      throw new SlipwayError(
        'CONFIG_INVALID',
        `/${parts.join('/')} is ${other} in ${what}, and ${kind} can't take its place`,
        before.kind === 'symlink'
          ? { hint: `it is a link to ${quoted(before.target)}: copy to there` }
          : {},
      );
    }
    const placed =
      isFolder && before?.kind === 'directory' ? directory(node, await before.children()) : node;
    folder.set(name, placed);
    changed.set(parts.join('/'), placed);
  };
  return {
    root,
    changed,
    put,
    follow: (parts) => follow(root, parts, { what }),
    async makeDirectory(parts, attributes) {
      let here = root;
      for (const [depth, name] of parts.entries()) {
        const child = (await here.children()).get(name);
        if (child?.kind === 'directory') {
          here = child;
          continue;
        }
        const made = directory(attributes);
        await put(parts.slice(0, depth + 1), made);
        here = made;
      }
      return here;
    },
  };
}

/** What changed with the folders above it, each before what is in it. */
export async function withFolders(draft: Draft): Promise<readonly (readonly [string, Node])[]> {
  const all = new Map<string, Node>();
  for (const path of draft.changed.keys()) {
    let here = draft.root;
    const parts = path.split('/');
    for (const [depth, name] of parts.entries()) {
      const node = (await here.children()).get(name);
      if (node === undefined) break;
      all.set(parts.slice(0, depth + 1).join('/'), node);
      if (node.kind === 'directory') here = node;
    }
  }
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Puts a layer that was made by itself over a tree, as engines will do it. */
export async function applyLayer(
  root: DirectoryNode,
  entries: readonly (readonly [string, Node])[],
): Promise<void> {
  for (const [path, node] of entries) {
    const parts = path.split('/');
    const folder = await childrenAt(root, parts.slice(0, -1), 'the image');
    const name = parts.at(-1) ?? '';
    const before = folder.get(name);
    const isMerged = node.kind === 'directory' && before?.kind === 'directory';
    if (node.kind !== 'directory') folder.set(name, node);
    else
      folder.set(
        name,
        directory(attributesOf(node), isMerged ? await before.children() : undefined),
      );
  }
}

async function childrenAt(
  root: DirectoryNode,
  parts: readonly string[],
  what: string,
): Promise<Map<string, Node>> {
  let children = await root.children();
  for (const name of parts) {
    const child = children.get(name);
    if (child?.kind !== 'directory') {
      throw new SlipwayError('CONFIG_INVALID', `/${parts.join('/')} is no folder in ${what}`);
    }
    children = await child.children();
  }
  return children;
}
