import { constants } from 'node:fs';
import { type FileHandle, lstat, open, opendir, readlink, realpath } from 'node:fs/promises';
import path from 'node:path';
import { printable } from '../../bytes/printable.ts';
import { type Bytes, fileError, readHandleBytes } from '../../bytes/stream.ts';
import { SlipwayError, systemCode } from '../../errors.ts';
import type { IgnoreRules } from '../dockerfile/ignore.ts';
import type { Attributes, DirectoryNode, FileNode, Node } from './nodes.ts';

const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const DIRECTORY = READ_ONLY | constants.O_DIRECTORY;
/** entries of one folder */
const MAX_ENTRIES = 1_000_000;

/**
 * The files of a context, read where they are when they are asked for. Links are never followed on
 * disk: what is opened is asked where it really is. All belongs to root, as in Docker's contexts.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`
 */
export async function openContextFolder(
  folder: string,
  rules: IgnoreRules,
): Promise<DirectoryNode> {
  try {
    const root = await realpath(folder);
    return folderNode({ root, rules, files: new Map() }, '', await lstat(root, { bigint: true }));
  } catch (error) {
    throw fileError(folder, error);
  }
}

interface Context {
  /** absolute path without links */
  readonly root: string;
  readonly rules: IgnoreRules;
  /** files that have more than one name, by device and inode */
  readonly files: Map<string, FileNode>;
}

type Stats = Awaited<ReturnType<typeof lstatOf>>;

function lstatOf(file: string) {
  return lstat(file, { bigint: true });
}

function folderNode(context: Context, name: string, stats: Stats): DirectoryNode {
  let children: Promise<Map<string, Node>> | undefined;
  return {
    ...attributes(stats),
    kind: 'directory',
    children() {
      children ??= readFolder(context, name);
      return children;
    },
  };
}

async function readFolder(context: Context, name: string): Promise<Map<string, Node>> {
  const file = path.join(context.root, name);
  const children = new Map<string, Node>();
  const handle = await openWhereItIs(file, DIRECTORY);
  try {
    const entries: string[] = [];
    for await (const entry of await opendir(insideOf(handle) ?? file)) {
      entries.push(entry.name);
      if (entries.length > MAX_ENTRIES) {
        throw new SlipwayError('LIMIT_EXCEEDED', `${file} has more than ${MAX_ENTRIES} entries`);
      }
    }
    for (const entry of entries.sort()) {
      if (entry.includes('\ufffd')) {
        throw new SlipwayError(
          'FILE_NOT_FOUND',
          `${printable(file)} holds a name that isn't UTF-8`,
        );
      }
      const child = await childNode(context, name === '' ? entry : `${name}/${entry}`);
      if (child !== undefined) children.set(entry, child);
    }
  } catch (error) {
    throw fileError(file, error);
  } finally {
    await handle.close();
  }
  return children;
}

/** What a name in the context is, or undefined if the rules leave it out. */
async function childNode(context: Context, name: string): Promise<Node | undefined> {
  const { root, rules, files } = context;
  const isIgnored = rules.ignores(name);
  if (isIgnored && !rules.hasExceptions) return undefined;
  const file = path.join(root, name);
  const stats = await lstatOf(file);
  if (stats.isDirectory()) {
    const node = folderNode(context, name, stats);
    // A folder that is left out is there for what is brought back in it.
    return isIgnored && (await node.children()).size === 0 ? undefined : node;
  }
  if (isIgnored) return undefined;
  if (stats.isSymbolicLink()) {
    return { ...attributes(stats), kind: 'symlink', target: await targetOf(file) };
  }
  if (!stats.isFile()) return { ...attributes(stats), kind: 'special' };
  const key = `${stats.dev} ${stats.ino}`;
  const known = files.get(key);
  if (known !== undefined) return known;
  const node: FileNode = {
    ...attributes(stats),
    kind: 'file',
    sizeBytes: Number(stats.size),
    open: () => readUnchanged(file, stats),
  };
  if (stats.nlink > 1n) files.set(key, node);
  return node;
}

async function targetOf(file: string): Promise<string> {
  try {
    return await readlink(file);
  } catch (error) {
    // Something else has taken the link's place.
    throw systemCode(error) === 'EINVAL' ? changed(file) : error;
  }
}

function attributes(stats: Stats): Attributes {
  const mtimeSeconds = Number(stats.mtimeNs / 1_000_000_000n);
  return { mode: Number(stats.mode & 0o7777n), uid: 0, gid: 0, mtimeSeconds };
}

/** The content of a file that must be, before and after, what it was when it was found. */
async function* readUnchanged(file: string, before: Stats): Bytes {
  const handle = await openWhereItIs(file, READ_ONLY);
  try {
    await checkUnchanged(handle, file, before);
    yield* readHandleBytes(handle, file, { length: Number(before.size) });
    await checkUnchanged(handle, file, before);
  } finally {
    await handle.close();
  }
}

async function checkUnchanged(handle: FileHandle, file: string, before: Stats): Promise<void> {
  const now = await handle.stat({ bigint: true });
  const isSame =
    now.dev === before.dev &&
    now.ino === before.ino &&
    now.size === before.size &&
    now.mtimeNs === before.mtimeNs;
  if (!isSame) throw changed(file);
}

function changed(file: string): SlipwayError {
  return new SlipwayError('SIZE_MISMATCH', `${printable(file)} changed while it was packed`, {
    path: file,
    hint: 'let nobody write to the context meanwhile, and build again',
  });
}

/** Opens a file or folder of the context, and makes sure that it is there and nowhere else. */
async function openWhereItIs(file: string, flags: number): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(file, flags);
  } catch (error) {
    const code = systemCode(error);
    // A link has taken its place.
    if (code === 'ELOOP' || code === 'ENOTDIR') throw changed(file);
    throw fileError(file, error);
  }
  try {
    // A folder above it can have become a link: what was opened knows where it is.
    const inside = insideOf(handle);
    const place = inside === undefined ? await realpath(file) : await readlink(inside);
    if (place !== file) throw changed(file);
    return handle;
  } catch (error) {
    await handle.close();
    throw fileError(file, error);
  }
}

function insideOf(handle: FileHandle): string | undefined {
  return process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : undefined;
}
