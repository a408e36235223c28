import type { Bytes } from '../bytes/stream.ts';
import { readManifest } from '../content/graph.ts';
import type { Signalled } from '../content/transport.ts';
import { readDocument } from '../content/verify.ts';
import { SlipwayError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { Layout } from '../layout/layout.ts';
import { parseConfig } from '../oci/config.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { formatPlatform, isUnknownPlatform } from '../oci/platform.ts';
import { tarOf } from './layer.ts';
import { treeOfLayers } from './native/image-tree.ts';
import { layerEntries } from './native/layer-entries.ts';
import { type DirectoryNode, directory, type Node } from './native/nodes.ts';

export interface ImageFilesOptions extends Signalled {
  /** folder on whose disk files are kept while they are read */
  readonly spoolDir: string;
  readonly emit: Emit;
}

/** Everything in a tree by its path, each folder before what is in it. */
export type PlacedNode = readonly [path: string, node: Node];

/**
 * Gives `work` the files of an image, as a container would see them: those of an index by platform,
 * in folders `linux_amd64`. Devices and pipes are left out, with a warning.
 *
 * @throws SlipwayError `CONTENT_INVALID` for what isn't an image of layers, and what is wrong with
 * its layers
 */
export async function withImageFiles<T>(
  store: Layout,
  root: Descriptor,
  options: ImageFilesOptions,
  work: (files: readonly PlacedNode[]) => Promise<T>,
): Promise<T> {
  const closers: (() => Promise<void>)[] = [];
  const onClose = (close: () => Promise<void>) => void closers.push(close);
  try {
    const tree = await treeOf(store, root, { ...options, onClose });
    const files: PlacedNode[] = [];
    let leftOut = 0;
    for await (const placed of below(tree, '')) {
      if (placed[1].kind === 'special') leftOut++;
      else files.push(placed);
    }
    if (leftOut > 0) {
      options.emit({ type: 'warning', message: `${leftOut} devices and pipes are left out` });
    }
    return await work(files);
  } finally {
    for (const close of closers) await close();
  }
}

/** Files as a tar archive, with the owners, modes and times that they have in the image. */
export function filesTar(files: readonly PlacedNode[]): Bytes {
  return tarOf(layerEntries(files, (seconds) => seconds));
}

async function treeOf(
  store: Layout,
  root: Descriptor,
  options: ImageFilesOptions & { readonly onClose: (close: () => Promise<void>) => void },
): Promise<DirectoryNode> {
  const { signal } = options;
  const { document } = await readManifest(store, root, { signal });
  if (document.kind === 'manifest') {
    const maxBytes = DOCUMENT_LIMITS.configBytes;
    const bytes = await readDocument(store, document.config, { signal, maxBytes });
    const { diffIds } = parseConfig(bytes);
    if (diffIds.length === document.layers.length) {
      return await treeOfLayers({ ...options, store }, document.layers, diffIds);
    }
    throw new SlipwayError('CONTENT_INVALID', 'what was built has not one diffID for each layer');
  }
  const platforms = new Map<string, Node>();
  for (const entry of document.manifests) {
    if (entry.platform === undefined || isUnknownPlatform(entry.platform)) continue;
    const name = formatPlatform(entry.platform).replaceAll('/', '_');
    platforms.set(name, await treeOf(store, entry, options));
  }
  return directory(undefined, platforms);
}

async function* below(folder: DirectoryNode, path: string): AsyncGenerator<PlacedNode> {
  const children = [...(await folder.children())].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, node] of children) {
    const place = path === '' ? name : `${path}/${name}`;
    yield [place, node];
    if (node.kind === 'directory') yield* below(node, place);
  }
}
