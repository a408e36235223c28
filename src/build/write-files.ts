import { constants } from 'node:fs';
import { chmod, link, lstat, mkdir, open, symlink, unlink, utimes } from 'node:fs/promises';
import path from 'node:path';
import { printable } from '../bytes/printable.ts';
import type { Signalled } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import { unlessMissing, writeError } from '../layout/files.ts';
import type { PlacedNode } from './image-files.ts';
import type { FileNode, Node } from './native/nodes.ts';

/** Never through a link, and never into a file that is there. */
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Who runs what somebody else has built lends it no rights. */
const MODE_MASK = 0o1777;

/**
 * Writes files into a folder, which is made if it isn't there. They belong to who writes them; modes
 * and times are those of the image, without setuid and setgid. Files and links that are
 * there are replaced and never written through; folders that are there keep what else is in them.
 *
 * @param files each folder before what is in it, as `withImageFiles` gives them
 * @throws SlipwayError `CONFIG_INVALID` where a folder is in the place of a file; `NO_SPACE`,
 * `FILE_NOT_FOUND`
 */
export async function writeFilesTo(
  folder: string,
  files: readonly PlacedNode[],
  { signal }: Signalled = {},
): Promise<void> {
  const written = new Map<Node, string>();
  try {
    await mkdir(folder, { recursive: true });
    for (const [name, node] of files) {
      signal?.throwIfAborted();
      await writeOne(path.join(folder, name), node, written);
    }
    // Last, and the deepest first: what is written into a folder changes its time, or needs its mode.
    for (const [name, node] of [...files].reverse()) {
      if (node.kind !== 'directory') continue;
      const place = path.join(folder, name);
      await chmod(place, node.mode & MODE_MASK);
      await utimes(place, node.mtimeSeconds, node.mtimeSeconds);
    }
  } catch (error) {
    throw writeError(folder, error);
  }
}

async function writeOne(place: string, node: Node, written: Map<Node, string>): Promise<void> {
  const there = await unlessMissing(lstat(place));
  if (node.kind === 'directory') {
    if (there?.isDirectory() === true) return;
    if (there !== undefined) await unlink(place);
    await mkdir(place, { mode: 0o700 });
    return;
  }
  if (there?.isDirectory() === true) {
    throw new SlipwayError(
      'CONFIG_INVALID',
      `${printable(place)} is a folder, and a file in the image`,
      {
        path: place,
        hint: 'remove it, or write to an empty folder',
      },
    );
  }
  if (there !== undefined) await unlink(place);
  if (node.kind === 'symlink') return await symlink(node.target, place);
  if (node.kind !== 'file') return;
  const first = written.get(node);
  if (first !== undefined) return await link(first, place);
  await writeFile(place, node);
  written.set(node, place);
}

async function writeFile(place: string, node: FileNode): Promise<void> {
  const handle = await open(place, NEW_FILE, 0o600);
  try {
    for await (const chunk of node.open()) await handle.writeFile(chunk);
    await handle.chmod(node.mode & MODE_MASK);
    await handle.utimes(node.mtimeSeconds, node.mtimeSeconds);
  } finally {
    await handle.close();
  }
}
