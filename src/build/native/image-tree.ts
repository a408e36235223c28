import type { Fetcher } from '../../content/transport.ts';
import { verifiedBytes } from '../../content/verify.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { type Digest, shortDigest } from '../../oci/digest.ts';
import { type DirectoryNode, directory } from './nodes.ts';
import { entriesOf, type TarReading } from './spooled-tar.ts';
import { addTar } from './tar-tree.ts';

/** Where layers are, and where files of theirs that are read are kept. */
export interface LayerReading extends Pick<TarReading, 'spoolDir' | 'onClose' | 'signal'> {
  readonly store: Fetcher;
}

/**
 * The files of an image: its layers over each other, the lowest first. Each is read through once.
 *
 * @throws SlipwayError `ARCHIVE_INVALID`, `DIGEST_MISMATCH`, `CONTENT_MISSING`
 */
export async function treeOfLayers(
  { store, spoolDir, signal, onClose }: LayerReading,
  layers: readonly Descriptor[],
  diffIds: readonly Digest[],
): Promise<DirectoryNode> {
  const root = directory();
  for (const [at, layer] of layers.entries()) {
    const what = `the layer ${shortDigest(layer.digest)}`;
    const open = () => verifiedBytes(layer, store.fetch(layer, { signal }));
    const diffId = diffIds[at] as Digest;
    const entries = entriesOf({ what, open, diffId, spoolDir, signal, onClose });
    await addTar(root, entries, { what, whiteouts: true });
  }
  return root;
}
