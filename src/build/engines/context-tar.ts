import { type Bytes, fromMemory } from '../../bytes/stream.ts';
import { TAR_END, tarHeader, tarPadding } from '../../bytes/tar-write.ts';
import { parseIgnore } from '../dockerfile/ignore.ts';
import type { BuildRequest } from '../engine.ts';
import { openContextFolder } from '../native/context-folder.ts';
import type { DirectoryNode, FileNode, Node } from '../native/nodes.ts';

/** The name that the Dockerfile has in what is sent: no file of a context is called so. */
export const SENT_DOCKERFILE = '.slipway.dockerfile';

/**
 * A context as a tar file for an engine's API, without what the ignore file leaves out. The
 * Dockerfile is in it under a name of its own, so that what was read is what is built.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `SIZE_MISMATCH` for a file that changes meanwhile
 */
export async function* contextTar({ context, dockerfile }: BuildRequest): Bytes {
  if (context.kind === 'folder') {
    const rules = parseIgnore(dockerfile?.ignore);
    const root = await openContextFolder(context.path, rules);
    yield* folderTar(root, '', new Map());
  }
  const bytes = dockerfile?.bytes ?? new Uint8Array();
  const { byteLength: sizeBytes } = bytes;
  yield tarHeader({ name: SENT_DOCKERFILE, sizeBytes });
  yield* fromMemory(bytes);
  yield tarPadding(sizeBytes);
  yield TAR_END;
}

async function* folderTar(folder: DirectoryNode, path: string, seen: Map<Node, string>): Bytes {
  for (const [name, node] of await folder.children()) {
    const full = path === '' ? name : `${path}/${name}`;
    if (full === SENT_DOCKERFILE) continue;
    yield* nodeTar(node, full, seen);
  }
}

async function* nodeTar(node: Node, name: string, seen: Map<Node, string>): Bytes {
  const { mode, uid, gid, mtimeSeconds } = node;
  const attributes = { mode, uid, gid, mtimeSeconds, sizeBytes: 0 };
  switch (node.kind) {
    case 'directory':
      yield tarHeader({ ...attributes, name: `${name}/`, type: 'directory' });
      yield* folderTar(node, name, seen);
      break;
    case 'symlink':
      yield tarHeader({ ...attributes, name, type: 'symlink', linkName: node.target });
      break;
    case 'file': {
      const before = seen.get(node);
      if (before !== undefined) {
        yield tarHeader({ ...attributes, name, type: 'hardlink', linkName: before });
        break;
      }
      seen.set(node, name);
      yield* fileTar(node, name, attributes);
      break;
    }
    // Sockets and devices are in no context: docker leaves them out, too.
    case 'special':
      break;
  }
}

async function* fileTar(
  { sizeBytes, open }: FileNode,
  name: string,
  attributes: Omit<Parameters<typeof tarHeader>[0], 'name' | 'sizeBytes'>,
): Bytes {
  yield tarHeader({ ...attributes, name, sizeBytes });
  yield* open();
  yield tarPadding(sizeBytes);
}
