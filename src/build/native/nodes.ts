import type { Bytes } from '../../bytes/stream.ts';

/** Owner, permissions and time of something in a file system. */
export interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  /** extended attributes by name, values as latin1 text */
  readonly xattrs?: ReadonlyMap<string, string>;
}

/** A regular file. Two names of one object are hard links. */
export interface FileNode extends Attributes {
  readonly kind: 'file';
  readonly sizeBytes: number;
  /** reads its content, as often as needed, and fails if it isn't what it was */
  readonly open: () => Bytes;
}

export interface SymlinkNode extends Attributes {
  readonly kind: 'symlink';
  readonly target: string;
}

/** A device, pipe or socket: it can be there, and nothing else. */
export interface SpecialNode extends Attributes {
  readonly kind: 'special';
}

export interface DirectoryNode extends Attributes {
  readonly kind: 'directory';
  /** what is in it, read when it is asked for the first time */
  readonly children: () => Promise<Map<string, Node>>;
}

/** Something in a tree of files: a context, an image, a stage. */
export type Node = FileNode | SymlinkNode | SpecialNode | DirectoryNode;

/** What a folder has that nobody described. */
export const PLAIN_DIRECTORY: Attributes = { mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0 };

/** A folder that exists in memory only. */
export function directory(
  attributes: Attributes = PLAIN_DIRECTORY,
  children: Map<string, Node> = new Map(),
): DirectoryNode {
  return { ...attributesOf(attributes), kind: 'directory', children: async () => children };
}

/** Only the attributes of a node. */
export function attributesOf({ mode, uid, gid, mtimeSeconds, xattrs }: Attributes): Attributes {
  return { mode, uid, gid, mtimeSeconds, ...(xattrs === undefined ? {} : { xattrs }) };
}

/** The parts of a path, without `.`; `..` stays. */
export function partsOf(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** A copy of a tree that can be changed; nothing of what is in its files is read. */
export async function copyOfTree(root: DirectoryNode): Promise<DirectoryNode> {
  const children = new Map<string, Node>();
  for (const [name, child] of await root.children()) {
    children.set(name, child.kind === 'directory' ? await copyOfTree(child) : child);
  }
  return directory(root, children);
}
