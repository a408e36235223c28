import path from 'node:path';
import { printable } from '../../bytes/printable.ts';
import { SlipwayError } from '../../errors.ts';
import type { IgnoreRules } from '../dockerfile/ignore.ts';
import { isFolderName, needsFolder } from '../dockerfile/parse-copy.ts';
import { shownPlace, type Where } from '../dockerfile/text.ts';
import type { ModeChange } from './mode.ts';
import {
  type Attributes,
  attributesOf,
  type DirectoryNode,
  directory,
  type FileNode,
  type Node,
  partsOf,
} from './nodes.ts';
import type { Owner } from './owner.ts';
import type { SourceNode } from './sources.ts';
import type { Draft } from './tree.ts';

/** How things are copied. */
export interface CopyRequest {
  readonly keyword: 'COPY' | 'ADD';
  readonly where: Where;
  /** absolute; a slash at its end says that it is a folder */
  readonly destination: string;
  /** left out: files keep theirs, new folders are root's */
  readonly owner?: Owner | undefined;
  readonly mode?: ModeChange | undefined;
  /** relative to each folder that is copied */
  readonly exclude: IgnoreRules;
  /** time of folders that are made */
  readonly nowSeconds: number;
  /** Unpacks a file into a folder, if it is an archive. */
  readonly unpack?: (
    file: FileNode,
    name: string,
    destination: readonly string[],
  ) => Promise<boolean>;
}

/**
 * Copies into a tree by BuildKit's rules: folders by what is in them, a file into a folder that is
 * there or said to be one, links on the way followed, folders on the way made.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export async function copyInto(
  draft: Draft,
  sources: readonly SourceNode[],
  request: CopyRequest,
): Promise<void> {
  const { destination, exclude } = request;
  const isFolder = isFolderName(destination);
  const kept = sources.filter(
    ({ node, name }) => node.kind === 'directory' || !exclude.ignores(name),
  );
  if (kept.length > 1 && !isFolder) {
    const there = await draft.follow(partsOf(destination));
    if (there.node?.kind !== 'directory') {
      throw needsFolder(request.keyword, request.where, destination);
    }
  }
  for (const source of kept) await copyOne(draft, source, isFolder, request);
}

async function copyOne(
  draft: Draft,
  { node, name }: SourceNode,
  isFolder: boolean,
  request: CopyRequest,
): Promise<void> {
  const { destination, owner, nowSeconds } = request;
  const made: Attributes = {
    mode: 0o755,
    uid: owner?.uid ?? 0,
    gid: owner?.gid ?? 0,
    mtimeSeconds: nowSeconds,
  };
  const parts = partsOf(destination);
  const place = await draft.follow(parts);
  if (node.kind === 'file' && (await request.unpack?.(node, name, place.parts)) === true) return;
  // A slash at the end, or something that goes into a folder, needs the folder itself.
  if (isFolder || node.kind === 'directory') {
    refuseOther(place.node, place.parts, request);
    await draft.makeDirectory(place.parts, made);
  } else await draft.makeDirectory((await draft.follow(parts.slice(0, -1))).parts, made);
  if (node.kind === 'directory') {
    await copyChildren(draft, node, place.parts, '', request, new Map());
    return;
  }
  const inFolder = isFolder || place.node?.kind === 'directory';
  const target = inFolder ? [...place.parts, name] : place.parts;
  await draft.put(target, changed(node, request, path.posix.join(...target)));
}

/** Copies what is in a folder; two names of one file stay that. */
async function copyChildren(
  draft: Draft,
  folder: DirectoryNode,
  target: readonly string[],
  below: string,
  request: CopyRequest,
  files: Map<FileNode, Node>,
): Promise<void> {
  for (const [name, node] of await folder.children()) {
    const relative = below === '' ? name : `${below}/${name}`;
    const isExcluded = request.exclude.ignores(relative);
    if (isExcluded && !(node.kind === 'directory' && request.exclude.hasExceptions)) continue;
    const parts = [...target, name];
    if (node.kind === 'directory') {
      if (!isExcluded) await draft.put(parts, changed(node, request, relative));
      await copyChildren(draft, node, parts, relative, request, files);
      continue;
    }
    const known = node.kind === 'file' ? files.get(node) : undefined;
    const copy = known ?? changed(node, request, relative);
    if (node.kind === 'file') files.set(node, copy);
    await draft.put(parts, copy);
  }
}

/** A copy of a node with the owner and mode that were asked for; a folder without what is in it. */
function changed(node: Node, { owner, mode, where }: CopyRequest, name: string): Node {
  if (node.kind === 'special') {
    throw new SlipwayError(
      'CONFIG_INVALID',
      `${shownPlace(where)}: ${printable(name)} is a device, pipe or socket, which can't be copied`,
      { hint: 'leave it out in .dockerignore' },
    );
  }
  const isFolder = node.kind === 'directory';
  const attributes = {
    ...attributesOf(node),
    ...owner,
    ...(mode === undefined || node.kind === 'symlink' ? {} : { mode: mode(node.mode, isFolder) }),
  };
  return node.kind === 'directory' ? directory(attributes) : { ...node, ...attributes };
}

function refuseOther(node: Node | undefined, parts: readonly string[], request: CopyRequest): void {
  if (node === undefined || node.kind === 'directory') return;
  throw new SlipwayError(
    'CONFIG_INVALID',
    `${shownPlace(request.where)}: /${printable(parts.join('/'))} is no folder`,
    { hint: `${request.keyword} needs a folder as its destination here` },
  );
}
